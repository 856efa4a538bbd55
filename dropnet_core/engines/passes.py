"""What every engine does with a job's trained weights: one pass for its statistics."""

import numpy as np
import torch

from dropnet_core.basics.precision import arithmetic, storage
from dropnet_core.compaction import compact
from dropnet_core.data import DataSet
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.metrics import Statistics, measure
from dropnet_core.networks.plain import Weights
from dropnet_core.oracle import loss_without
from dropnet_core.runs import Job
from dropnet_core.training import large_batches


def statistics_of(job: Job, weights: Weights, data: DataSet) -> Statistics:
    """The statistics of a job's units under these full weights, measured on the compacted network."""
    dtype, device = storage(job.recipe.precision), data.train.labels.device
    network, small = compact(job.network, job.mask, weights)
    model = MaskedNetwork(network, small, Mask.full(network.widths)).to(device, dtype)
    if not network.all_dense:  # two thirds of the time on a CPU
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    with arithmetic(job.recipe.precision, device):
        narrow = measure(model, (images for images, _ in large_batches(data.train, dtype)))
    statistics = widened(job.mask, narrow)
    if "loss_without" in job.needs:
        with arithmetic(job.recipe.precision, device):
            statistics["loss_without"] = loss_without(job.network, weights, job.mask, data.train, dtype)
    return statistics


def widened(mask: Mask, narrow: Statistics) -> Statistics:
    """The statistics of a compacted network's units at full width.

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
