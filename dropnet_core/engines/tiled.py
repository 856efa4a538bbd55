"""A convolution as Winograd's algorithm F(2x2, 3x3): 16 products where the definition has 36, all in large matrices.

Each 2x2 pooling window is a tile. The 4x4 values that it reads and the 3x3 kernel are transformed by constant
matrices, multiplied place by place, and transformed back (Lavin and Gray, 2016): y = A'[(G w G') * (B' x B)]A.
"""

import math

import torch
from torch import Tensor

from dropnet_core.engines.pooled import Pool, through_relu

CACHE = 3 * 2**20  # bytes of one block of images in float32: more no longer stays in a core's cache
A = ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, -1.0))
B = ((1.0, 0.0, -1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, 1.0, 0.0, -1.0))
G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def on_both_sides(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """The matrix that does to a flattened square what this one does to its rows and then to its columns."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one).contiguous()


class Tiled:
    """A convolution with pool and ReLU (see `pooled`), worked off in blocks of images."""

    def __init__(self, taps: Tensor, bias: Tensor, count: int, height: int, width: int) -> None:
        self.taps, self.bias = taps, bias
        _, channels, units = taps.shape
        down, right = height // 2, width // 2
        # A border of zeros, on the right and below only where the pool reaches it.
        self.input = taps.new_zeros(count, 2 * down + 2, 2 * right + 2, channels)
        self.inner = self.input[:, 1 : 1 + height, 1 : 1 + width]
        self.slope = torch.zeros_like(self.input)
        self.kernel = taps.new_empty(16, channels, units)
        self.kernel_slope = torch.empty_like(self.kernel)
        self.turn = on_both_sides(G, taps)
        size = max(1, CACHE // (16 * down * right * (channels + units) * 4))
        scratch = Scratch(taps, min(size, count) * down * right)
        self.blocks = [
            Block(images, slopes, scratch)
            for images, slopes in zip(self.input.split(size), self.slope.split(size), strict=True)
        ]

    def forward(self, value: Tensor) -> None:
        torch.mm(self.turn, self.taps.flatten(1), out=self.kernel.view(16, -1))
        for block, part in zip(self.blocks, value.split(len(self.blocks[0])), strict=True):
            block.forward(self.kernel, self.bias, part)

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        self.kernel_slope.zero_()
        for block, part in zip(self.blocks, slope.split(len(self.blocks[0])), strict=True):
            self.bias.add_(block.backward(part, self.kernel, self.kernel_slope), alpha=scale)
        self.taps.flatten(1).addmm_(self.turn.t(), self.kernel_slope.flatten(1), alpha=scale)
        height, width = self.inner.shape[1:3]
        return self.slope[:, 1 : 1 + height, 1 : 1 + width]


class Scratch:
    """What a block needs only while it is at work, shared by the blocks of a layer."""

    def __init__(self, taps: Tensor, tiles: int) -> None:
        _, self.channels, self.units = taps.shape
        self.pixels = taps.new_empty(16 * tiles * self.channels)
        self.products = taps.new_empty(16 * tiles * self.units)
        self.look, self.turn_back = on_both_sides(B, taps), on_both_sides(A, taps)
        self.route = self.turn_back.t() @ taps.new_tensor(Pool.ROUTES)


class Block:
    """Some images of the batch: views of their input and its slope, and what they keep for the way back."""

    def __init__(self, images: Tensor, slopes: Tensor, scratch: Scratch) -> None:
        self.count, rows, columns, channels = images.shape
        down, right = rows // 2 - 1, columns // 2 - 1
        tiles, units = self.count * down * right, scratch.units
        self.scratch = scratch
        image, row, pixel, _ = images.stride()
        self.windows = images.as_strided(
            (4, 4, self.count, down, right, channels), (row, pixel, image, 2 * row, 2 * pixel, 1), images.storage_offset()
        )
        self.pixels = scratch.pixels[: 16 * tiles * channels].view(16, tiles, channels)
        self.products = scratch.products[: 16 * tiles * units].view(16, tiles, units)
        self.seen = images.new_empty(16, tiles, channels)
        self.pool = Pool(images.new_empty(Pool.PLANES * tiles * units), tiles, units)
        self.largest = images.new_empty(tiles, units)
        self._wire_slopes(slopes, down, right)

    def _wire_slopes(self, slopes: Tensor, down: int, right: int) -> None:
        """Views to add the slopes of all windows up: windows overlap, but the halves of every other one do not."""
        by_pixel = self.pixels.view(2, 2, 2, 2, self.count, down, right, -1)
        self.edges = slopes[:, 2 * down :], slopes[:, :, 2 * right :]
        self.sums = []
        for i in range(2):
            for j in range(2):
                area = slopes[:, 2 * i : 2 * i + 2 * down, 2 * j : 2 * j + 2 * right]
                into = area.unflatten(2, (right, 2)).unflatten(1, (down, 2))
                self.sums.append((into, by_pixel[i, :, j].permute(2, 3, 0, 4, 1, 5)))

    def __len__(self) -> int:
        return self.count

    def forward(self, kernel: Tensor, bias: Tensor, value: Tensor) -> None:
        self.pixels.view(self.windows.shape).copy_(self.windows)
        torch.mm(self.scratch.look, self.pixels.flatten(1), out=self.seen.flatten(1))
        torch.bmm(self.seen, kernel, out=self.products)
        torch.mm(self.scratch.turn_back, self.products.flatten(1), out=self.pool.corners.flatten(1))
        largest = self.pool.forward(self.largest).add_(bias)
        torch.clamp_min(largest.view(value.shape), 0, out=value)
        self.value = value

    def backward(self, slope: Tensor, kernel: Tensor, kernel_slope: Tensor) -> Tensor:
        """Add to the kernel's slope, fill this block's part of the input's slope, and return the bias's."""
        whole = self.pool.sums[0]
        through_relu(slope, self.value, whole.view(slope.shape))
        sums = self.pool.backward()
        torch.mm(self.scratch.route, sums.flatten(1), out=self.products.flatten(1))
        kernel_slope.baddbmm_(self.seen.transpose(1, 2), self.products)
        torch.bmm(self.products, kernel.transpose(1, 2), out=self.seen)
        torch.mm(self.scratch.look.t(), self.seen.flatten(1), out=self.pixels.flatten(1))
        for edge in self.edges:
            edge.zero_()
        (into, first), *others = self.sums
        into.copy_(first)
        for into, part in others:
            into.add_(part)
        return whole.sum(0)
