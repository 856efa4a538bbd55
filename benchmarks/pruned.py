"""What dropping half of all units buys in size, arithmetic and latency, with odd widths and with rounded ones.

python -m benchmarks.pruned    a few minutes on an idle core; needs the extra onnx; writes results/benchmarks/pruned.csv

Latency depends on widths, not on what a network has learned, so nothing is trained: the units are drawn at random from
all layers together.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks import rows
from benchmarks.rows import Row
from dropnet_core.basics.streams import stream
from dropnet_core.data.vision import torchvision
from dropnet_core.masks import Mask
from dropnet_core.pruning.cut import cut
from dropnet_core.pruning.cycle import costs
from dropnet_core.pruning.latency import RUNTIMES, SIZES, latency
from dropnet_core.pruning.units import Units, find
from dropnet_core.pruning.widths import Widths

FILE = Path(__file__).resolve().parent.parent / "results" / "benchmarks" / "pruned.csv"
NETWORKS = ("resnet18", "mobilenet_v3_small")
PIXELS, CLASSES = 64, 10
MULTIPLE = 8


def half(units: Units, widths: Widths) -> Mask:
    """Half of all units, drawn at random, and those that the rules for widths keep beside them."""
    full = Mask.full(units.widths)
    order = stream(0, "half").permutation(full.units_remaining)
    chosen = np.split(order < full.units_remaining // 2, np.cumsum(units.widths)[:-1])
    return widths.filled(units, Mask(chosen), full, [stream(0, "rest", name).random(n) for name, n in sizes(units)])


def sizes(units: Units) -> Iterator[tuple[str, int]]:
    return zip(units.names, units.widths, strict=True)


def variants(name: str) -> tuple[Mapping[str, nn.Module], Units]:
    """The whole network, half of it, and half of it with widths rounded up."""
    torch.manual_seed(0)
    network = torchvision().models.get_model(name, num_classes=CLASSES).eval()
    units = find(network, torch.rand(2, 3, PIXELS, PIXELS))
    rounded = f"half, multiples of {MULTIPLE}"
    masks = {"half": half(units, Widths()), rounded: half(units, Widths(multiple=MULTIPLE))}
    return {"whole": network} | {way: cut(network, units, mask).eval() for way, mask in masks.items()}, units


def pruned(name: str, runtimes: tuple[str, ...] = RUNTIMES, images: tuple[int, ...] = SIZES) -> Iterator[Row]:
    """Sizes, and milliseconds on one thread for each runtime and number of images; the networks take turns."""
    networks, units = variants(name)
    for way, network in networks.items():
        parameters, macs = costs(network, units)
        yield Row.of("size", name, "parameters", way, values=[parameters], unit="numbers")
        yield Row.of("size", name, "multiply-accumulates", way, values=[macs], unit="for one image")
    example = torch.rand(2, 3, PIXELS, PIXELS)
    for runtime in runtimes:
        for row in latency(networks, example, images=images, runtime=runtime).to_dict("records"):
            time = [row["milliseconds"]]
            yield Row.of("latency", name, runtime, row["network"], at=row["images"], values=time, unit="ms")


def main() -> None:
    torch.set_num_threads(1)
    measured = rows.benchmark_table(row for name in NETWORKS for row in pruned(name))
    print(rows.as_text(measured))
    rows.merge_benchmarks(rows.read_benchmarks(FILE), measured).to_csv(FILE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
