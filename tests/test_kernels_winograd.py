"""Convolutions by Winograd's tiles beside those by the definition. Halves of whole numbers are exact as well."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kernel_steps import Memory, whole
from test_kernels_maps import IMAGES, SIZES, bordered, images_first, images_last

from dropnet_core.engines.kernels import map_kernels as kernels
from dropnet_core.engines.kernels.filters import learn_filters, transform_filters

G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
B = np.array([[1, 0, 0, 0], [0, 1, -1, 1], [-1, 1, 1, 0], [0, 0, 0, -1]])
A = np.array([[1, 0], [1, 1], [1, -1], [0, -1]])
"""F(2x2, 3x3) of Lavin and Gray (2016): y = A' [(G g G') * (B' d B)] A."""


def test_the_matrices_are_a_convolution():
    draw = np.random.default_rng(0)
    g, d = whole(draw, 3, 3), whole(draw, 4, 4)
    direct = [[(d[i : i + 3, j : j + 3] * g).sum() for j in range(2)] for i in range(2)]
    np.testing.assert_array_equal(A.T @ ((G @ g @ G.T) * (B.T @ d @ B)) @ A, direct)


@pytest.mark.parametrize("filters", [1, 5])
def test_filters(filters):
    draw, plane = np.random.default_rng(filters), 8
    g, taught = whole(draw, filters, 3, 3), whole(draw, 16, plane)
    memory = Memory()
    w, v, learnt = memory.lay(g), memory.room(16, plane, value=9), memory.lay(taught)
    transform_filters(memory.numbers, v, plane, w, filters)
    found = memory.at(v, 16, plane)
    np.testing.assert_array_equal(found[:, :filters], (G @ g @ G.T).reshape(filters, 16).T)
    assert (found[:, filters:] == 9).all()
    learn_filters(memory.numbers, learnt, plane, w, filters)
    own = taught.T[:filters].reshape(filters, 4, 4)
    np.testing.assert_array_equal(memory.at(w, filters, 3, 3), g + G.T @ own @ G)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_tile_and_its_way_back(channels):
    draw, plane, row = np.random.default_rng(channels), 5 * IMAGES, 6 * IMAGES
    x, back, old = whole(draw, channels, 6, 6, IMAGES), whole(draw, 16, 5, IMAGES), whole(draw, channels, 6, 6, IMAGES)
    memory = Memory()
    place, u, slopes, turned = memory.lay(x), memory.room(16, 5, IMAGES), memory.lay(old), memory.lay(back)
    corner = row + 2 * IMAGES  # the tile's first pixel
    memory.run(kernels.transform, (place + corner, row, 6 * row, u, plane, channels))
    d = x[:, 1:5, 2:6]
    expected = np.einsum("ia,cijn,jb->abcn", B, d, B).reshape(16, channels, IMAGES)
    np.testing.assert_array_equal(memory.at(u, 16, 5, IMAGES)[:, :channels], expected)
    memory.run(kernels.transform_back, (slopes + corner, row, 6 * row, turned, plane, channels))
    old[:, 1:5, 2:6] += np.einsum("ia,abcn,jb->cijn", B, back.reshape(4, 4, 5, IMAGES)[:, :, :channels], B)
    np.testing.assert_array_equal(memory.at(slopes, channels, 6, 6, IMAGES), old)


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
@pytest.mark.parametrize("units", [1, 2, 5])
def test_a_layer_of_tiles(channels, height, width, units):
    """Values, what is watched, what the filters and biases learn, and the slopes of the input by autograd."""
    draw = np.random.default_rng(units)
    x, w, bias = whole(draw, channels, height, width, IMAGES), whole(draw, units, channels, 3, 3), whole(draw, units)
    padded, (down, right) = bordered(x), (height // 2, width // 2)
    row, channel, pooled = padded.shape[2] * IMAGES, padded[0].size, down * right * IMAGES
    filters, tiles = units * channels, -(-height // 2) * -(-width // 2)
    plane = tiles * channels * IMAGES
    own = (units + 1) * IMAGES  # the products' planes
    memory = Memory()
    place, weights, biases = memory.lay(padded), memory.lay(w), memory.lay(bias)
    v, u, m = memory.room(16, filters), memory.room(16, tiles, channels, IMAGES), memory.room(16, units + 1, IMAGES)
    y, winner = memory.room(units, down, right, IMAGES), memory.room(units, down, right, IMAGES)
    sums = memory.room(units, 2, IMAGES)
    watch = {
        (2, 2): kernels.watch_tile22, (1, 2): kernels.watch_tile12,
        (2, 1): kernels.watch_tile21, (1, 1): kernels.watch_tile11,
    }  # fmt: skip
    transform_filters(memory.numbers, v, filters, weights, filters)
    corners = [(i, j) for i in range(0, height, 2) for j in range(0, width, 2)]
    for t, (i, j) in enumerate(corners):
        tile = u + t * channels * IMAGES
        memory.run(kernels.transform, (place + i * row + j * IMAGES, row, channel, tile, plane, channels))
        for k in range(16):
            shape = (channels, 1, tile + k * plane, units, channels)
            memory.run(kernels.products, (m + k * own, v + k * filters, *shape))
        inside = min(2, height - i), min(2, width - j)
        memory.run(watch[inside], (m, own, biases, units, sums))
        if inside == (2, 2):
            at = (i // 2 * right + j // 2) * IMAGES
            memory.run(kernels.settle, (m, own, biases, units, y + at, pooled, winner + at, pooled))
    exact = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (w, bias)]
    pixels = images_first(x).requires_grad_()
    before = F.relu(F.conv2d(pixels, exact[0], exact[1], padding=1))
    value, seen = F.max_pool2d(before, 2), images_last(before.detach())
    np.testing.assert_array_equal(memory.at(y, units, down, right, IMAGES), images_last(value.detach()))
    watched = np.stack([seen.sum((1, 2)), (seen == 0).sum((1, 2))], axis=1)
    np.testing.assert_array_equal(memory.at(sums, units, 2, IMAGES), watched)

    slopes = whole(draw, units, down, right, IMAGES)
    gradients = torch.autograd.grad(value, [*exact, pixels], images_first(slopes))
    slope, learnt, back = memory.lay(slopes), memory.room(16, filters), memory.room(16, channels, IMAGES)
    pixel_slopes = memory.room(*padded.shape)
    for t, (i, j) in enumerate(corners):
        if i // 2 < down and j // 2 < right:
            at = (i // 2 * right + j // 2) * IMAGES
            memory.run(kernels.unsettle, (slope + at, pooled, winner + at, pooled, m, own, units))
            for k in range(16):
                here = (m + k * own, units * IMAGES, u + k * plane + t * channels * IMAGES, channels * IMAGES)
                memory.run(kernels.overlaps, (learnt + k * filters, *here, units, channels, 1))
                shape = (1, channels, m + k * own, channels, units)
                memory.run(kernels.products, (back + k * channels * IMAGES, v + k * filters, *shape))
            to = pixel_slopes + i * row + j * IMAGES
            memory.run(kernels.transform_back, (to, row, channel, back, channels * IMAGES, channels))
    learn_filters(memory.numbers, learnt, filters, weights, filters)
    np.testing.assert_array_equal(memory.at(weights, *w.shape) - w, gradients[0].numpy())
    inner = memory.at(pixel_slopes, *padded.shape)[:, 1 : height + 1, 1 : width + 1]
    np.testing.assert_array_equal(inner, images_last(gradients[2]))
