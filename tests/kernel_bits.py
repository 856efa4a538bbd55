"""Prints the hashes of trained weights and of whole runs' records, as JSON; other processors must print the same.

python tests/kernel_bits.py few
python tests/kernel_bits.py all
python tests/kernel_bits.py begin STORE    the first cycles of a run, whose outcomes are kept there
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dropnet_core.data import Split, load
from dropnet_core.engines.kernels.engine import kernel_model
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.experiments.records import PROVENANCE_COLUMNS, file_texts
from dropnet_core.networks.plain import describe, initial_weights
from dropnet_core.recipe import Recipe
from dropnet_core.running.run import run
from dropnet_core.running.store import Store
from dropnet_core.stops import Stop

NETWORKS = {
    "fc40-fc40": 32,
    "fc13-fc9": 50,
    "conv13-conv7": 32,
    "conv5-conv1": 32,
    "conv17-conv9-conv21-conv11-dense37": 50,
    "colour conv6-conv5-fc9": 7,
    "colour fc9": 7,
}
"""By the images of a batch."""

RUNS = ("fc8-fc8", "conv4-conv3")

FEW = ("fc13-fc9", "colour conv6-conv5-fc9")
"""Networks that have every kernel run between them."""


def some_images(count: int) -> Split:
    """The first training images of mnist5k."""
    split = load("mnist5k").train
    return Split(split.images[:count].clone(), split.labels[:count].clone())


def coloured(split: Split) -> Split:
    """Images (n, 3, 27, 27), of odd height and width: what is counted of windows and tiles differs at their edges."""
    images = split.images[:, :, 1:, 1:]
    return Split(torch.cat([images, images.flip(2), images // 2], dim=1).contiguous(), split.labels)


def digest(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def of_weights(name: str) -> str:
    """The hash of a network's weights after three epochs on 335 images, and of all that it then answers."""
    split = coloured(some_images(335)) if name.startswith("colour") else some_images(335)
    channels, height, width = split.images.shape[1:]
    network = describe(name.split()[-1], (channels, height, width), 10)
    model, lay_out = kernel_model(network, initial_weights(network, 0), NETWORKS[name])
    layout = lay_out(split.images.numpy(), split.labels.numpy(), NETWORKS[name])
    told = [model.epoch([layout], 0.1) for _ in range(3)] + [model.evaluate(layout)]
    seen = [values for layer in model.statistics(layout) for values in layer.values()]
    parts = [array for i in range(len(model.layers)) for array in (model.weight(i), model.bias(i))]
    return digest([np.ascontiguousarray(array).tobytes() for array in [*parts, *seen, np.array(told)]])


def small_run(network: str, cycles: int) -> Experiment:
    """A few cycles of two metrics on mnist5k, of a few epochs each."""
    return Experiment(
        "bits",
        "mnist5k",
        network,
        metrics=("min", "random"),
        seeds=(0,),
        selection=("exact",),
        p=(0.4,),
        stops=(Stop("cycles", cycles),),
        recipe=Recipe(max_epochs=2),
    )


def of_records(table: pd.DataFrame) -> str:
    """The hash of records but for where they come from."""
    written = file_texts(table).drop(columns=PROVENANCE_COLUMNS)
    return digest([written.to_csv(index=False).encode()])


def records_of(network: str, store: Path, cycles: int = 3) -> pd.DataFrame:
    return run(small_run(network, cycles), store=Store(store), engine="kernels", device="cpu")


def of_run(network: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return of_records(records_of(network, Path(folder) / "store.sqlite"))


def hashes(which: str) -> dict[str, str]:
    """By what they are of: of all networks and runs, or of a few that have every kernel run."""
    names, runs = (NETWORKS, RUNS) if which == "all" else (FEW, ())
    return {name: of_weights(name) for name in names} | {f"records {name}": of_run(name) for name in runs}


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "begin":
        for network in RUNS:
            records_of(network, Path(sys.argv[2]), cycles=2)
    else:
        print(json.dumps(hashes(sys.argv[1])))
