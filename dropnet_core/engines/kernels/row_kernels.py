"""The arithmetic of dense layers whose units lie in the lanes: a row of units for each image.

`row` is the distance of rows, a multiple of 4; beyond a layer's units lie zeros, as in its weights, which stand as
(inputs, row). Each number is a chain of its own, so no bit depends on how units and rows are cut into blocks.
"""

from collections.abc import Callable
from typing import Any

from dropnet_core.engines.kernels.compiled import WIDE, compiled
from dropnet_core.engines.kernels.lit import CHAINS, PAIR
from dropnet_core.engines.kernels.vectors import Emitter, Numbers, Place, Vector, integers, ir, kernel, kernel_of

LANES_OF_ROWS = (32, 16, 8, 4) if WIDE else (16, 8, 4)
ROWS_AT_ONCE = 8 if WIDE else 4  # rows of a product that fit into registers beside their factors


def over_units(emit: Callable[..., None]) -> Callable[..., None]:
    """From a kernel for some units from u on, emit(emitter, [numbers,] u, *places), to one for all units of a row."""

    def all_units(emitter: Emitter, *given: Any) -> None:
        numbers = given[:1] if isinstance(given[0], list) else ()
        row, *places = given[len(numbers) :]
        emitter.in_blocks(
            row, LANES_OF_ROWS, lambda lanes, u: emit(emitter.with_lanes(lanes), *numbers, u, row, *places)
        )

    return all_units


@kernel_of
@over_units
def lit_values(
    emitter: Emitter, numbers: list[Numbers], u: Place, row: Place,
    out: Place, w: Place, bias: Place, table: Place, start: Place, quads: Place, floor: Place,
) -> None:  # fmt: skip
    """out (row) = max(floor, bias (row) + sum of value * w[pixel] (row)) over 4 * quads lit pixels from `start` on."""
    pixels, values = numbers
    sums = [emitter.variable(emitter.load(bias, u) if chain == 0 else None) for chain in range(CHAINS)]
    with emitter.loop(quads) as i:
        for chain, total in enumerate(sums):
            at = emitter.place(start, (i, CHAINS), chain)
            value = emitter.splat(values.brightness(table, at))
            emitter.accumulate(total, value, emitter.load(w, (pixels.whole(at), row), u))
    a, b, c, d = (emitter.get(total) for total in sums)
    emitter.store(((a + b) + (c + d)).at_least(emitter.spread(floor)), out, u)


@kernel_of
@over_units
def learn_lit(
    emitter: Emitter, numbers: list[Numbers], u: Place, row: Place,
    w: Place, slopes: Place, table: Place, first: Place, start: Place, count: Place, pairs: Place,
) -> None:  # fmt: skip
    """w[pixel] (row) += sum of value * slopes[image] (row), for `count` pixels from `first` on, each with 2 * pairs
    images from `start` on."""
    pixels, images, values = numbers
    with emitter.loop(count) as p:
        own, total = emitter.place(start, (p, emitter.times(pairs, PAIR))), emitter.variable()
        with emitter.loop(pairs) as i:
            for one in range(PAIR):
                at = emitter.place(own, (i, PAIR), one)
                value = emitter.splat(values.brightness(table, at))
                emitter.accumulate(total, value, emitter.load(slopes, (images.whole(at), row), u))
        target = emitter.place(w, (pixels.whole(first, p), row), u)
        emitter.store(emitter.load(target) + emitter.get(total), target)


