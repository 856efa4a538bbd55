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
from dropnet_core.engines.pooled import Pool, Seen, seen
from dropnet_core.engines.relu import through_relu
from dropnet_core.training import large_batch

SIDE = 4  # pixels: a 2x2 max-pool of 3x3 convolutions sees so many rows and columns
KEPT_AT_MOST = 200_000_000  # bytes of a split's images; their windows may take three times as many
SIZES = 512  # numbers of live windows whose buffers are kept


class Batch:
    """Images uint8 (n, C, H, W), and those of their windows that have a pixel that is not black."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    @cached_property
    def live(self) -> tuple[Tensor, Tensor]:
        """The live windows, uint8 (live, 16 x C), pixel by pixel with all channels of each; and their places among
        all n x H/2 x W/2 windows, int64. The border of a convolution of the same size counts as black.
        """
        n, channels, height, width = self.images.shape
        bordered = F.pad(self.images, (1, 1, 1, 1)).permute(0, 2, 3, 1).contiguous()
        image, row, pixel, channel = bordered.stride()
        windows = bordered.as_strided(
            (n, height // 2, width // 2, SIDE, SIDE, channels), (image, 2 * row, 2 * pixel, row, pixel, channel)
        ).reshape(-1, SIDE * SIDE * channels)
        places = windows.amax(dim=1).nonzero().flatten()
        return windows[places], places


@dataclass
class KeptBatches:
    """A split in batches. Those in stored order are kept with their windows: all epochs of all jobs see the same.

    The windows of MNIST take two and a half times the memory of the images.
    """

    split: Split
    _size: int = 0
    _kept: list[Batch] = field(default_factory=list)

    @cached_property
    def live_share(self) -> float:
        """Of the windows of a thousand images (fewer if large), the share that is live; 1 where the windows of the
        split, which are kept, would take much memory."""
        if self.split.images.nbytes > KEPT_AT_MOST:
            return 1.0
        images = self.split.images[:: -(-len(self.split) // large_batch(self.split))]
        n, _, height, width = images.shape
        return len(Batch(images).live[1]) / (n * (height // 2) * (width // 2))

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
        _, channels, units = taps.shape
        count, down, right, _ = inner.shape
        self.windows, pixels = count * down * right, SIDE * SIDE * channels
        self.taps, self.bias = taps.flatten(1), bias
        self.input = self.inner = taps.new_empty(self.windows, pixels)
        self.memory = taps.new_empty(Pool.PLANES * self.windows * units)
        self.slope = taps.new_empty(count, down, right, units)
        self.slope_flat = self.slope.flatten(0, 2)
        self.kernels, self.kernel_slopes = taps.new_empty(4, pixels, units), taps.new_empty(4, pixels, units)
        self.kernels_flat, self.kernel_slopes_flat = self.kernels.view(64, -1), self.kernel_slopes.view(64, -1)
        self.spread = spread().to(taps)
        # From the four sums of the pool to the taps: to the slopes of the corners, then from pixels to taps.
        routes = taps.new_tensor(Pool.ROUTES)
        self.collect = torch.einsum("kpt,kj->tjp", self.spread.view(4, 16, 9), routes).reshape(9, 64).contiguous()
        # The next layer's input is picked from rows: row 0 is its border, row 1 a black window, the live ones follow.
        self.rows, self.numbers = taps.new_zeros(2 + self.windows, units), torch.arange(2, 2 + self.windows)
        inner.fill_(1)
        self.black = following[..., 0].flatten().long()
        inner.zero_()
        self.inside, self.picked = self.black.nonzero().flatten(), torch.empty_like(self.black)
        self.output = following.view(-1, units)
        self._at_work: dict[int, Working] = {}

    def read(self, batch: Batch) -> None:
        windows, self.places = batch.live
        count = len(windows)
        if count not in self._at_work:
            if len(self._at_work) == SIZES:  # shuffled batches rarely have the same number of live windows
                self._at_work.clear()
            self._at_work[count] = Working(self, count)
        self.live = self._at_work[count]
        self.live.pixels.copy_(windows).div_(255)

    def forward(self, value: Tensor) -> None:
        self.value, live = value, self.live
        torch.mm(self.spread, self.taps, out=self.kernels_flat)
        for kernel, corner in zip(self.kernels, live.corners, strict=True):
            torch.mm(live.pixels, kernel, out=corner)
        live.pool.forward(live.largest)
        live.black.zero_()
        live.black_and_largest.add_(self.bias).clamp_(min=0)
        self.picked.copy_(self.black).index_copy_(0, self.inside.index_select(0, self.places), live.numbers)
        torch.index_select(self.rows, 0, self.picked, out=self.output)

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        live = self.live
        through_relu(slope, self.value, self.slope)
        torch.index_select(self.slope_flat, 0, self.places, out=live.pool.whole)
        live.pool.backward()
        for sums, kernel in zip(live.sums, self.kernel_slopes, strict=True):
            torch.mm(live.pixels_t, sums, out=kernel)
        self.taps.addmm_(self.collect, self.kernel_slopes_flat, alpha=scale)
        self.bias.add_(self.slope_flat.sum(0), alpha=scale)
        return self.slope

    def seen(self) -> Seen:
        """What `pooled.seen` gives, for images whose sides are even."""
        live = self.live.pool.corners.add_(self.bias).clamp_(min=0).flatten(0, 1)
        whole, above, _ = seen(live.unsqueeze(0))
        black, value = 4 * (self.windows - len(self.places)), self.bias.clamp(min=0).double()
        silent = (self.value.flatten(1, 2).sum(1) == 0).sum(0)
        return torch.stack([whole + black * value, above + black * (value > 0), silent])


class Working:
    """The parts of a layer's buffers that a batch of so many live windows uses."""

    def __init__(self, layer: Windowed, count: int) -> None:
        self.pixels = layer.inner[:count]
        self.pixels_t = self.pixels.t()
        self.pool = Pool(layer.memory, count, len(layer.bias))
        self.corners, self.sums = self.pool.corners.unbind(), self.pool.sums.unbind()
        self.black_and_largest = layer.rows[1 : 2 + count]
        self.black, self.largest = self.black_and_largest[0], self.black_and_largest[1:]
        self.numbers = layer.numbers[:count]
