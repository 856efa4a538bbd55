"""Winograd's transforms of 3x3 filters; tiles are transformed in `map_kernels`."""

from typing import Any

import numpy as np

from dropnet_core.engines.kernels.compiled import compiled

HALF = np.float32(0.5)


@compiled
def transform_filters(memory: Any, v: int, plane: int, w: int, filters: int) -> None:
    """V (16, filters) = G g G' of each filter g (3x3) from w on; the 16 planes lie `plane` apart."""
    g = np.empty((4, 3), np.float32)
    for f in range(filters):
        for j in range(3):
            a, b, c = memory[w + 9 * f + j], memory[w + 9 * f + 3 + j], memory[w + 9 * f + 6 + j]
            g[0, j], g[1, j], g[2, j], g[3, j] = a, HALF * ((a + c) + b), HALF * ((a + c) - b), c
        for i in range(4):
            a, b, c = g[i, 0], g[i, 1], g[i, 2]
            to = v + 4 * i * plane + f
            memory[to], memory[to + plane] = a, HALF * ((a + c) + b)
            memory[to + 2 * plane], memory[to + 3 * plane] = HALF * ((a + c) - b), c


@compiled
def learn_filters(memory: Any, v: int, plane: int, w: int, filters: int) -> None:
    """g += G' V G for each filter, from what its transformed values (16, filters) have learnt."""
    g = np.empty((3, 4), np.float32)
    for f in range(filters):
        for k in range(4):
            at = v + k * plane + f
            a, b, c, d = memory[at], memory[at + 4 * plane], memory[at + 8 * plane], memory[at + 12 * plane]
            g[0, k], g[1, k], g[2, k] = a + HALF * (b + c), HALF * (b - c), HALF * (b + c) + d
        for i in range(3):
            a, b, c, d = g[i, 0], g[i, 1], g[i, 2], g[i, 3]
            to = w + 9 * f + 3 * i
            memory[to] += a + HALF * (b + c)
            memory[to + 1] += HALF * (b - c)
            memory[to + 2] += HALF * (b + c) + d
