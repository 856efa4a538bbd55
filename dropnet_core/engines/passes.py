"""What every engine does with a job's trained weights: passes over the training set for its statistics."""

from collections.abc import Sequence

import numpy as np
import torch

from dropnet_core.basics.precision import arithmetic, storage
from dropnet_core.compaction import compact
from dropnet_core.data import DataSet
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import Network
from dropnet_core.prunable import MaskedModule, Weights
from dropnet_core.runs import Job
from dropnet_core.training import LargeBatches, large_batches
from dropnet_core.unit_statistics import Statistics, by_name, measure


def usual_statistics(model: MaskedModule, data: DataSet, precision: str) -> Statistics:
    """The statistics that every training delivers, of a trained network over the training set."""
    with arithmetic(precision, data.train.labels.device):
        return measure(model, (images for images, _ in large_batches(data.train, storage(precision))))


def further_statistics(needs: Sequence[str], model: MaskedModule, data: DataSet, precision: str) -> Statistics:
    """Those that a metric needs beyond them."""
    with arithmetic(precision, data.train.labels.device):
        return by_name(needs, model, LargeBatches(data.train, storage(precision)))


def further_statistics_of(job: Job, needs: Sequence[str], weights: Weights, data: DataSet) -> Statistics:
    """The same, of a job's network under these full weights."""
    if not needs:
        return {}
    model = job.network.masked(weights, job.mask).to(data.train.labels.device, storage(job.recipe.precision))
    return further_statistics(needs, model, data, job.recipe.precision)


def statistics_of(job: Job[Network], weights: Weights, data: DataSet) -> Statistics:
    """The statistics of a job's units under these full weights, the usual ones measured on the compacted network."""
    network, small = compact(job.network, job.mask, weights)
    model = network.masked(small, Mask.full(network.widths))
    model = model.to(data.train.labels.device, storage(job.recipe.precision))
    if not network.all_dense:  # two thirds of the time on a CPU
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    usual = widened(job.mask, usual_statistics(model, data, job.recipe.precision))
    return usual | further_statistics_of(job, job.needs, weights, data)


def widened(mask: Mask, narrow: Statistics) -> Statistics:
    """The usual statistics of a compacted network's units at full width.

    Dropped units have mean 0 and a share of zeros of 1, as a mask leaves them.
    """
    statistics: Statistics = {}
    for name, layers in narrow.items():
        silent = 1.0 if name.startswith("zero") else 0.0
        statistics[name] = []
        for kept, values in zip(mask.layers, layers, strict=True):
            wide = np.full(len(kept), silent)
            wide[kept] = values
            statistics[name].append(wide)
    return statistics
