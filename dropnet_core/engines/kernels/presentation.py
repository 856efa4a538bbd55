"""The images of a data set, laid out as the kernels read them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropnet_core.data import DataSet, pixels
from dropnet_core.data.augmentation import warp_images
from dropnet_core.engines.kernels.groups import padded_count
from dropnet_core.engines.kernels.lit import index_type, pixel_lists
from dropnet_core.engines.kernels.map_kernels import GROUP
from dropnet_core.networks.plain import Network
from dropnet_core.recipe import Recipe

CHUNK = 8192  # images that are laid out at a time where each epoch has an order, or images, of its own

LayOut = Callable[[np.ndarray, np.ndarray, int], Any]
"""From images (n, channels, height, width), bytes or floats from 0 to 1, labels (n,) and the size of a batch."""


def labels_only(images: np.ndarray, labels: np.ndarray, size: int) -> Any:
    """What a network sees whose output is cut off from the images: the labels."""
    return pixel_lists(images[:, :0], labels, size)


@dataclass
class Presentation:
    """Images in stored order are laid out once for each way to do it and each size of a batch."""

    data: DataSet
    _stored: dict[tuple[object, ...], Any] = field(default_factory=dict)

    def part(self, name: str, lay_out: LayOut, size: int) -> Any:
        """The images of a split in stored order. Only the training images come in batches of `size`."""
        key = name, lay_out, size if name == "train" else GROUP
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
                images = warp_images(pixels(images, torch.float32), maps[chosen])
            yield lay_out(images.numpy(), split.labels[chosen].numpy(), size)


def bytes_of_images(network: Network, recipe: Recipe, data: DataSet) -> int:
    """About how many bytes the images of a data set take, laid out for a network.

    A dense layer's lists hold an index and a value for each lit pixel of an image, and the same for each batch;
    convolutions read all pixels, of whole groups. An epoch that has an order, or images, of its own lays out a part of
    them once more.
    """
    each_image, size = math.prod(network.shape), min(recipe.batch_size, len(data.train))
    index = index_type(each_image).itemsize
    if network.all_dense:
        lit = {part: int(torch.count_nonzero(split.images)) for part, split in data.parts.items()}
        stored = (index + 1) * sum(lit.values()) + in_batches(lit["train"], size, index, 1)
    else:
        sizes = {"train": size, "validation": GROUP, "test": GROUP}
        stored = sum(padded_count(len(split), sizes[part]) * each_image for part, split in data.parts.items())
    if not recipe.seeded:
        return stored
    value, images = torch.float32.itemsize if recipe.augmented else 1, min(CHUNK, len(data.train))
    if network.all_dense:
        again = (index + value) * images * each_image + in_batches(images * each_image, size, index, value)
    else:
        again = padded_count(images, size) * each_image * value
    return stored + again + images * each_image * value


def in_batches(lit: int, size: int, index: int, value: int) -> int:
    """Bytes of the lists by batch: images and values of lit pixels in pairs, and, the fewer images, the more pixels."""
    return int((index_type(size).itemsize + value) * lit * (1 + 1 / size) + index * lit * min(1, 4 / size))
