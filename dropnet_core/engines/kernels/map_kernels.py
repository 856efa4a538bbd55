"""The arithmetic of convolutions on maps (channels, height, width, 32 images): images lie in the lanes.

Every convolution is followed by a 2x2 max-pool, so it is computed a window at a time: the 4x4 pixels of its input that
the 2x2 values of one pooled value read. The first layer follows the definition; later ones take tiles, as Winograd has
them (`tile_kernels`). Maps have a border of zeros, and places are those of their first pixel with the border, unless
they are called inside. Each number is a chain of its own; no bit depends on block sizes.
"""

from collections.abc import Callable, Sequence
from typing import Any

from dropnet_core.engines.kernels.compiled import WIDE
from dropnet_core.engines.kernels.vectors import LANES, Emitter, Place, Vector, kernel

GROUP = 32  # side by side: a group
HALVES = GROUP // LANES

# Blocks that fit into 32 registers of 16 floats, or into 16 of 8.
STEP = LANES if WIDE else LANES // 2  # images at a time where each is on its own
TOGETHER = GROUP if WIDE else LANES  # images at a time in a product
ROWS_TOGETHER = (6, 4, 2, 1)
FEW_ROWS = 4, 2, 1
ROWS_LEARNT = (
    {32: (8, *FEW_ROWS), 16: (8, *FEW_ROWS), 8: (8, *FEW_ROWS)} if WIDE else {16: (6, *FEW_ROWS), 8: (8, *FEW_ROWS)}
)  # rows, by lanes
FILTERS_TOGETHER = (2, 1) if WIDE else (1,)  # filters at a time that learn from a window


