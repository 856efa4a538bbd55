"""One dense network as a stack holds it: the weights that are left, in shapes that depend on this network alone."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dropnet_core.engines.batches import WHITE, Prepared
from dropnet_core.metrics import Statistics
from dropnet_core.networks import Weights
from dropnet_core.precision import storage
from dropnet_core.runs import Job
from dropnet_core.training import History

BLOCKS = (8, 4, 2)  # units of the first layer that are multiplied together
STEP = 16  # later layers have a multiple of this many units


@dataclass
class Member:
    """A job at work.

    layers  the first layer (units, pixels), by pixels that are bytes and not numbers between 0 and 1, its bias being
            the white pixel's weight; then each layer (height, width of the layer before), dropped units left out, in
            which the last column is the bias and, but in the output layer, the last row hands the constant 1 on
    widths  of the hidden layers, padded
    """

    job: Job
    layers: list[Tensor]
    widths: tuple[int, ...]
    history: History = field(default_factory=History)
    best_test_accuracy: float = math.nan
    seconds: float = 0.0

    @classmethod
    def of(cls, job: Job, prepared: Prepared) -> "Member":
        weights, kept, live = job.first_weights(), kept_units(job), prepared.live.cpu()
        dtype, pixels = storage(job.recipe.precision), prepared.train.rows.shape[2]
        first = torch.zeros(len(kept[0]), pixels, dtype=dtype)
        first[:, : len(live)] = weights["0.weight"][kept[0]][:, live]
        first[:, len(live)] = weights["0.bias"][kept[0]]
        layers, widths = [first / WHITE], padded_widths(job)
        for i in range(1, len(kept)):
            hidden = i < len(widths)
            layer = torch.zeros(widths[i] if hidden else len(kept[i]), widths[i - 1], dtype=dtype)
            layer[: len(kept[i]), : len(kept[i - 1])] = weights[f"{i}.weight"][kept[i][:, None], kept[i - 1]]
            layer[: len(kept[i]), -1] = weights[f"{i}.bias"][kept[i]]
            if hidden:
                layer[-1, -1] = 1
            layers.append(layer)
        return cls(job, [layer.to(prepared.live.device) for layer in layers], widths)

    def trained(self, live: Tensor) -> Weights:
        """The full network's weights as they are now."""
        kept, columns = kept_units(self.job), live.cpu()
        layers = [layer.cpu() for layer in self.layers]
        full = {name: weight.to(layers[0].dtype) for name, weight in self.job.first_weights().items()}
        full["0.weight"][kept[0][:, None], columns] = layers[0][:, : len(columns)] * WHITE
        full["0.bias"][kept[0]] = layers[0][:, len(columns)] * WHITE
        for i in range(1, len(kept)):
            rows = layers[i][: len(kept[i])]
            full[f"{i}.weight"][kept[i][:, None], kept[i - 1]] = rows[:, : len(kept[i - 1])]
            full[f"{i}.bias"][kept[i]] = rows[:, -1]
        return full

    def statistics(self, shares: list[np.ndarray]) -> Statistics:
        """The statistics of the full network's units. `shares` has an array (2, padded units) a hidden layer: means of
        the values and shares of zeros.

        The two readings of a score differ for maps only, of which a dense network has none. Dropped units have mean 0
        and a share of zeros of 1, as a mask leaves them.
        """
        kept, wide = kept_units(self.job), []
        for i in self.job.network.masked_layers:
            full = np.repeat([[0.0], [1.0]], self.job.network.layers[i].units, axis=1)
            full[:, kept[i].numpy()] = shares[i][:, : len(kept[i])]
            wide.append(full)
        means, zeros = ([full[row] for full in wide] for row in (0, 1))
        return {"mean_of_abs": means, "abs_of_mean": means, "zeros": zeros, "zero_maps": zeros}


def kept_units(job: Job) -> list[Tensor]:
    """Indices of the surviving units of every layer, the output layer last."""
    masks = dict(zip(job.network.masked_layers, job.mask.layers, strict=True))
    widths = [*(layer.units for layer in job.network.layers), job.network.classes]
    return [
        torch.from_numpy(masks[i].nonzero()[0]) if i in masks else torch.arange(width) for i, width in enumerate(widths)
    ]


def padded_widths(job: Job) -> tuple[int, ...]:
    """The widths that the hidden layers are given, the unit that is always 1 included.

    All get that of the widest, as far as the network ever had as many units there: networks of few different shapes
    are multiplied together, and a product of few units takes no longer for a few more.
    """
    widest = max(padded(len(kept)) for kept in kept_units(job)[:-1])
    return tuple(min(widest, padded(layer.units)) for layer in job.network.layers)


def padded(units: int) -> int:
    return math.ceil((units + 1) / STEP) * STEP


def blocks(units: int) -> list[int]:
    """The sizes of the blocks that hold so many units of a first layer: eights, and the smallest that has room for
    the rest."""
    whole, rest = divmod(units, BLOCKS[0])
    return [BLOCKS[0]] * whole + [min(size for size in BLOCKS if size >= rest)] * bool(rest)
