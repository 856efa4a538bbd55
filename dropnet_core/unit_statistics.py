"""The statistics of units: what is measured of a trained network, by name."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import FunctionType
from typing import cast

import numpy as np
import torch
from torch import Tensor

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.fingerprint import fingerprint
from dropnet_core.basics.registry import Registry
from dropnet_core.prunable import MaskedModule

Statistics = dict[str, list[np.ndarray]]
"""For each statistic one float64 array (units,) a masked layer."""

Batches = Iterable[tuple[Tensor, Tensor]]
"""Images (n, C, H, W) and labels (n,), as often as one goes through them."""

Statistic = Callable[[MaskedModule, Batches], Sequence[np.ndarray | Tensor]]
"""From a trained network, in evaluation mode, and the training set to one array (units,) a masked layer."""

USUAL = ("mean_of_abs", "abs_of_mean", "zeros", "zero_maps")
"""The statistics that every training delivers (see `measure`); a metric names what it needs beyond them."""

statistics: Registry[Statistic] = Registry("statistic")


def statistic(name: str, *, replace: bool = False) -> Callable[[Statistic], Statistic]:
    """Make a function a statistic that metrics may need by this name, and read as `layer.NAME`.

    >>> @statistic("peak")
    ... def peak(model, batches):
    ...     found = [[by_position(v).amax(dim=(0, 2)) for v in model.activations(images)] for images, labels in batches]
    ...     return [torch.stack(peaks).amax(dim=0) for peaks in zip(*found)]

    PyTorch evaluates it on the trained masked network, whatever engine trained that, without gradients unless it says
    `torch.enable_grad()`. A store keeps what came out, and tells a changed function from the old one (`fingerprint`).

    Raises InputError for a name that is taken, unless replace is True, that is one of the package's, or that cannot
    stand behind a dot, and for what is no function.
    """
    if not name.isidentifier() or name == "mean":
        raise InputError(f"'{name}' is no name for a statistic, which scores read as layer.NAME; choose another word")

    def add(function: Statistic) -> Statistic:
        if not isinstance(function, FunctionType):
            raise InputError(f"the statistic '{name}' must be a function, written with def, not {function!r}")
        if name in statistics and is_ours(statistics[name]) and not is_ours(function):
            raise InputError(f"the statistic '{name}' exists already, in the package; choose another name")
        statistics.add(name, function, replace=replace)
        return function

    return add


@torch.no_grad()
def measure(model: MaskedModule, batches: Iterable[Tensor]) -> Statistics:
    """The usual statistics of all units in one pass over batches of images (n, C, H, W).

    With v the value behind ReLU, batch norm where there is one, and mask, before pooling:

    mean_of_abs  mean over images and positions of |v|          (paper, equation for E of a filter)
    abs_of_mean  mean over images of |mean over positions of v| (the authors' code)
    zeros        share of single activations that are exactly 0, before any batch norm (Hu et al., 2016)
    zero_maps    share of images over which v averages to exactly 0 (the authors' code): those whose whole map is 0,
                 and behind a batch norm, whose values have both signs, next to none

    A batch norm uses its moving statistics. Leaves the model in evaluation mode.
    """
    model.eval()
    sums: dict[str, list[Tensor]] = {}
    images = 0

    def add_up(position: int, value: Tensor, rectified: Tensor) -> None:
        value, rectified = by_position(value), by_position(rectified)
        average = value.mean(dim=2)
        per_image = {
            "mean_of_abs": value.abs().mean(dim=2),
            "abs_of_mean": average.abs(),
            "zeros": (rectified == 0).to(value.dtype).mean(dim=2),
            "zero_maps": average == 0,
        }
        for name, values in per_image.items():
            total = values.sum(dim=0, dtype=torch.float64)
            layers = sums.setdefault(name, [])
            if position < len(layers):
                layers[position] += total
            else:
                layers.append(total)

    for batch in batches:
        images += len(batch)
        model.show(batch, add_up)
    return {name: [(total / images).cpu().numpy() for total in layers] for name, layers in sums.items()}


def by_position(value: Tensor) -> Tensor:
    """Values (images, units) or (images, units, height, width) as (images, units, positions); float32 at least."""
    value = value.to(torch.promote_types(value.dtype, torch.float32))
    return value.flatten(2) if value.dim() > 2 else value.unsqueeze(2)


def usual(name: str, model: MaskedModule, batches: Batches) -> list[np.ndarray]:
    """One of the usual statistics by itself: an array (units,) a masked layer."""
    return measure(model, (images for images, _ in batches))[name]


for name in USUAL:
    statistics.add(name, partial(usual, name))


@torch.no_grad()
def by_name(names: Iterable[str], model: MaskedModule, batches: Batches) -> Statistics:
    """The statistics with these names of a trained network, over the training set.

    Raises InputError if one does not return an array (units,) for each masked layer.
    """
    results: Statistics = {}
    for name in names:
        model.eval()
        layers = [torch.as_tensor(layer).detach().cpu().double().numpy() for layer in statistics[name](model, batches)]
        shapes, widths = [layer.shape for layer in layers], model.mask.widths
        if shapes != [(width,) for width in widths]:
            raise InputError(
                f"the statistic '{name}' must be an array for each masked layer, of {widths} numbers, one a unit, "
                f"not arrays of shapes {shapes}; mend its function"
            )
        results[name] = layers
    return results


def key_of(name: str) -> object:
    """What stands for a statistic in a job's key: its name and, unless the package defines it, what it does."""
    return name if is_ours(statistics[name]) else [name, fingerprint(cast(FunctionType, statistics[name]))]


def is_ours(function: Statistic) -> bool:
    """Whether the package defines a statistic. An engine may then compute it in a way of its own."""
    return not isinstance(function, FunctionType) or function.__module__.startswith("dropnet_core.")
