"""The kernels of dense layers beside their plain definitions."""

import numpy as np
import pytest
from kernel_steps import GuardedMemory, whole_numbers

from dropnet_core.engines.kernels.lit import by_batch, by_image
from dropnet_core.engines.kernels.row_kernels import (
    dense_slopes,
    dense_values,
    learn,
    learn_lit,
    lit_values,
    tally,
    transpose,
)

WIDTHS = (4, 8, 12, 16, 24, 36, 40, 104)  # that blocks of 32, 16, 8 and 4 lanes cut in all ways
TABLE = np.arange(256) % 7 - 3.0  # in place of the brightness, so that products are exact
TABLE[0] = 0


def some_images(draw: np.random.Generator, kind: str, count: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, pixels) as they are stored, a third of them lit, and as numbers. The second is black."""
    images = draw.integers(1, 256 if kind == "uint8" else 4, (count, pixels)) * (draw.random((count, pixels)) < 0.3)
    images[1] = 0
    return images.astype(kind), TABLE[images] if kind == "uint8" else images


@pytest.mark.parametrize(("kind", "pixels"), [("uint8", 200), ("uint8", 300), ("float32", 200)])
@pytest.mark.parametrize("floor", [0.0, -np.inf])
def test_look_adds_up_the_lit_pixels(kind, pixels, floor):
    draw = np.random.default_rng(0)
    images, numbers = some_images(draw, kind, 3, pixels)
    lit = by_image(images)
    for row in WIDTHS:
        w, bias = whole_numbers(draw, pixels, row), whole_numbers(draw, row)
        memory = GuardedMemory()
        places = [memory.lay(a) for a in (np.zeros((3, row)), w, bias, TABLE, floor)]
        for n, (start, end) in enumerate(zip(lit.starts[:-1], lit.starts[1:], strict=True)):
            spot = (row, places[0] + n * row, *places[1:4], int(start), int(end - start) // 4, places[4])
            memory.run(lit_values, (lit.pixels, lit.values), spot)
        np.testing.assert_array_equal(memory.at(places[0], 3, row), np.maximum(floor, numbers @ w + bias))


@pytest.mark.parametrize(("kind", "pixels", "size"), [("uint8", 300, 7), ("uint8", 60, 300), ("float32", 60, 7)])
def test_learn_lit_teaches_the_weights_of_lit_pixels(kind, pixels, size):
    """The last batch is partial: of 7 images it has 6, of 300 it has 100."""
    draw = np.random.default_rng(1)
    count = 20 if size == 7 else 400
    images, numbers = some_images(draw, kind, count, pixels)
    lit = by_batch(by_image(images), pixels, size)
    for row in WIDTHS[::3]:
        w, slopes = whole_numbers(draw, pixels, row), whole_numbers(draw, count, row)
        memory = GuardedMemory()
        to, table = memory.lay(w), memory.lay(TABLE)
        for batch, (pixel, entry, *segments) in enumerate(lit.segments.tolist()):
            own = memory.lay(slopes[batch * size : (batch + 1) * size])
            for pairs in range(len(segments), 0, -1):
                many = segments[pairs - 1]
                memory.run(
                    learn_lit,
                    (lit.pixels, lit.images, lit.values),
                    (row, to, own, table, pixel, entry, many, pairs),
                )
                pixel, entry = pixel + many, entry + many * pairs * 2
        np.testing.assert_array_equal(memory.at(to, pixels, row), w + numbers.T @ slopes)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 7, 8, 9, 13, 32])
def test_products_of_rows(rows):
    """All three products, with A as it stands and turned, over depths that are no multiple of anything."""
    draw = np.random.default_rng(rows)
    for row in WIDTHS:
        for depth in (1, 5, 18):
            a, b, old = (
                whole_numbers(draw, rows, depth),
                whole_numbers(draw, depth, row),
                whole_numbers(draw, rows, row),
            )
            bias, value = whole_numbers(draw, row), whole_numbers(draw, rows, row)
            for lying, a_row, a_step in ((np.pad(a, ((0, 0), (0, 3))), depth + 3, 1), (a.T, 1, rows)):
                memory = GuardedMemory()
                c, left, right, extra, gate = (memory.lay(x) for x in (old, lying, b, bias, value))
                floors = memory.lay([0, -np.inf])
                shape = (row, c, left, a_row, a_step, right, rows, depth)
                memory.run(dense_values, (*shape, extra, 0, floors))
                np.testing.assert_array_equal(memory.at(c, rows, row), np.maximum(0, a @ b + bias))
                memory.run(dense_values, (*shape, extra, 0, floors + 1))
                np.testing.assert_array_equal(memory.at(c, rows, row), a @ b + bias)
                memory.run(learn, (*shape, extra, 0, floors))
                np.testing.assert_array_equal(memory.at(c, rows, row), 2 * (a @ b) + bias)
                memory.run(dense_slopes, (*shape, gate, row, floors))
                np.testing.assert_array_equal(memory.at(c, rows, row), np.where(value > 0, a @ b, 0))


def test_products_of_rows_keep_what_is_no_number():
    memory = GuardedMemory()
    c, a, b, bias, floor = (
        memory.room(1, 4),
        memory.lay([np.nan]),
        memory.lay([1, 2, 3, 4]),
        memory.room(4),
        memory.lay(0),
    )
    memory.run(dense_values, (4, c, a, 1, 1, b, 1, 1, bias, 0, floor))
    assert np.isnan(memory.at(c, 4)).all()


@pytest.mark.parametrize("rows", [1, 6, 500])
def test_tally_adds_up_values_and_counts_zeros(rows):
    draw = np.random.default_rng(rows)
    for row in WIDTHS:
        values = whole_numbers(draw, rows, row, zeros=0.4)
        values[:, 1], values[:, 2] = 0, 2
        memory = GuardedMemory()
        place, sums, zeros = memory.lay(values), memory.room(row, value=9), memory.room(row, value=9)
        memory.run(tally, (row, place, rows, sums, zeros))
        np.testing.assert_array_equal(memory.at(sums, row), values.sum(0))
        np.testing.assert_array_equal(memory.at(zeros, row), (values == 0).sum(0))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (4, 4), (5, 3), (3, 5), (8, 12), (31, 10)])
def test_turn_swaps_rows_and_columns(rows, columns):
    """Up to multiples of four, whatever stands there; rows may be longer than what is turned."""
    draw, high, wide = np.random.default_rng(0), -(-rows // 4) * 4, -(-columns // 4) * 4
    a = whole_numbers(draw, high, wide + 8)
    memory = GuardedMemory()
    place, to = memory.lay(a), memory.room(wide, high + 4, value=9)
    transpose(memory.numbers, place, wide + 8, to, high + 4, rows, columns)
    found = memory.at(to, wide, high + 4)
    np.testing.assert_array_equal(found[:, :high], a[:, :wide].T)
    assert (found[:, high:] == 9).all()