def product_kernel(
    start: Callable[[Emitter, Place], Vector | None],
    end: Callable[[Emitter, Vector, Place, Place, Place], Vector],
) -> Any:
    """A kernel (row, c, a, a_row, a_step, b, rows, depth, extra, extra_row, floor):

    C[r] (row) = end(start + sum over i of A[r, i] * B[i] (row)) for `rows` rows; A[r, i] stands at a + r * a_row +
    i * a_step, B[i] and C[r] at multiples of `row`. `start` is given the place of the row's `extra`, `end` the sum, the
    place of the result, that of `extra` and that of the floor.
    """

    def emit(
        emitter: Emitter, u: Place, row: Place, c: Place, a: Place, a_row: Place, a_step: Place, b: Place,
        rows: Place, depth: Place, extra: Place, extra_row: Place, floor: Place,
    ) -> None:  # fmt: skip
        def some_rows(many: int, first: Place) -> None:
            extras = [emitter.place(extra, u, (emitter.place(first, r), extra_row)) for r in range(many)]
            sums = [emitter.variable(start(emitter, extras[r])) for r in range(many)]
            left = emitter.place(a, (first, a_row))
            with emitter.loop(depth) as i:
                value, at = emitter.load(b, (i, row), u), emitter.place(left, (i, a_step))
                for r, total in enumerate(sums):
                    emitter.accumulate(total, emitter.spread(at, (r, a_row)), value)
            for r, total in enumerate(sums):
                to = emitter.place(c, (emitter.place(first, r), row), u)
                emitter.store(end(emitter, emitter.get(total), to, extras[r], floor), to)

        emitter.in_blocks(rows, (ROWS_AT_ONCE, 1), some_rows)

    return kernel(over_units(emit))


dense_values = product_kernel(
    lambda emitter, extra: emitter.load(extra),
    lambda emitter, total, c, extra, floor: total.at_least(emitter.spread(floor)),
)
"""C = max(floor, extra + A B): a layer's values, with its bias as `extra` (extra_row 0)."""


def _gated(emitter: Emitter, total: Vector, c: Place, extra: Place, floor: Place) -> Vector:
    zero = emitter.number(0.0)
    return emitter.load(extra).where(">", zero, total, zero)


dense_slopes = product_kernel(lambda emitter, extra: None, _gated)
"""C = A B where `extra` is above 0, else 0: slopes behind a layer's ReLU, whose values are `extra`."""

learn = product_kernel(lambda emitter, extra: None, lambda emitter, total, c, extra, floor: emitter.load(c) + total)
"""C += A B: what a batch teaches a layer's weights. For accuracy the sum is complete before it is added."""


@kernel
@over_units
def tally(emitter: Emitter, u: Place, row: Place, values: Place, rows: Place, sums: Place, zeros: Place) -> None:
    """sums (row) = the sum of `rows` rows of values, zeros (row) = how many of them are 0."""
    total, silent = emitter.variable(), emitter.variable()
    zero, one = emitter.number(0.0), emitter.number(1.0)
    with emitter.loop(rows) as r:
        value = emitter.load(values, (r, row), u)
        emitter.set(total, emitter.get(total) + value)
        emitter.set(silent, emitter.get(silent) + value.where("==", zero, one, zero))
    emitter.store(emitter.get(total), sums, u)
    emitter.store(emitter.get(silent), zeros, u)


def _turn(emitter: Emitter, a: Place, a_row: Place, b: Place, b_row: Place) -> None:
    """B (4, 4) = A (4, 4) turned: numbers of two rows are picked in turn, then pairs of them."""

    def picked(one: ir.Value, other: ir.Value, lanes: list[int]) -> ir.Value:
        return emitter.builder.shuffle_vector(one, other, integers(lanes))

    rows = [emitter.load(a, (i, a_row)).value for i in range(4)]
    pairs = [picked(rows[i], rows[i + 1], lanes) for i in (0, 2) for lanes in ([0, 4, 1, 5], [2, 6, 3, 7])]
    for i in range(4):
        low, high = pairs[i // 2], pairs[i // 2 + 2]
        turned = picked(low, high, [0, 1, 4, 5] if i % 2 == 0 else [2, 3, 6, 7])
        emitter.store(Vector(emitter, turned), b, (i, b_row))


_turn_square = kernel(_turn, 4)


@compiled
def transpose(memory: Any, a: int, a_row: int, b: int, b_row: int, rows: int, columns: int) -> None:
    """B (columns, rows) = A (rows, columns) turned; both sizes are rounded up to multiples of 4."""
    for r in range(0, rows, 4):
        for c in range(0, columns, 4):
            _turn_square(memory, (a + r * a_row + c, a_row, b + c * b_row + r, b_row))
