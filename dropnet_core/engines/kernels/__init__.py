"""Plain networks in compiled kernels: their cost follows their arithmetic, and their bits are the same everywhere.

A network of dense layers (`rows`), or of convolutions with a max-pool each and dense layers behind them (`maps`), is
trained, evaluated and scored here in float32 on the CPU. `vectors` says how kernels are written and why no bit depends
on the processor; `row_kernels`, `map_kernels`, `tile_kernels` and `softmax` hold the arithmetic, each beside its
formula.
"""

from collections.abc import Iterator
from importlib.util import find_spec

import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.data import DataSet
from dropnet_core.engines.interface import Take, Watch, by_name_only, engines
from dropnet_core.networks.plain import Network
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.training import Outcome

PLAIN_LAYERS = ("dense", ""), ("conv", "max")


def refusal(network: Network, recipe: Recipe, device: torch.device) -> str:
    """Why the kernels cannot train a network by a recipe on a device; empty if they can."""
    if device.type != "cpu":
        return "run on a CPU"
    if recipe.precision != "float32":
        return "compute in float32"
    if any(layer.norm or layer.inputs or (layer.kind, layer.pool) not in PLAIN_LAYERS for layer in network.layers):
        return "train dense layers and convolutions with a max-pool each, without batch norm or sums"
    if find_spec("numba") is None:
        return "need Numba, which is not installed"
    return ""


def kernels(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train each job's network. Raises InputError for one that the kernels cannot train."""
    from dropnet_core.engines.kernels.engine import Trainer  # takes a second, and nothing but training needs it

    trainer = Trainer(data)
    while jobs := take(1):
        job, watch = by_name_only(jobs[0], "kernels"), Watch()
        if why := refusal(job.network, job.recipe, data.train.labels.device):
            raise InputError(
                f"the engine 'kernels' cannot train {job.network.name} by this recipe: kernels {why}; choose 'compact'"
            )
        yield job, watch.on(trainer.outcome(job))


engines.add("kernels", kernels)
