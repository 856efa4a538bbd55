"""The kernels of convolutions beside their plain definitions; see `test_kernels_winograd` for tiles."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from kernel_maps import GROUP_IMAGES, SIZES, bordered, images_first, images_last
from kernel_steps import GuardedMemory, whole_numbers

from dropnet_core.engines.kernels import map_kernels as kernels


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7, 11, 25])
def test_products(rows):
    draw = np.random.default_rng(rows)
    for depth in (1, 2, 9, 40):
        a, b = whole_numbers(draw, rows, depth), whole_numbers(draw, depth, GROUP_IMAGES)
        for lying, a_row, a_step in ((np.pad(a, ((0, 0), (0, 5))), depth + 5, 1), (a.T, 1, rows)):
            memory = GuardedMemory()
            c, left, right = memory.room(rows, GROUP_IMAGES, value=9), memory.lay(lying), memory.lay(b)
            memory.run(kernels.products, (c, left, a_row, a_step, right, rows, depth))
            np.testing.assert_array_equal(memory.at(c, rows, GROUP_IMAGES), a @ b)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 7, 11, 25])
@pytest.mark.parametrize("row", [8, 16, 24, 40, 72])
def test_teach(rows, row):
    draw = np.random.default_rng(rows)
    a, b, old = (
        whole_numbers(draw, rows, GROUP_IMAGES),
        whole_numbers(draw, GROUP_IMAGES, row),
        whole_numbers(draw, rows, row),
    )
    memory = GuardedMemory()
    c, left, right = (memory.lay(x) for x in (old, a, b))
    memory.run(kernels.learn_weights, (c, left, right, row, rows))
    np.testing.assert_array_equal(memory.at(c, rows, row), old + a @ b)


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
@pytest.mark.parametrize("units", [1, 2, 3, 5])
def test_convolve_and_correlate(channels, height, width, units):
    """Values and winners as a convolution and a max-pool have them, and what the filters and biases learn by autograd.

    Whole numbers have many equal largest values in a window: the first of them wins.
    """
    draw = np.random.default_rng(units)
    x, w, bias = (
        whole_numbers(draw, channels, height, width, GROUP_IMAGES),
        whole_numbers(draw, units, channels, 9),
        whole_numbers(draw, units),
    )
    padded, (down, right) = bordered(x), (height // 2, width // 2)
    row, channel, plane = padded.shape[2] * GROUP_IMAGES, padded[0].size, down * right * GROUP_IMAGES
    memory = GuardedMemory()
    place, weights, biases = memory.lay(padded), memory.lay(w), memory.lay(bias)
    y, winner = memory.room(units, down, right, GROUP_IMAGES), memory.room(units, down, right, GROUP_IMAGES)
    for i in range(down):
        at = i * right * GROUP_IMAGES
        memory.run(
            kernels.convolve,
            (place + 2 * i * row, row, channel, channels, weights, biases, units, right, y + at, plane,
             winner + at, plane),
        )  # fmt: skip
    filters = torch.tensor(w.reshape(units, channels, 3, 3), dtype=torch.float64, requires_grad=True)
    shift = torch.tensor(bias, dtype=torch.float64, requires_grad=True)
    value = F.max_pool2d(F.relu(F.conv2d(images_first(x), filters, shift, padding=1)), 2)
    np.testing.assert_array_equal(memory.at(y, units, down, right, GROUP_IMAGES), images_last(value.detach()))
    dead = memory.at(winner, units, down, right, GROUP_IMAGES) == 4
    np.testing.assert_array_equal(dead, memory.at(y, units, down, right, GROUP_IMAGES) == 0)

    slopes = whole_numbers(draw, units, down, right, GROUP_IMAGES)
    gradients = torch.autograd.grad(value, [filters, shift], images_first(slopes))
    slope, old = memory.lay(slopes), whole_numbers(draw, units, channels, 9)
    learnt, learnt_bias = memory.lay(old), memory.lay(bias)
    for c in range(channels):
        sums = memory.room(units, 9, 16)
        for i in range(down):
            at = i * right * GROUP_IMAGES
            memory.run(
                kernels.correlate,
                (place + c * channel + 2 * i * row, row, slope + at, plane, winner + at, plane, sums, units, right),
            )
        for u in range(units):
            memory.run(kernels.gather_taps, (learnt + (u * channels + c) * 9, sums + u * 9 * 16))
    for u in range(units):
        here = (slope + u * plane, right * GROUP_IMAGES, winner + u * plane, down, right)
        memory.run(kernels.live_slopes, (learnt_bias + u, *here))
    taught = memory.at(learnt, units, channels, 9) - old
    np.testing.assert_array_equal(taught, gradients[0].numpy().reshape(units, channels, 9))
    np.testing.assert_array_equal(memory.at(learnt_bias, units) - bias, gradients[1].numpy())


@pytest.mark.parametrize("bias", [-2.0, 0.0, 1.5])
def test_black_windows_give_what_convolving_them_would(bias):
    memory = GuardedMemory()
    place, weights, biases = memory.room(4, 8, GROUP_IMAGES), memory.lay(np.arange(9)), memory.lay(bias)
    made = [memory.room(2, 3, GROUP_IMAGES, value=9) for _ in range(2)]
    row, plane = 8 * GROUP_IMAGES, 3 * GROUP_IMAGES
    memory.run(kernels.convolve, (place, row, 0, 1, weights, biases, 1, 3, made[0], plane, made[0] + plane, plane))
    memory.run(kernels.pool_black, (biases, made[1], made[1] + plane, 3))
    found = [memory.at(one, 2, 3, GROUP_IMAGES) for one in made]
    np.testing.assert_array_equal(*found)
    assert (found[0][0] == max(bias, 0)).all() and (found[0][1] == (0 if bias > 0 else 4)).all()


def test_no_windows_are_none():
    memory = GuardedMemory()
    place = memory.room(64, value=9)
    memory.run(kernels.pool_black, (place, place, place, 0))
    assert (memory.at(place, 64) == 9).all()


@pytest.mark.parametrize(("channels", "height", "width"), SIZES)
def test_what_is_tallied_of_windows_is_all_of_the_map(channels, height, width):
    """Also the last row and column of odd maps, which pooling leaves out."""
    draw, units = np.random.default_rng(0), 3
    x, w, bias = (
        whole_numbers(draw, channels, height, width, GROUP_IMAGES),
        whole_numbers(draw, units, channels, 9),
        whole_numbers(draw, units),
    )
    padded = bordered(x)
    row, channel = padded.shape[2] * GROUP_IMAGES, padded[0].size
    memory = GuardedMemory()
    place, weights, biases, sums = (memory.lay(a) for a in (padded, w, bias, np.zeros((units, 2, GROUP_IMAGES))))
    tally = {(2, 2): kernels.tally22, (1, 2): kernels.tally12, (2, 1): kernels.tally21, (1, 1): kernels.tally11}
    for i in range(0, height, 2):
        for j in range(0, width, 2):
            inside = min(2, height - i), min(2, width - j)
            at = place + i * row + j * GROUP_IMAGES
            memory.run(tally[inside], (at, row, channel, channels, weights, biases, units, 1, sums))
    filters, shift = torch.tensor(w.reshape(units, channels, 3, 3)).double(), torch.tensor(bias).double()
    value = images_last(F.relu(F.conv2d(images_first(x), filters, shift, padding=1)))
    np.testing.assert_array_equal(
        memory.at(sums, units, 2, GROUP_IMAGES), np.stack([value.sum((1, 2)), (value == 0).sum((1, 2))], axis=1)
    )


@pytest.mark.parametrize("units", [1, 3, 10])
def test_dense_layers_on_maps(units):
    draw = np.random.default_rng(units)
    y, bias, slopes, old = (
        whole_numbers(draw, units, GROUP_IMAGES),
        whole_numbers(draw, units),
        whole_numbers(draw, units, GROUP_IMAGES),
        whole_numbers(draw, units),
    )
    memory = GuardedMemory()
    value, shift, floors = memory.lay(y), memory.lay(bias), memory.lay([0, -np.inf])
    memory.run(kernels.add_bias, (value, shift, units, floors + 1))
    np.testing.assert_array_equal(memory.at(value, units, GROUP_IMAGES), y + bias[:, None])
    memory.run(kernels.add_bias, (value, shift, units, floors))
    rectified = np.maximum(0, y + 2 * bias[:, None])
    np.testing.assert_array_equal(memory.at(value, units, GROUP_IMAGES), rectified)
    slope, learnt = memory.lay(slopes), memory.lay(old)
    memory.run(kernels.through_relu, (slope, value, units))
    passed = np.where(rectified > 0, slopes, 0)
    np.testing.assert_array_equal(memory.at(slope, units, GROUP_IMAGES), passed)
    memory.run(kernels.gather_bias, (learnt, slope, units))
    np.testing.assert_array_equal(memory.at(learnt, units), old + passed.sum(1))
