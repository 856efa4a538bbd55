"""A convolution as Winograd's algorithm F(2x2, 3x3): 16 products where the definition has 36, all in large matrices.

Each 2x2 pooling window is a tile. The 4x4 values that it reads and the 3x3 kernel are transformed by constant
matrices, multiplied place by place, and transformed back (Lavin and Gray, 2016): y = A[(G w G') * (B x B')]A'.
"""

import torch
from torch import Tensor

from dropnet_core.engines.pooled import Pool, through_relu

A = ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, -1.0))
B = ((1.0, 0.0, -1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, 1.0, 0.0, -1.0))
G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def on_both_sides(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """The matrix that does to a flattened square what this one does to its rows and then to its columns."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one).contiguous()


class Tiled:
    """A convolution with pool and ReLU (see `pooled`). In memory, the images of the batch lie side by side."""

    def __init__(self, taps: Tensor, bias: Tensor, count: int, height: int, width: int) -> None:
        _, channels, units = taps.shape
        tiles = height // 2, width // 2, count
        total = tiles[0] * tiles[1] * count
        self.taps, self.bias = taps.flatten(1), bias.view(-1, 1)
        # A border of zeros, on the right and below only where the pool reaches it.
        memory = taps.new_zeros(channels, 2 * tiles[0] + 2, 2 * tiles[1] + 2, count)
        plane, row, pixel, _ = memory.stride()
        self.windows = memory.as_strided((4, 4, channels, *tiles), (row, pixel, plane, 2 * row, 2 * pixel, 1))
        self.input = memory.permute(3, 1, 2, 0)
        self.inner = self.input[:, 1 : 1 + height, 1 : 1 + width]
        self.gathered, self.seen = taps.new_empty(self.windows.shape), taps.new_empty(16, channels, total)
        self.products = taps.new_empty(16, units, total)
        self.kernel, self.kernel_slope = taps.new_empty(16, channels, units), taps.new_empty(16, channels, units)
        self.pool = Pool(taps.new_empty(Pool.PLANES * units * total), units, total)
        self.largest = taps.new_empty(units, total)
        self.turn, self.look, self.turn_back = (on_both_sides(matrix, taps) for matrix in (G, B, A))
        self.route = self.turn_back.t() @ taps.new_tensor(Pool.ROUTES)
        self._wire(memory, tiles)

    def _wire(self, memory: Tensor, tiles: tuple[int, int, int]) -> None:
        """Views of the buffers as the products want them, and as the neighbouring layers do."""
        self.gathered_flat, self.seen_flat, self.products_flat = (
            buffer.view(16, -1) for buffer in (self.gathered, self.seen, self.products)
        )
        self.kernel_flat, self.kernel_slope_flat = self.kernel.view(16, -1), self.kernel_slope.view(16, -1)
        self.corners_flat, self.sums_flat = self.pool.corners.view(4, -1), self.pool.sums.view(4, -1)
        self.kernel_t, self.products_t = self.kernel.transpose(1, 2), self.products.transpose(1, 2)
        self.largest_seen, self.whole_seen = (
            buffer.view(-1, *tiles).permute(3, 1, 2, 0) for buffer in (self.largest, self.pool.whole)
        )
        # The slopes of all windows are added up: windows overlap, but the halves of every other one do not.
        slope, (down, right, _), (_, height, width, _) = torch.zeros_like(memory), tiles, self.inner.shape
        self.slope = slope.permute(3, 1, 2, 0)[:, 1 : 1 + height, 1 : 1 + width]
        self.edges = slope[:, 2 * down :], slope[:, :, 2 * right :]
        by_half = self.gathered.view(2, 2, 2, 2, len(memory), *tiles)
        self.halves = []
        for i in range(2):
            for j in range(2):
                area = slope[:, 2 * i : 2 * i + 2 * down, 2 * j : 2 * j + 2 * right]
                area = area.unflatten(2, (right, 2)).unflatten(1, (down, 2))
                self.halves.append((area, by_half[i, :, j].permute(2, 3, 0, 4, 1, 5)))

    def forward(self, value: Tensor) -> None:
        torch.mm(self.turn, self.taps, out=self.kernel_flat)
        self.gathered.copy_(self.windows)
        torch.mm(self.look, self.gathered_flat, out=self.seen_flat)
        torch.bmm(self.kernel_t, self.seen, out=self.products)
        torch.mm(self.turn_back, self.products_flat, out=self.corners_flat)
        self.pool.forward(self.largest).add_(self.bias)
        self.value = torch.clamp_min(self.largest_seen, 0, out=value)

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        through_relu(slope, self.value, self.whole_seen)
        self.pool.backward()
        torch.mm(self.route, self.sums_flat, out=self.products_flat)
        torch.bmm(self.seen, self.products_t, out=self.kernel_slope)
        torch.bmm(self.kernel, self.products, out=self.seen)
        torch.mm(self.look.t(), self.seen_flat, out=self.gathered_flat)
        for edge in self.edges:
            edge.zero_()
        (area, half), *others = self.halves
        area.copy_(half)
        for area, half in others:
            area.add_(half)
        self.taps.addmm_(self.turn.t(), self.kernel_slope_flat, alpha=scale)
        self.bias.add_(self.pool.whole.sum(1, keepdim=True), alpha=scale)
        return self.slope
