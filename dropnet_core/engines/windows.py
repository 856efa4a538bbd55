"""What the first convolution reads: the 4x4 pixels below each pooled value, without the windows that are all black.

Most of a digit's image is black, and so is more than half of its windows. Their value is the bias, and they tell
nothing about the weights: leaving them out is exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.data import Split
from dropnet_core.engines.pooled import Pool, through_relu

SIDE = 4  # pixels: a 2x2 max-pool of 3x3 convolutions sees so many rows and columns


@dataclass(frozen=True)
class Live:
    """The windows of a batch of images that have a pixel that is not black.

    windows  uint8 (live windows, 16 x C), the 16 pixels one after the other with all channels of each
    places   int32 (live windows,), their places among all n x H/2 x W/2 windows of the batch
    """

    windows: Tensor
    places: Tensor

    @classmethod
    def of(cls, images: Tensor) -> "Live":
        """Of images uint8 (n, C, H, W). The border of a convolution of the same size counts as black."""
        n, channels, height, width = images.shape
        bordered = F.pad(images, (1, 1, 1, 1)).permute(0, 2, 3, 1).contiguous()
        image, row, pixel, channel = bordered.stride()
        windows = bordered.as_strided(
            (n, height // 2, width // 2, SIDE, SIDE, channels), (image, 2 * row, 2 * pixel, row, pixel, channel)
        ).reshape(-1, SIDE * SIDE * channels)
        places = windows.amax(dim=1).nonzero().flatten()
        return cls(windows[places], places.to(torch.int32))


@dataclass
class LiveBatches:
    """The live windows of a split, batch for batch. Those in stored order are kept: all epochs of all jobs see them."""

    split: Split
    _size: int = 0
    _kept: list[Live] = field(default_factory=list)

    def __call__(self, size: int, order: Tensor | None = None) -> Iterator[Live]:
        """In stored order unless another is given; the last batch may be partial."""
        if order is not None:
            yield from (Live.of(self.split.images[chosen]) for chosen in order.split(size))
            return
        if size != self._size:
            self._size, self._kept = size, [Live.of(images) for images in self.split.images.split(size)]
        yield from self._kept


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
    """The first convolution with pool and ReLU (see `pooled`): live windows times a matrix for each corner."""

    def __init__(
        self, taps: Tensor, bias: Tensor, height: int, width: int, following: Tensor, inner: Tensor
    ) -> None:
        """`following` is all that the next layer reads, its border of zeros included, and `inner` a view of the rest."""
        self.taps, self.bias, self.following = taps, bias, following
        _, channels, units = taps.shape
        down, right = height // 2, width // 2
        windows = len(following) * down * right
        self.spread = spread().to(taps)
        self.gather = (self.spread.view(4, -1).t() @ taps.new_tensor(Pool.ROUTES)).t().reshape(64, 9).t().contiguous()
        self.kernels = taps.new_empty(4, SIDE * SIDE * channels, units)
        self.kernel_slopes = torch.empty_like(self.kernels)
        self.pixels = taps.new_empty(windows, SIDE * SIDE * channels)
        self.memory = taps.new_empty(Pool.PLANES * windows * units)
        self.slope = taps.new_empty(windows, units)
        # What the next layer reads is picked from rows: row 0 is its border, row 1 a black window, then the live ones.
        self.rows = taps.new_zeros(2 + windows, units)
        self.numbers = torch.arange(2, 2 + windows)
        inner.fill_(1)
        self.black = following[..., 0].flatten().long()
        inner.zero_()
        self.inside = self.black.nonzero().flatten()
        self.picked = self.black.clone()

    def read(self, live: Live) -> None:
        count, units = len(live.places), self.taps.shape[2]
        self.places = live.places.long()
        self.seen = self.pixels[:count].copy_(live.windows).div_(255)
        self.pool = Pool(self.memory, count, units)

    def forward(self, value: Tensor) -> None:
        torch.mm(self.spread, self.taps.flatten(1), out=self.kernels.view(64, -1))
        for kernel, corner in zip(self.kernels, self.pool.corners, strict=True):
            torch.mm(self.seen, kernel, out=corner)
        rows = self.rows[1 : 2 + len(self.seen)]
        self.pool.forward(rows[1:])
        rows[0] = 0
        rows.add_(self.bias).clamp_(min=0)
        self.picked.copy_(self.black)
        self.picked[self.inside[self.places]] = self.numbers[: len(self.seen)]
        torch.index_select(self.rows, 0, self.picked, out=self.following.flatten(0, 2))
        self.value = value

    def backward(self, slope: Tensor, scale: float) -> None:
        through_relu(slope, self.value, self.slope.view(slope.shape))
        torch.index_select(self.slope, 0, self.places, out=self.pool.sums[0])
        for sums, kernel in zip(self.pool.backward(), self.kernel_slopes, strict=True):
            torch.mm(self.seen.t(), sums, out=kernel)
        self.taps.flatten(1).addmm_(self.gather, self.kernel_slopes.view(64, -1), alpha=scale)
        self.bias.add_(self.slope.sum(0), alpha=scale)
