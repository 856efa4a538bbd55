"""A convolution as Winograd's algorithm F(2x2, 3x3): 16 products where the definition has 36, all in large matrices.

Each 2x2 pooling window is a tile. The 4x4 values that it reads and the 3x3 kernel are transformed by constant
matrices, multiplied place by place, and transformed back (Lavin and Gray, 2016): y = A[(G w G') * (B x B')]A'.

A value is a row of all channels, and a tile's values are picked as 16 of these rows. On the way back each value has
slopes from the up to four tiles that read it, and a sum over such bags of rows is what embeddings are made of.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.engines.pooled import Pool
from dropnet_core.engines.relu import through_relu

A = ((1.0, 1.0, 1.0, 0.0), (0.0, 1.0, -1.0, -1.0))
B = ((1.0, 0.0, -1.0, 0.0), (0.0, 1.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0), (0.0, 1.0, 0.0, -1.0))
G = ((1.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.0, 0.0, 1.0))


def on_both_sides(matrix: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """The matrix that does to a flattened square what this one does to its rows and then to its columns."""
    one = like.new_tensor(matrix)
    return torch.kron(one, one).contiguous()


class Tiled:
    """A convolution with pool and ReLU (see `pooled`)."""

    def __init__(self, taps: Tensor, bias: Tensor, count: int, height: int, width: int) -> None:
        _, channels, units = taps.shape
        down, right = height // 2, width // 2
        tiles = count * down * right
        self.taps, self.bias = taps.flatten(1), bias
        # A border of zeros, on the right and below only where the pool reaches it.
        self.input = taps.new_zeros(count, 2 * down + 2, 2 * right + 2, channels)
        self.inner = self.input[:, 1 : 1 + height, 1 : 1 + width]
        self.places, self.readers, self.bags = reading(self.input.shape[:3], height, width)
        self.gathered, self.seen = taps.new_empty(16 * tiles, channels), taps.new_empty(16, tiles, channels)
        self.products = taps.new_empty(16, tiles, units)
        self.kernel, self.kernel_slope = taps.new_empty(16, channels, units), taps.new_empty(16, channels, units)
        self.pool = Pool(taps.new_empty(Pool.PLANES * tiles * units), tiles, units)
        self.largest = taps.new_empty(count, down, right, units)
        self.turn, self.look, self.turn_back = (on_both_sides(matrix, taps) for matrix in (G, B, A))
        self.route = self.turn_back.t() @ taps.new_tensor(Pool.ROUTES)
        # Views of the buffers as the products want them, and as the neighbouring layers do.
        self.rows, self.largest_flat = self.input.flatten(0, 2), self.largest.flatten(0, 2)
        self.gathered_flat, self.seen_flat, self.products_flat, self.kernel_flat, self.kernel_slope_flat = (
            buffer.view(16, -1) for buffer in (self.gathered, self.seen, self.products, self.kernel, self.kernel_slope)
        )
        self.kernel_t, self.seen_t = self.kernel.transpose(1, 2), self.seen.transpose(1, 2)
        self.corners_flat, self.sums_flat = self.pool.corners.view(4, -1), self.pool.sums.view(4, -1)
        self.whole_seen = self.pool.whole.view(self.largest.shape)

    def forward(self, value: Tensor) -> None:
        torch.mm(self.turn, self.taps, out=self.kernel_flat)
        torch.index_select(self.rows, 0, self.places, out=self.gathered)
        torch.mm(self.look, self.gathered_flat, out=self.seen_flat)
        torch.bmm(self.seen, self.kernel, out=self.products)
        torch.mm(self.turn_back, self.products_flat, out=self.corners_flat)
        self.pool.forward(self.largest_flat).add_(self.bias)
        self.value = torch.clamp_min(self.largest, 0, out=value)

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        through_relu(slope, self.value, self.whole_seen)
        self.pool.backward()
        torch.mm(self.route, self.sums_flat, out=self.products_flat)
        torch.bmm(self.seen_t, self.products, out=self.kernel_slope)
        torch.bmm(self.products, self.kernel_t, out=self.seen)
        torch.mm(self.look.t(), self.seen_flat, out=self.gathered_flat)
        self.taps.addmm_(self.turn.t(), self.kernel_slope_flat, alpha=scale)
        self.bias.add_(self.pool.whole.sum(0), alpha=scale)
        slopes = torch.embedding_bag(self.gathered, self.readers, self.bags, include_last_offset=True)[0]
        return slopes.view(self.inner.shape)


def reading(bordered: torch.Size, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """How tiles read images with a border, (n, rows, columns), inside which are (height, width) values of each.

    Returns the number of the value that is read, of all, in each of the 16 places of each tile, (16 x tiles,); the
    numbers of the places that read an inner value, one value after the other; and where each value's begin there.
    """
    count = bordered[0]
    places = torch.arange(bordered.numel()).view(bordered).unfold(1, 4, 2).unfold(2, 4, 2)
    places = places.permute(3, 4, 0, 1, 2).flatten()
    inside = torch.full(bordered, -1)
    inside[:, 1 : 1 + height, 1 : 1 + width] = torch.arange(count * height * width).view(count, height, width)
    read = inside.flatten()[places]
    readers = read.argsort(stable=True)[int((read < 0).sum()) :]
    bags = F.pad(read[read >= 0].bincount(minlength=count * height * width).cumsum(0), (1, 0))
    return places, readers, bags
