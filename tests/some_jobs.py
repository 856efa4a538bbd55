"""Jobs for engines, without a scheduler."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from dropnet_core.data import DataSet
from dropnet_core.engines import Take, engines
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.training import Outcome

FLOAT64 = Recipe(precision="float64", max_epochs=4)


def taking(jobs: Iterable[Job]) -> Take:
    """The `take` of an engine, over a fixed list of jobs."""
    left = list(jobs)

    def take(count: int) -> list[Job]:
        taken = left[:count]
        del left[:count]
        return taken

    return take


def train_all(engine: str, data: DataSet, jobs: Iterable[Job]) -> dict[Job, Outcome]:
    """The outcome of each job by this engine."""
    return dict(engines[engine](data, taking(jobs)))


def some_jobs(data: DataSet, name: str, recipe: Recipe, seeds: Sequence[int] = range(2)) -> list[Job]:
    """The full network, random masks, one unit left in all layers and in one, an emptied layer; each seed."""
    network = describe(name, data.shape, data.classes)
    generator = np.random.default_rng(0)
    masks = [Mask.full(network.widths)]
    masks += [Mask(generator.random(w) < share for w in network.widths) for share in (0.8, 0.5, 0.3)]
    masks += [Mask(np.arange(w) < 1 for w in network.widths)]
    for empty in range(len(network.widths)):
        for left in (1, 0):
            masks.append(Mask(np.arange(w) < (left if i == empty else w) for i, w in enumerate(network.widths)))
    return [Job(recipe, network, seed, seed, mask) for seed in seeds for mask in masks]


def lacking(name: str, data: DataSet, *layers: int, share: float = 1.0) -> Job:
    """A job for a deep network in which these layers are empty and of the others this share is left."""
    network, generator = describe(name, data.shape, data.classes), np.random.default_rng(0)
    kept = [generator.random(width) < (0 if i in layers else share) for i, width in enumerate(network.widths)]
    return Job(replace(FLOAT64, max_epochs=2), network, 0, 0, Mask(kept))
