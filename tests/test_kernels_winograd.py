"""Convolutions by Winograd's tiles beside those by the definition. Halves of whole numbers are exact as well."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kernel_maps import GROUP_IMAGES, SIZES, bordered, images_first, images_last
from kernel_steps import GuardedMemory, whole_numbers

from dropnet_core.engines.kernels import map_kernels as kernels
from dropnet_core.engines.kernels import tile_kernels as tiled

G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
B = np.array([[1, 0, 0, 0], [0, 1, -1, 1], [-1, 1, 1, 0], [0, 0, 0, -1]])
A = np.array([[1, 0], [1, 1], [1, -1], [0, -1]])
"""F(2x2, 3x3) of Lavin and Gray (2016): y = A' [(G g G') * (B' d B)] A."""


def test_the_matrices_are_a_convolution():
    draw = np.random.default_rng(0)
    g, d = whole_numbers(draw, 3, 3), whole_numbers(draw, 4, 4)
    direct = [[(d[i : i + 3, j : j + 3] * g).sum() for j in range(2)] for i in range(2)]
    np.testing.assert_array_equal(A.T @ ((G @ g @ G.T) * (B.T @ d @ B)) @ A, direct)


@pytest.mark.parametrize("filters", [16, 48])
def test_filters(filters):
    draw = np.random.default_rng(filters)
    g, taught = whole_numbers(draw, filters, 3, 3), whole_numbers(draw, filters, 4, 4)
    memory = GuardedMemory()
    w, v, learnt = memory.lay(planes(g)), memory.room(16, filters, value=9), memory.lay(planes(taught))
    memory.run(tiled.transform_filters, (v, w, filters))
    np.testing.assert_array_equal(memory.at(v, 16, filters), planes(G @ g @ G.T))
    memory.run(tiled.learn_filters, (learnt, w, filters))
    np.testing.assert_array_equal(memory.at(w, 9, filters), planes(g + G.T @ taught @ G))


def filled(laid: np.ndarray, columns: int) -> np.ndarray:
    return np.pad(laid, ((0, 0), (0, columns - laid.shape[1])))


def planes(filters: np.ndarray) -> np.ndarray:
    """Filters (..., side, side) with each of their numbers in a plane of its own."""
    side = filters.shape[-1]
    return filters.reshape(-1, side * side).T


@pytest.mark.parametrize("channels", [1, 3])
def test_a_tile(channels):
    draw, plane, row = np.random.default_rng(channels), 5 * GROUP_IMAGES, 6 * GROUP_IMAGES
    x = whole_numbers(draw, channels, 6, 6, GROUP_IMAGES)
    memory = GuardedMemory()
    place, u = memory.lay(x), memory.room(16, 5, GROUP_IMAGES)
    memory.run(tiled.transform, (place + row + 2 * GROUP_IMAGES, row, 6 * row, u, plane, channels))
    d = x[:, 1:5, 2:6]
    expected = np.einsum("ia,cijn,jb->abcn", B, d, B).reshape(16, channels, GROUP_IMAGES)
    np.testing.assert_array_equal(memory.at(u, 16, 5, GROUP_IMAGES)[:, :channels], expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("back", "top", "left"),
    [
        (tiled.back_first, 0, 0),
        (tiled.back_left, 0, 2),
        (tiled.back_top, 2, 0),
        (tiled.back_both, 2, 2),
    ],
)
def test_a_tiles_way_back(channels, back, top, left):
    """Slopes of the first `top` rows and `left` columns are added to; the others take the place of what was there."""
    draw, plane, row = np.random.default_rng(channels), 5 * GROUP_IMAGES, 6 * GROUP_IMAGES
    u, old = whole_numbers(draw, 16, 5, GROUP_IMAGES), whole_numbers(draw, channels, 6, 6, GROUP_IMAGES)
    memory = GuardedMemory()
    slopes, turned = memory.lay(old), memory.lay(u)
    memory.run(back, (slopes + row + 2 * GROUP_IMAGES, row, 6 * row, turned, plane, channels))
    tile = np.einsum("ia,abcn,jb->cijn", B, u.reshape(4, 4, 5, GROUP_IMAGES)[:, :, :channels], B)
    tile[:, :top] += old[:, 1 : 1 + top, 2:6]
    tile[:, top:, :left] += old[:, 1 + top : 5, 2 : 2 + left]
    old[:, 1:5, 2:6] = tile
    np.testing.assert_array_equal(memory.at(slopes, channels, 6, 6, GROUP_IMAGES), old)


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
@pytest.mark.parametrize("units", [1, 2, 5])
def test_a_layer_of_tiles(channels, height, width, units):
    """Values, what is tallied, what the filters and biases learn, and the slopes of the input by autograd."""
    draw = np.random.default_rng(units)
    x, w, bias = (
        whole_numbers(draw, channels, height, width, GROUP_IMAGES),
        whole_numbers(draw, units, channels, 3, 3),
        whole_numbers(draw, units),
    )
    padded, (down, right) = bordered(x), (height // 2, width // 2)
    row, channel, pooled = padded.shape[2] * GROUP_IMAGES, padded[0].size, down * right * GROUP_IMAGES
    wide = -(-channels // 8) * 8  # a unit's weights with what fills them up
    filters, tiles = units * wide, -(-height // 2) * -(-width // 2)
    laid = np.pad(w, ((0, 0), (0, wide - channels), (0, 0), (0, 0)))
    filters += -filters % 16
    plane = tiles * channels * GROUP_IMAGES
    own = (units + 1) * GROUP_IMAGES  # the products' planes
    memory = GuardedMemory()
    place, weights, biases = memory.lay(padded), memory.lay(filled(planes(laid), filters)), memory.lay(bias)
    v, u, m = (
        memory.room(16, filters),
        memory.room(16, tiles, channels, GROUP_IMAGES),
        memory.room(16, units + 1, GROUP_IMAGES),
    )
    y, winner = memory.room(units, down, right, GROUP_IMAGES), memory.room(units, down, right, GROUP_IMAGES)
    sums = memory.room(units, 2, GROUP_IMAGES)
    tally = {
        (2, 2): tiled.tally_tile22, (1, 2): tiled.tally_tile12,
        (2, 1): tiled.tally_tile21, (1, 1): tiled.tally_tile11,
    }  # fmt: skip
    memory.run(tiled.transform_filters, (v, weights, filters))
    corners = [(i, j) for i in range(0, height, 2) for j in range(0, width, 2)]
    for t, (i, j) in enumerate(corners):
        tile = u + t * channels * GROUP_IMAGES
        memory.run(tiled.transform, (place + i * row + j * GROUP_IMAGES, row, channel, tile, plane, channels))
        for k in range(16):
            shape = (wide, 1, tile + k * plane, units, channels)
            memory.run(kernels.products, (m + k * own, v + k * filters, *shape))
        inside = min(2, height - i), min(2, width - j)
        memory.run(tally[inside], (m, own, biases, units, sums))
        if inside == (2, 2):
            at = (i // 2 * right + j // 2) * GROUP_IMAGES
            memory.run(tiled.pool_tile, (m, own, biases, units, y + at, pooled, winner + at, pooled))
    exact = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (w, bias)]
    pixels = images_first(x).requires_grad_()
    before = F.relu(F.conv2d(pixels, exact[0], exact[1], padding=1))
    value, seen = F.max_pool2d(before, 2), images_last(before.detach())
    np.testing.assert_array_equal(memory.at(y, units, down, right, GROUP_IMAGES), images_last(value.detach()))
    tallied = np.stack([seen.sum((1, 2)), (seen == 0).sum((1, 2))], axis=1)
    np.testing.assert_array_equal(memory.at(sums, units, 2, GROUP_IMAGES), tallied)

    slopes = whole_numbers(draw, units, down, right, GROUP_IMAGES)
    gradients = torch.autograd.grad(value, [*exact, pixels], images_first(slopes))
    slope, learnt, back = memory.lay(slopes), memory.room(16, filters), memory.room(16, channels, GROUP_IMAGES)
    pixel_slopes, turned = memory.room(*padded.shape), memory.room(GROUP_IMAGES, wide)
    way_back = {
        (False, False): tiled.back_first, (False, True): tiled.back_left,
        (True, False): tiled.back_top, (True, True): tiled.back_both,
    }  # fmt: skip
    for t, (i, j) in enumerate(corners):
        if i // 2 < down and j // 2 < right:
            at = (i // 2 * right + j // 2) * GROUP_IMAGES
            memory.run(tiled.unpool_tile, (slope + at, pooled, winner + at, pooled, m, own, units))
            for k in range(16):
                pixels_first = np.zeros((GROUP_IMAGES, wide), np.float32)
                tile = u + k * plane + t * channels * GROUP_IMAGES
                pixels_first[:, :channels] = memory.at(tile, channels, GROUP_IMAGES).T
                memory.numbers[turned : turned + pixels_first.size] = pixels_first.ravel()
                memory.run(kernels.learn_weights, (learnt + k * filters, m + k * own, turned, wide, units))
                shape = (1, wide, m + k * own, channels, units)
                memory.run(kernels.products, (back + k * channels * GROUP_IMAGES, v + k * filters, *shape))
            to = pixel_slopes + i * row + j * GROUP_IMAGES
            memory.run(way_back[i > 0, j > 0], (to, row, channel, back, channels * GROUP_IMAGES, channels))
    memory.run(tiled.learn_filters, (learnt, weights, filters))
    taught = memory.at(weights, 9, filters)[:, : units * wide].T.reshape(units, wide, 3, 3) - laid
    np.testing.assert_array_equal(taught[:, :channels], gradients[0].numpy())
    assert not taught[:, channels:].any()
    inner = memory.at(pixel_slopes, *padded.shape)[:, 1 : height + 1, 1 : width + 1]
    np.testing.assert_array_equal(inner, images_last(gradients[2]))
