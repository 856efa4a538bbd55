"""Winograd's transforms for F(2x2, 3x3), with which 16 products stand for the 36 of a window's four values.

With input tile d (4x4), filter g (3x3) and output y (2x2)

    y = A' [(G g G') * (B' d B)] A          * multiplies entry by entry, and sums over channels

Slopes go back through the same matrices, turned. Between the transforms stand products of `map_kernels`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from dropnet_core.engines.kernels.map_kernels import (
    CORNERS,
    GROUP,
    STEP,
    corner_slopes,
    over_images,
    pool_corners,
    tally_corners,
    tile_at,
)
from dropnet_core.engines.kernels.vectors import Emitter, Place, Vector, kernel

TILE = 16  # numbers of a 4x4 tile


def on_both_sides(values: Sequence[Vector], size: int, turn: Callable[[list[Vector]], list[Vector]]) -> list[Vector]:
    """`turn` applied to the columns of a square, then to the rows of what comes out."""
    columns = [turn([values[i * size + j] for i in range(size)]) for j in range(size)]
    rows = [turn([column[i] for column in columns]) for i in range(len(columns[0]))]
    return [value for row in rows for value in row]


# Filters. Those of a layer lie side by side, each of their numbers in a plane of its own.


def _transform_filters(emitter: Emitter, v: Place, w: Place, plane: Place) -> None:
    """V (16, plane) = G g G' of each filter g, (9, plane) from w on."""
    half = emitter.number(0.5)
    with emitter.loop(emitter.builder.udiv(plane, emitter.index(STEP))) as i:
        at = emitter.times(i, STEP)
        turned = on_both_sides(
            [emitter.load(w, (tap, plane), at) for tap in range(9)],
            3,
            lambda g: [g[0], half * ((g[0] + g[2]) + g[1]), half * ((g[0] + g[2]) - g[1]), g[2]],
        )
        for k, value in enumerate(turned):
            emitter.store(value, v, (k, plane), at)


transform_filters = kernel(_transform_filters, STEP)


def _learn_filters(emitter: Emitter, v: Place, w: Place, plane: Place) -> None:
    """g += G' V G for each filter, from what its transformed values (16, plane) have learnt."""
    half = emitter.number(0.5)
    with emitter.loop(emitter.builder.udiv(plane, emitter.index(STEP))) as i:
        at = emitter.times(i, STEP)
        turned = on_both_sides(
            [emitter.load(v, (k, plane), at) for k in range(TILE)],
            4,
            lambda t: [t[0] + half * (t[1] + t[2]), half * (t[1] - t[2]), half * (t[1] + t[2]) + t[3]],
        )
        for tap, value in enumerate(turned):
            to = emitter.place(w, (tap, plane), at)
            emitter.store(emitter.load(to) + value, to)


learn_filters = kernel(_learn_filters, STEP)


# Tiles, of all channels or units at once.


@over_images
def transform(
    emitter: Emitter, n: Place, x: Place, row: Place, channel: Place, u: Place, plane: Place, channels: Place
) -> None:
    """U (16, channels, 32) = B' d B of a tile; its 16 planes lie `plane` apart."""
    with emitter.loop(channels) as c:
        turned = on_both_sides(
            tile_at(emitter, emitter.place(x, (c, channel), n), row),
            4,
            lambda d: [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]],
        )
        for k, value in enumerate(turned):
            emitter.store(value, u, (k, plane), (c, GROUP), n)


def _transform_back(top: bool, left: bool) -> Any:
    """Pixels that a tile above (top) or to the left has slopes for already are added to, the others written."""

    @over_images
    def emit(
        emitter: Emitter, n: Place, s: Place, row: Place, channel: Place, u: Place, plane: Place, channels: Place
    ) -> None:
        with emitter.loop(channels) as c:
            turned = on_both_sides(
                [emitter.load(u, (k, plane), (c, GROUP), n) for k in range(TILE)],
                4,
                lambda t: [t[0], (t[1] - t[2]) + t[3], (t[1] + t[2]) - t[0], -t[3]],
            )
            for i in range(4):
                for j in range(4):
                    to, value = emitter.place(s, (c, channel), (i, row), j * GROUP, n), turned[4 * i + j]
                    shared = (top and i < 2) or (left and j < 2)
                    emitter.store(emitter.load(to) + value if shared else value, to)

    return emit


back_first, back_left, back_top, back_both = (
    _transform_back(top, left) for top in (False, True) for left in (False, True)
)
"""back_both(memory, (s, row, channel, u, plane, channels)): the slopes of a tile's pixels (channels, 4, 4, 32) = B U B'
from those of U (16, channels, 32), for the first tile, the others of the first row, of the first column, and the rest.
"""


def _corners(emitter: Emitter, m: Place, plane: Place) -> list[Vector]:
    """y = A' m A."""
    tile = [emitter.load(m, (k, plane)) for k in range(TILE)]
    return on_both_sides(tile, 4, lambda t: [t[0] + t[1] + t[2], t[1] - t[2] - t[3]])


@over_images
def pool_tile(
    emitter: Emitter, n: Place, m: Place, plane: Place, bias: Place, units: Place,
    y: Place, y_unit: Place, winner: Place, winner_unit: Place,
) -> None:  # fmt: skip
    """From a tile's products M (16, units, 32) to its pooled values."""
    with emitter.loop(units) as u:
        corners = _corners(emitter, emitter.place(m, (u, GROUP), n), plane)
        to, which = emitter.place(y, (u, y_unit), n), emitter.place(winner, (u, winner_unit), n)
        pool_corners(emitter, corners, emitter.spread(bias, u), to, which)


def _tally_tile(counted: Sequence[int]) -> Any:
    @over_images
    def emit(emitter: Emitter, n: Place, m: Place, plane: Place, bias: Place, units: Place, sums: Place) -> None:
        with emitter.loop(units) as u:
            corners = _corners(emitter, emitter.place(m, (u, GROUP), n), plane)
            own = emitter.place(sums, (u, 2 * GROUP), n)
            tally_corners(emitter, corners, emitter.spread(bias, u), own, emitter.place(own, GROUP), counted)

    return emit


tally_tile22, tally_tile12, tally_tile21, tally_tile11 = (
    _tally_tile(CORNERS[size]) for size in ((2, 2), (1, 2), (2, 1), (1, 1))
)
"""tally_tile22(memory, (m, plane, bias, units, sums)): as tally22, from a tile's products M (16, units, 32)."""


@over_images
def unpool_tile(
    emitter: Emitter, n: Place, slope: Place, slope_unit: Place, winner: Place, winner_unit: Place,
    m: Place, plane: Place, units: Place,
) -> None:  # fmt: skip
    """From the slopes of a tile's pooled values to those of its products (16, units, 32): A y A'."""
    with emitter.loop(units) as u:
        corners = corner_slopes(
            emitter, emitter.place(slope, (u, slope_unit), n), emitter.place(winner, (u, winner_unit), n)
        )
        turned = on_both_sides(corners, 2, lambda t: [t[0], t[0] + t[1], t[0] - t[1], -t[1]])
        for k, value in enumerate(turned):
            emitter.store(value, m, (k, plane), (u, GROUP), n)
