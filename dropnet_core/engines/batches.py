"""The images as a stack reads them: bytes, in whole batches, each of them both ways round.

A product is fastest where it runs along the rows of both its factors. The way forward wants a batch as columns
(pixels, images), the way back as rows (images, pixels); bytes hold both in half the memory of one as numbers.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.data import DataSet, Split

WHITE = 255  # a byte that stands for 1, and of the pixel that is lit in every image and carries the biases
EVALUATED = 256  # images in a pass that learns nothing: more leave a CPU core's cache
PIXELS = 16  # numbers in 64 bytes, which is what rows begin at multiples of


@dataclass(frozen=True)
class Batches:
    """A split in batches of b images in their order; the last one is filled up with black ones.

    rows     uint8 (batches, b, pixels); behind the pixels that matter a white one, then black ones
    columns  uint8 (batches, pixels, b), the same
    labels   int64 (batches, b)
    onehot   float32 (batches, classes, b), 1 where the class is the image's
    count    images without those that fill up
    """

    rows: Tensor
    columns: Tensor
    labels: Tensor
    onehot: Tensor
    count: int

    @classmethod
    def of(cls, split: Split, live: Tensor, size: int, classes: int) -> "Batches":
        count = len(split.labels)
        number = math.ceil(count / size)
        rows = live.new_zeros(number * size, math.ceil((len(live) + 1) / PIXELS) * PIXELS, dtype=torch.uint8)
        rows[:count, : len(live)] = split.images.flatten(1)[:, live]
        rows[:count, len(live)] = WHITE
        rows = rows.view(number, size, -1)
        labels = F.pad(split.labels, (0, number * size - count)).view(number, size)
        onehot = F.one_hot(labels, classes).transpose(1, 2).float().contiguous()
        return cls(rows, rows.transpose(1, 2).contiguous(), labels, onehot, count)

    @property
    def size(self) -> int:
        """b"""
        return self.labels.shape[1]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Prepared:
    """The three splits, without the pixels that are zero in every image: their weights never matter nor move.

    live  indices of the pixels that are left
    """

    live: Tensor
    train: Batches
    validation: Batches
    test: Batches

    @classmethod
    def of(cls, data: DataSet, batch_size: int) -> "Prepared":
        splits = (data.train, data.validation, data.test)
        lit = torch.stack([split.images.flatten(1).amax(dim=0) > 0 for split in splits]).any(dim=0)
        live = lit.nonzero().flatten()
        sizes = (min(batch_size, len(data.train)), EVALUATED, EVALUATED)
        return cls(live, *(Batches.of(s, live, size, data.classes) for s, size in zip(splits, sizes, strict=True)))
