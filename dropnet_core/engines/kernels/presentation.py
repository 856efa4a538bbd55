"""The images of a data set, laid out as the kernels read them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropnet_core.augmentation import moved
from dropnet_core.data import DataSet
from dropnet_core.engines.kernels.groups import padded
from dropnet_core.engines.kernels.lit import indices, listed
from dropnet_core.engines.kernels.map_kernels import IMAGES
from dropnet_core.networks import Network
from dropnet_core.recipe import Recipe
from dropnet_core.training import pixels

CHUNK = 8192  # images that are laid out at a time where each epoch has an order, or images, of its own

LayOut = Callable[[np.ndarray, np.ndarray, int], Any]
"""From images (n, channels, height, width), bytes or floats from 0 to 1, labels (n,) and the size of a batch."""


def blind(images: np.ndarray, labels: np.ndarray, size: int) -> Any:
    """What a network sees whose output is cut off from the images: the labels."""
    return listed(images[:, :0], labels, size)


@dataclass
class Presentation:
    """Images in stored order are laid out once for each way to do it and each size of a batch."""

    data: DataSet
    _stored: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def part(self, name: str, lay_out: LayOut, size: int) -> Any:
        """The images of a split in stored order. Only the training images come in batches of `size`."""
        key = name, lay_out, size if name == "train" else IMAGES
        if key not in self._stored:
            split = self.data.parts[name]
            self._stored[key] = lay_out(split.images.numpy(), split.labels.numpy(), key[2])
        return self._stored[key]

    def epoch(self, order: Tensor | None, maps: Tensor | None, lay_out: LayOut, size: int) -> Iterator[Any]:
        """The training images as an epoch presents them (see `training.batches`), some at a time."""
        split = self.data.train
        if order is None and maps is None:
            yield self.part("train", lay_out, size)
            return
        order = torch.arange(len(split)) if order is None else order
        if maps is not None:
            size = min(size, len(order))
            order = order[: len(order) - len(order) % size]
        step = max(1, CHUNK // size) * size
        for start in range(0, len(order), step):
            chosen = order[start : start + step]
            images = split.images[chosen]
            if maps is not None:
                images = moved(pixels(images, torch.float32), maps[chosen])
            yield lay_out(images.numpy(), split.labels[chosen].numpy(), size)


def bytes_of_images(network: Network, recipe: Recipe, data: DataSet) -> int:
    """About how many bytes the images of a data set take, laid out for a network.

    A dense layer's lists hold an index and a value for each lit pixel of an image, and the same for each batch;
    convolutions read all pixels, of whole groups. An epoch that has an order, or images, of its own lays out a part of
    them once more.
    """
    size, pixels = recipe.batch_size, math.prod(network.shape)
    index = 2 * indices(pixels).itemsize
    if network.all_dense:
        stored = (index + 2) * sum(int(torch.count_nonzero(split.images)) for split in data.parts.values())
    else:
        sizes = {"train": size, "validation": IMAGES, "test": IMAGES}
        stored = sum(padded(len(split), sizes[part]) * pixels for part, split in data.parts.items())
    if not recipe.seeded:
        return stored
    each = torch.float32.itemsize if recipe.augment != "none" else 1
    images, again = min(CHUNK, len(data.train)), index + 2 * each if network.all_dense else each
    return stored + (images * each + padded(images, size) * again) * pixels
