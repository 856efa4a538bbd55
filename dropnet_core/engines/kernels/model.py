"""What both kinds of networks have in common: the memory in which all their numbers lie, and how they are used."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropnet_core.engines.kernels.vectors import LANES

LINE = 64  # bytes that a processor fetches at once


class Memory:
    """Gives out places one after another, each on a line of its own."""

    def __init__(self) -> None:
        self.size = LANES  # no place is 0, so that one that was forgotten overwrites nothing

    def take(self, floats: int) -> int:
        """The place of so many floats."""
        place = self.size
        self.size += round_up(floats, LANES)
        return place


Plan = tuple[np.ndarray, Any, int, int]
"""A network's layers, the places that no layer owns, and where in the memory its weights and everything end."""


def aligned_zeros(size: int) -> np.ndarray:
    """So many zeros, float32, beginning on a line."""
    raw = np.zeros(size + LINE // 4, np.float32)
    skip = -raw.ctypes.data % LINE // 4
    return raw[skip : skip + size]


def round_up(count: int, to: int) -> int:
    """The smallest multiple of `to` that is no less than `count`."""
    return -(-count // to) * to


class Model(ABC):
    """A network with its weights as they are now.

    memory          float32, all its numbers
    layers          one record for each layer, the output layer last
    end_of_weights  where in the memory the weights and biases end
    """

    memory: np.ndarray
    layers: np.ndarray
    end_of_weights: int

    @abstractmethod
    def weight(self, i: int) -> np.ndarray:
        """A layer's weights, a view of the memory: (units, inputs), of a convolution (units, channels, 9)."""

    def bias(self, i: int) -> np.ndarray:
        """A layer's biases (units,), a view of the memory."""
        place = int(self.layers[i]["bias"])
        return self.memory[place : place + int(self.layers[i]["units"])]

    def put(self, weights: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Set weights and biases."""
        for i, (weight, bias) in enumerate(weights):
            self.weight(i)[:], self.bias(i)[:] = weight.reshape(self.weight(i).shape), bias

    def trained(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """A copy of the weights and biases as tensors of these shapes, by names such as "0.weight" and "0.bias"."""
        own = {}
        for name, shape in shapes.items():
            i, part = name.split(".")
            values = self.weight(int(i)) if part == "weight" else self.bias(int(i))
            own[name] = torch.from_numpy(values.reshape(shape).copy())
        return own

    @abstractmethod
    def _epoch(self, layout: Any, rate: np.float32) -> tuple[float, float]: ...

    @abstractmethod
    def _evaluate(self, layout: Any) -> tuple[float, float]: ...

    @abstractmethod
    def _add_statistics(self, layout: Any, sums: np.ndarray) -> None: ...

    def epoch(self, layouts: Iterable[Any], rate: float) -> tuple[float, float]:
        """Train on images, laid out part by part. Returns the running mean loss and accuracy."""
        return self._means([(layout, *self._epoch(layout, np.float32(rate))) for layout in layouts])

    def evaluate(self, layout: Any) -> tuple[float, float]:
        """The mean loss and the accuracy over images."""
        return self._means([(layout, *self._evaluate(layout))])

    def _means(self, parts: list[tuple[Any, float, float]]) -> tuple[float, float]:
        loss, right, images = 0.0, 0.0, 0
        for layout, one, two in parts:
            loss, right, images = loss + one, right + two, images + layout.images
        # Where a pixel is black nothing is multiplied, so a weight that is no number might go unseen.
        finite = bool(np.isfinite(self.memory[: self.end_of_weights]).all())
        return loss / images if finite else math.nan, right / images

    def statistics(self, layout: Any) -> list[dict[str, np.ndarray]]:
        """The statistics of each hidden layer's units over images (see `dropnet_core.unit_statistics.measure`).

        Values lie behind a ReLU, so their sizes' mean is their mean's size.
        """
        units = [int(count) for count in self.layers["units"][:-1]]
        sums = np.zeros((len(units), 3, max(units, default=0)))
        self._add_statistics(layout, sums)
        found = []
        for layer, count in zip(sums / layout.images, units, strict=True):
            mean, zeros, zero_maps = layer[:, :count].copy()
            found.append({"mean_of_abs": mean, "abs_of_mean": mean.copy(), "zeros": zeros, "zero_maps": zero_maps})
        return found

    @contextmanager
    def without(self, i: int, unit: int) -> Iterator[None]:
        """The network while nothing reads a unit of a hidden layer: the next layer's weights for it are 0."""
        following, units = self.weight(i + 1), int(self.layers[i]["units"])
        inputs = following.shape[1] // units  # those of a node that read one channel
        own = following[:, unit * inputs : (unit + 1) * inputs]
        before = own.copy()
        own[:] = 0
        try:
            yield
        finally:
            own[:] = before