def over_images(emit: Callable[..., None]) -> Any:
    """From emit(emitter, n, *places) for STEP images from n on to a kernel for all images of a group."""

    def all_images(emitter: Emitter, *places: Place) -> None:
        with emitter.loop(GROUP // STEP) as i:
            emit(emitter, emitter.times(i, STEP), *places)

    return kernel(all_images, STEP)


# Products.


def _products(
    emitter: Emitter, c: Place, a: Place, a_row: Place, a_step: Place, b: Place, rows: Place, depth: Place
) -> None:
    """C (rows, 32) = A (rows, depth) times B (depth, 32)."""

    def some_rows(many: int, first: Place) -> None:
        with emitter.loop(GROUP // TOGETHER) as part:
            lanes = emitter.times(part, TOGETHER)
            sums = [emitter.variable() for _ in range(many)]
            with emitter.loop(depth) as i:
                value, at = emitter.load(b, (i, GROUP), lanes), emitter.place(a, (first, a_row), (i, a_step))
                for r, total in enumerate(sums):
                    emitter.accumulate(total, emitter.spread(at, (r, a_row)), value)
            for r, total in enumerate(sums):
                emitter.store(emitter.get(total), c, (emitter.place(first, r), GROUP), lanes)

    emitter.in_blocks(rows, ROWS_TOGETHER, some_rows)


products = kernel(_products, TOGETHER)
"""products(memory, (c, a, a_row, a_step, b, rows, depth))"""


def _learn_weights(emitter: Emitter, c: Place, a: Place, b: Place, row: Place, rows: Place) -> None:
    """C (rows, row) += A (rows, 32) times B (32, row). For accuracy a sum is complete before it is added."""

    def some_rows(lanes: int, column: Place, many: int, first: Place) -> None:
        own = emitter.with_lanes(lanes)
        left, sums = own.place(a, (first, GROUP)), [own.variable() for _ in range(many)]
        with own.loop(GROUP) as n:
            value = own.load(b, (n, row), column)
            for r, total in enumerate(sums):
                own.accumulate(total, own.spread(left, r * GROUP, n), value)
        for r, total in enumerate(sums):
            to = own.place(c, (own.place(first, r), row), column)
            own.store(own.load(to) + own.get(total), to)

    emitter.in_blocks(
        row, tuple(ROWS_LEARNT),
        lambda lanes, column: emitter.in_blocks(
            rows, ROWS_LEARNT[lanes], lambda many, first: some_rows(lanes, column, many, first)
        ),
    )  # fmt: skip


learn_weights = kernel(_learn_weights)


# The four values of a window, pooled.


def pool_corners(emitter: Emitter, corners: Sequence[Vector], bias: Vector, y: Place, winner: Place) -> None:
    """y = the largest of the corners plus bias, at least 0; winner = which it was, 4 where y is 0."""
    zero, best, which = emitter.number(0.0), corners[0], emitter.number(0.0)
    for i in range(1, 4):
        which = corners[i].where(">", best, emitter.number(i), which)
        best = corners[i].where(">", best, corners[i], best)
    value = best + bias
    emitter.store(value.at_least(zero), y)
    emitter.store(value.where(">", zero, which, emitter.number(4.0)), winner)


def corner_slopes(emitter: Emitter, slope: Place, winner: Place) -> list[Vector]:
    """The slopes of the four corners: that of y at the winner, else 0."""
    value, which, zero = emitter.load(slope), emitter.load(winner), emitter.number(0.0)
    return [which.where("==", emitter.number(i), value, zero) for i in range(4)]


def tally_corners(
    emitter: Emitter, corners: Sequence[Vector], bias: Vector, sums: Place, zeros: Place, counted: Sequence[int]
) -> None:
    """Add the values of those corners that are in the map to sums, and 1 for each that is 0 to zeros."""
    zero, one = emitter.number(0.0), emitter.number(1.0)
    total, silent = emitter.load(sums), emitter.load(zeros)
    for i in counted:
        value = (corners[i] + bias).at_least(zero)
        total, silent = total + value, silent + value.where("==", zero, one, zero)
    emitter.store(total, sums)
    emitter.store(silent, zeros)


CORNERS = {(2, 2): (0, 1, 2, 3), (1, 2): (0, 1), (2, 1): (0, 2), (1, 1): (0,)}
"""Which corners of a window are in the map, by how many of its rows and columns are."""


@kernel
def live_slopes(
    emitter: Emitter, out: Place, slope: Place, slope_row: Place, winner: Place, down: Place, right: Place
) -> None:
    """out += the sum of the slopes of all values above 0 in a pooled map (down, right, 32)."""
    total, zero, dead = emitter.variable(), emitter.number(0.0), emitter.number(4.0)
    with emitter.loop(down) as i, emitter.loop(right) as j:
        for half in range(HALVES):
            which = emitter.load(winner, (emitter.place((i, right), j), GROUP), half * LANES)
            value = emitter.load(slope, (i, slope_row), (j, GROUP), half * LANES)
            emitter.set(total, emitter.get(total) + which.where("<", dead, value, zero))
    emitter.add(emitter.get(total).total(), out)


# The first layer, by the definition.


def tile_at(emitter: Emitter, x: Place, row: Place) -> list[Vector]:
    """The 4x4 pixels from x on, row by row; rows lie `row` apart."""
    return [emitter.load(x, (i, row), j * GROUP) for i in range(4) for j in range(4)]


def _windows(end: Callable[..., None]) -> Any:
    """A kernel (x, row, channel, channels, w, bias, units, windows, *more) for a row of windows from x on.

    Of each filter, window and image it computes the four corners without bias; end(emitter, corners, bias, u, t, n,
    *more) emits what becomes of them.
    """

    def emit(
        emitter: Emitter, n: Place, x: Place, row: Place, channel: Place, channels: Place, w: Place, bias: Place,
        units: Place, windows: Place, *more: Place,
    ) -> None:  # fmt: skip
        def some_filters(many: int, first: Place, t: Place) -> None:
            sums = [[emitter.variable() for _ in range(4)] for _ in range(many)]
            with emitter.loop(channels) as c:
                tile = tile_at(emitter, emitter.place(x, (t, 2 * GROUP), n, (c, channel)), row)
                for u in range(many):
                    own = emitter.place(w, (emitter.place((emitter.place(first, u), channels), c), 9))
                    for tap in range(9):
                        a, b = divmod(tap, 3)
                        factor = emitter.spread(own, tap)
                        for corner in range(4):
                            i, j = divmod(corner, 2)
                            emitter.accumulate(sums[u][corner], factor, tile[4 * (i + a) + j + b])
            for u in range(many):
                unit = emitter.place(first, u)
                corners = [emitter.get(total) for total in sums[u]]
                end(emitter, corners, emitter.spread(bias, unit), unit, t, n, *more)

        with emitter.loop(windows) as t:
            emitter.in_blocks(units, (2, 1), lambda many, first: some_filters(many, first, t))

    return over_images(emit)


def _keep(
    emitter: Emitter, corners: Sequence[Vector], bias: Vector, u: Place, t: Place, n: Place,
    y: Place, y_unit: Place, winner: Place, winner_unit: Place,
) -> None:  # fmt: skip
    to, which = emitter.place(y, (u, y_unit), (t, GROUP), n), emitter.place(winner, (u, winner_unit), (t, GROUP), n)
    pool_corners(emitter, corners, bias, to, which)


convolve = _windows(_keep)
"""convolve(memory, (x, row, channel, channels, w, bias, units, windows, y, y_unit, winner, winner_unit)): the pooled
values of a row of windows."""


def _tally(counted: Sequence[int]) -> Callable[..., None]:
    def end(
        emitter: Emitter, corners: Sequence[Vector], bias: Vector, u: Place, t: Place, n: Place, sums: Place
    ) -> None:
        own = emitter.place(sums, (u, 2 * GROUP), n)
        tally_corners(emitter, corners, bias, own, emitter.place(own, GROUP), counted)

    return end


tally22, tally12, tally21, tally11 = (_windows(_tally(CORNERS[size])) for size in ((2, 2), (1, 2), (2, 1), (1, 1)))
"""tally22(memory, (x, row, channel, channels, w, bias, units, windows, sums)): adds to sums (units, 2, 32) the values
before pooling and how many are 0; the digits are the rows and columns of the windows that lie in the map."""


@kernel
def pool_black(emitter: Emitter, bias: Place, y: Place, winner: Place, windows: Place) -> None:
    """What `convolve` gives one filter for windows that are black in all images."""
    zero = emitter.number(0.0)
    with emitter.loop(windows) as t:
        for half in range(HALVES):
            to, which = (emitter.place(place, (t, GROUP), half * LANES) for place in (y, winner))
            pool_corners(emitter, [zero] * 4, emitter.spread(bias), to, which)


def _correlate(
    emitter: Emitter, x: Place, row: Place, slope: Place, slope_unit: Place, winner: Place, winner_unit: Place,
    sums: Place, units: Place, windows: Place,
) -> None:  # fmt: skip
    """sums (units, 9, 16) += the products of corners' slopes and pixels along a row of windows, for each tap.

    Tap (a, b) of a filter meets, for the corner (i, j) of a window, the pixel (i + a, j + b) of its tile.
    """

    def some_filters(many: int, first: Place) -> None:
        with emitter.loop(LANES // STEP) as part:
            lanes = emitter.times(part, STEP)
            own = [emitter.place(first, u) for u in range(many)]
            taps = [
                [emitter.variable(emitter.load(sums, (u, 9 * LANES), tap * LANES, lanes)) for tap in range(9)]
                for u in own
            ]
            with emitter.loop(windows) as t:
                for half in range(HALVES):
                    tile = tile_at(emitter, emitter.place(x, (t, 2 * GROUP), half * LANES, lanes), row)
                    for u, totals in zip(own, taps, strict=True):
                        at = emitter.place((t, GROUP), half * LANES, lanes)
                        slopes = corner_slopes(
                            emitter,
                            emitter.place(slope, (u, slope_unit), at),
                            emitter.place(winner, (u, winner_unit), at),
                        )
                        for corner, value in enumerate(slopes):
                            i, j = divmod(corner, 2)
                            for tap, total in enumerate(totals):
                                a, b = divmod(tap, 3)
                                emitter.accumulate(total, value, tile[4 * (i + a) + j + b])
            for u, totals in zip(own, taps, strict=True):
                for tap, total in enumerate(totals):
                    emitter.store(emitter.get(total), sums, (u, 9 * LANES), tap * LANES, lanes)

    emitter.in_blocks(units, FILTERS_TOGETHER, some_filters)


correlate = kernel(_correlate, STEP)


@kernel
def gather_taps(emitter: Emitter, out: Place, sums: Place) -> None:
    """out (9) += the totals of sums (9, 16)."""
    for tap in range(9):
        emitter.add(emitter.load(sums, tap * LANES).total(), out, tap)


# Dense layers.


@over_images
def add_bias(emitter: Emitter, n: Place, y: Place, bias: Place, units: Place, floor: Place) -> None:
    """y (units, 32) = max(floor, y + bias)."""
    with emitter.loop(units) as u:
        value = emitter.load(y, (u, GROUP), n) + emitter.spread(bias, u)
        emitter.store(value.at_least(emitter.spread(floor)), y, (u, GROUP), n)


@over_images
def through_relu(emitter: Emitter, n: Place, slope: Place, value: Place, units: Place) -> None:
    """slope (units, 32) = 0 where value is not above 0."""
    zero = emitter.number(0.0)
    with emitter.loop(units) as u:
        at = emitter.place((u, GROUP), n)
        kept = emitter.load(value, at).where(">", zero, emitter.load(slope, at), zero)
        emitter.store(kept, slope, at)


@kernel
def gather_bias(emitter: Emitter, out: Place, slope: Place, units: Place) -> None:
    """out (units) += the totals of slope (units, 32)."""
    with emitter.loop(units) as u:
        first, second = (emitter.load(slope, (u, GROUP), half * LANES) for half in range(HALVES))
        emitter.add((first + second).total(), out, u)
