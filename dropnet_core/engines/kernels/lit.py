"""Which pixels are lit: of each image, and of each batch, whose lit pixels each have the images that light them.

A black pixel adds nothing to a dense layer and learns nothing from it, so a step reads these lists and never the black
pixels; of MNIST's 784 about 150 are lit in an image.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dropnet_core.engines.kernels.compiled import compiled

CHAINS = 4  # of multiply-adds in a forward pass: a list is filled up to a multiple with pixels of value 0
PAIR = 2  # the same for the images of a pixel


class ByImage(NamedTuple):
    """The lit pixels of image n are entries starts[n] to starts[n + 1].

    pixels  which, uint16 or uint32
    values  their values: bytes, or floats from 0 to 1
    starts  int64 (images + 1,)
    """

    pixels: np.ndarray
    values: np.ndarray
    starts: np.ndarray


class ByBatch(NamedTuple):
    """The lit pixels of each batch, those with the most images first.

    pixels    which, one after another
    images    for each of them the images' numbers in the batch, padded to pairs, one pixel after another
    values    the pixel's value in each of these
    segments  int64 (batches, 2 + pairs): where the batch's pixels and images begin, then how many pixels have 1, 2...
              pairs of images
    """

    pixels: np.ndarray
    images: np.ndarray
    values: np.ndarray
    segments: np.ndarray


def by_image(images: np.ndarray) -> ByImage:
    """The lists of images (n, pixels), bytes or floats."""
    starts = np.zeros(len(images) + 1, np.int64)
    _count_by_image(images, starts)
    pixels = np.zeros(starts[-1], index_type(images.shape[1]))
    values = np.zeros(starts[-1], images.dtype)
    _fill_by_image(images, starts, pixels, values)
    return ByImage(pixels, values, starts)


@compiled
def _count_by_image(images: Any, starts: Any) -> None:
    for n in range(len(images)):
        lit = 0
        for p in range(images.shape[1]):
            lit += images[n, p] != 0
        starts[n + 1] = starts[n] + (lit + CHAINS - 1) // CHAINS * CHAINS


@compiled
def _fill_by_image(images: Any, starts: Any, pixels: Any, values: Any) -> None:
    for n in range(len(images)):
        at = starts[n]
        for p in range(images.shape[1]):
            if images[n, p] != 0:
                pixels[at], values[at] = p, images[n, p]
                at += 1


def by_batch(lit: ByImage, pixels: int, size: int) -> ByBatch:
    """The lists of images of so many pixels, in batches of `size`."""
    batches = -(-(len(lit.starts) - 1) // size)
    segments = np.zeros((batches, 2 + (size + PAIR - 1) // PAIR), np.int64)
    room, entries = _count_by_batch(*lit, size, pixels, segments)
    numbers, values = np.zeros(entries, index_type(size)), np.zeros(entries, lit.values.dtype)
    ids = np.zeros(room, lit.pixels.dtype)
    _fill_by_batch(*lit, size, pixels, segments, ids, numbers, values)
    return ByBatch(ids, numbers, values, segments)


@compiled
def _images(pixels: Any, values: Any, start: int, end: int, images: Any) -> None:
    """How many of the images whose entries go from start to end light each pixel."""
    images[:] = 0
    for at in range(start, end):
        images[pixels[at]] += values[at] != 0


@compiled
def _count_by_batch(pixels: Any, values: Any, starts: Any, size: int, count: int, segments: Any) -> Any:
    images = np.zeros(count, np.int64)
    room = entries = 0
    for b in range(len(segments)):
        segments[b, 0], segments[b, 1] = room, entries
        _images(pixels, values, starts[b * size], starts[min(b * size + size, len(starts) - 1)], images)
        for p in range(count):
            if images[p]:
                pairs = (images[p] + PAIR - 1) // PAIR
                segments[b, 1 + pairs] += 1
                room += 1
                entries += PAIR * pairs
    return room, entries


@compiled
def _fill_by_batch(
    pixels: Any, values: Any, starts: Any, size: int, count: int, segments: Any, ids: Any, numbers: Any, lit_values: Any
) -> None:
    most = segments.shape[1] - 2
    place, start = np.zeros(most + 1, np.int64), np.zeros(most + 1, np.int64)  # of the next pixel, by pairs of images
    images, entry = np.zeros(count, np.int64), np.zeros(count, np.int64)  # where the next image of each pixel goes
    for b in range(len(segments)):
        _images(pixels, values, starts[b * size], starts[min(b * size + size, len(starts) - 1)], images)
        place[most], start[most] = segments[b, 0], segments[b, 1]
        for pairs in range(most - 1, 0, -1):
            place[pairs] = place[pairs + 1] + segments[b, 2 + pairs]
            start[pairs] = start[pairs + 1] + PAIR * (pairs + 1) * segments[b, 2 + pairs]
        for p in range(count):
            if images[p]:
                pairs = (images[p] + PAIR - 1) // PAIR
                ids[place[pairs]] = p
                place[pairs] += 1
                entry[p] = start[pairs]
                start[pairs] += PAIR * pairs
        for n in range(b * size, min(b * size + size, len(starts) - 1)):
            for at in range(starts[n], starts[n + 1]):
                if values[at] != 0:
                    p = pixels[at]
                    numbers[entry[p]], lit_values[entry[p]] = n - b * size, values[at]
                    entry[p] += 1


@dataclass(frozen=True)
class Lists:
    """Images as dense layers read them.

    pixels  of an image
    labels  int64 (n,)
    size    images of a batch
    """

    by_image: ByImage
    pixels: int
    labels: np.ndarray
    size: int

    @property
    def images(self) -> int:
        """How many images there are."""
        return len(self.labels)

    @cached_property
    def by_batch(self) -> ByBatch:
        """Made when an epoch first asks for it: only training reads it."""
        return by_batch(self.by_image, self.pixels, self.size)


def pixel_lists(images: np.ndarray, labels: np.ndarray, size: int) -> Lists:
    """Images (n, channels, height, width), bytes or floats from 0 to 1, in the order in which they are presented."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    return Lists(by_image(flat), flat.shape[1], labels, size)


def index_type(count: int) -> np.dtype[Any]:
    """A type for the numbers below `count`; two are enough, since for each type everything is compiled anew."""
    return np.dtype(np.uint16 if count <= 1 << 16 else np.uint32)
