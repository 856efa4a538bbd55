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
    """A convolution with pool and ReLU (see `pooled`). Inside, the images of the batch lie next to one another."""

    def __init__(self, taps: Tensor, bias: Tensor, count: int, height: int, width: int) -> None:
        self.taps, self.bias = taps.flatten(1), bias.view(-1, 1)
        _, channels, units = taps.shape
        down, right = height // 2, width // 2
        tiles = down * right * count

        def matrix(places: int, rows: int) -> Tensor:
            return taps.new_empty(places, rows, tiles)

        # A border of zeros, on the right and below only where the pool reaches it.
        memory = taps.new_zeros(channels, 2 * down + 2, 2 * right + 2, count)
        plane, row, pixel, _ = memory.stride()
        self.windows = memory.as_strided(
            (4, 4, channels, down, right, count), (row, pixel, plane, 2 * row, 2 * pixel, 1)
        )
        self.input = memory.permute(3, 1, 2, 0)
        self.inner = self.input[:, 1 : 1 + height, 1 : 1 + width]
        self.pixels, self.seen, self.products = matrix(16, channels), matrix(16, channels), matrix(16, units)
        self.pixels_by_window = self.pixels.view(self.windows.shape)
        self.kernel, self.kernel_slope = taps.new_empty(16, channels, units), taps.new_empty(16, units, channels)
        self.pool, self.largest = Pool(taps.new_empty(Pool.PLANES * units * tiles), units, tiles), matrix(1, units)[0]
        self.slopes = self.pool.sums[0].view(units, down, right, count).permute(3, 1, 2, 0)
        self.look, self.turn, turn_back = (on_both_sides(m, taps) for m in (B, G, A))
        self.turn_back, self.route = turn_back, turn_back.t() @ taps.new_tensor(Pool.ROUTES)
        self._wire_slope(memory, down, right)

    def _wire_slope(self, memory: Tensor, down: int, right: int) -> None:
        """Views to add the slopes of all windows up: windows overlap, but the halves of every other one do not."""
        slope = torch.zeros_like(memory)
        _, height, width, _ = self.inner.shape
        self.slope = slope.permute(3, 1, 2, 0)[:, 1 : 1 + height, 1 : 1 + width]
        self.edges = slope[:, 2 * down :], slope[:, :, 2 * right :]
        by_half = self.pixels.view(2, 2, 2, 2, len(slope), down, right, -1)
        self.halves = []
        for i in range(2):
            for j in range(2):
                area = slope[:, 2 * i : 2 * i + 2 * down, 2 * j : 2 * j + 2 * right]
                into = area.unflatten(2, (right, 2)).unflatten(1, (down, 2))
                self.halves.append((into, by_half[i, :, j].permute(2, 3, 0, 4, 1, 5)))

    def forward(self, value: Tensor) -> None:
        torch.mm(self.turn, self.taps, out=self.kernel.view(16, -1))
        self.pixels_by_window.copy_(self.windows)
        torch.mm(self.look, self.pixels.view(16, -1), out=self.seen.view(16, -1))
        torch.bmm(self.kernel.transpose(1, 2), self.seen, out=self.products)
        torch.mm(self.turn_back, self.products.view(16, -1), out=self.pool.corners.view(4, -1))
        largest = self.pool.forward(self.largest).add_(self.bias)
        torch.clamp_min(largest.view(self.slopes.permute(3, 1, 2, 0).shape).permute(3, 1, 2, 0), 0, out=value)
        self.value = value

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        through_relu(slope, self.value, self.slopes)
        sums = self.pool.backward()
        torch.mm(self.route, sums.view(4, -1), out=self.products.view(16, -1))
        torch.bmm(self.seen, self.products.transpose(1, 2), out=self.kernel_slope.view_as(self.kernel))
        torch.bmm(self.kernel, self.products, out=self.seen)
        torch.mm(self.look.t(), self.seen.view(16, -1), out=self.pixels.view(16, -1))
        for edge in self.edges:
            edge.zero_()
        (into, first), *others = self.halves
        into.copy_(first)
        for into, part in others:
            into.add_(part)
        self.taps.addmm_(self.turn.t(), self.kernel_slope.view(16, -1), alpha=scale)
        self.bias.add_(sums[0].sum(1, keepdim=True), alpha=scale)
        return self.slope
