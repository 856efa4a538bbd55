"""The first convolution: it reads the 4x4 pixels below each pooled value, except for windows that are all black.

Most of a digit's image is black, and so are more than half of its windows. Their value is the bias, and they tell
nothing about the weights: leaving them out is exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.data import Split
from dropnet_core.engines.pooled import Pool, Seen, seen, through_relu

SIDE = 4  # pixels: a 2x2 max-pool of 3x3 convolutions sees so many rows and columns


class Batch:
    """Images uint8 (n, C, H, W), and those of their windows that have a pixel that is not black."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    @cached_property
    def live(self) -> tuple[Tensor, Tensor]:
        """The live windows, uint8 (live, 16 x C), pixel by pixel with all channels of each; and their places among
        all n x H/2 x W/2 windows, int32. The border of a convolution of the same size counts as black.
        """
        n, channels, height, width = self.images.shape
        bordered = F.pad(self.images, (1, 1, 1, 1)).permute(0, 2, 3, 1).contiguous()
        image, row, pixel, channel = bordered.stride()
        windows = bordered.as_strided(
            (n, height // 2, width // 2, SIDE, SIDE, channels), (image, 2 * row, 2 * pixel, row, pixel, channel)
        ).reshape(-1, SIDE * SIDE * channels)
        places = windows.amax(dim=1).nonzero().flatten()
        return windows[places], places.to(torch.int32)


@dataclass
class Batches:
    """A split in batches. Those in stored order are kept with their windows: all epochs of all jobs see the same.

    The windows of MNIST take twice the memory of the images.
    """

    split: Split
    _size: int = 0
    _kept: list[Batch] = field(default_factory=list)

    def __call__(self, size: int, order: Tensor | None = None) -> Iterable[Batch]:
        """In stored order unless another is given; the last batch may be partial."""
        if order is not None:
            return (Batch(self.split.images[chosen]) for chosen in order.split(size))
        if size != self._size:
            self._size, self._kept = size, [Batch(images) for images in self.split.images.split(size)]
        return self._kept


def spread() -> Tensor:
    """(64, 9): where each tap of a kernel falls among the 16 pixels of a window, for each of the pool's corners."""
    matrix = torch.zeros(2, 2, SIDE, SIDE, 3, 3)
    for down in range(2):
        for right in range(2):
            for i in range(3):
                for j in range(3):
                    matrix[down, right, down + i, right + j, i, j] = 1
    return matrix.view(64, 9)


class Windowed:
    """The first convolution with pool and ReLU (see `pooled`): live windows times one matrix for each corner."""

    def __init__(self, taps: Tensor, bias: Tensor, following: Tensor, inner: Tensor) -> None:
        """`following` is all that the next layer reads, and `inner` the part of it that is to be filled."""
        self.taps, self.bias, self.following = taps.flatten(1), bias, following
        _, channels, units = taps.shape
        count, down, right, _ = inner.shape
        windows, pixels = count * down * right, SIDE * SIDE * channels
        self.input = self.inner = taps.new_empty(windows, pixels)
        self.memory = taps.new_empty(Pool.PLANES * windows * units)
        self.kernels, self.kernel_slopes = taps.new_empty(4, pixels, units), taps.new_empty(4, pixels, units)
        self.spread = spread().to(taps)
        routes = taps.new_tensor(Pool.ROUTES)
        # From the four sums of the pool to the taps: first to the corners, then from their pixels.
        self.collect = torch.einsum("kpt,kj->tjp", self.spread.view(4, 16, 9), routes).reshape(9, 64).contiguous()
        self.slope = taps.new_empty(count, down, right, units)
        # The next layer's input is picked from rows: row 0 is its border, row 1 a black window, the live ones follow.
        self.rows = taps.new_zeros(2 + windows, units)
        inner.fill_(1)
        self.black = following[..., 0].flatten().long()
        inner.zero_()
        self.inside = self.black.nonzero().flatten()
        self.numbers = torch.arange(2, 2 + windows)
        self.picked = torch.empty_like(self.black)
        self.output = taps.new_empty(len(self.black), units)

    def read(self, batch: Batch) -> None:
        windows, places = batch.live
        self.places = places.long()
        self.pixels = self.inner[: len(places)].copy_(windows).div_(255)
        self.pool = Pool(self.memory, len(self.places), self.taps.shape[1])

    def forward(self, value: Tensor) -> None:
        torch.mm(self.spread, self.taps, out=self.kernels.view(64, -1))
        for kernel, corner in zip(self.kernels, self.pool.corners, strict=True):
            torch.mm(self.pixels, kernel, out=corner)
        black_and_live = self.rows[1 : 2 + len(self.places)]
        self.pool.forward(black_and_live[1:])
        black_and_live[0] = 0
        black_and_live.add_(self.bias).clamp_(min=0)
        self.picked.copy_(self.black)
        self.picked[self.inside[self.places]] = self.numbers[: len(self.places)]
        torch.index_select(self.rows, 0, self.picked, out=self.output)
        self.following.copy_(self.output.view(self.following.shape))
        self.value = value

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        through_relu(slope, self.value, self.slope)
        slopes = self.slope.flatten(0, 2)
        torch.index_select(slopes, 0, self.places, out=self.pool.sums[0])
        for sums, kernel in zip(self.pool.backward(), self.kernel_slopes, strict=True):
            torch.mm(self.pixels.t(), sums, out=kernel)
        self.taps.addmm_(self.collect, self.kernel_slopes.view(64, -1), alpha=scale)
        self.bias.add_(slopes.sum(0), alpha=scale)
        return self.slope

    def seen(self) -> Seen:
        """What `pooled.seen` gives, for images whose sides are even."""
        units = self.taps.shape[1]
        live = self.pool.corners.add_(self.bias).clamp_(min=0)
        whole, above, _ = seen(live.view(1, -1, units))
        black = 4 * (len(self.slope.flatten(0, 2)) - len(self.places))
        value = self.bias.clamp(min=0).double()
        silent = (self.value.flatten(1, 2).sum(1) == 0).sum(0)
        return torch.stack([whole + black * value, above + black * (value > 0), silent])
