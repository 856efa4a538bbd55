"""Runs a kernel by itself: arrays are laid into a memory, with gaps between them that no kernel may read or write.

Most tests lay small whole numbers. Their sums and products are exact in float32, in any order, and compared exactly.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

GAP = 80  # numbers that are none


class GuardedMemory:
    """A memory that grows with each array."""

    def __init__(self) -> None:
        self.numbers = np.full(GAP, np.nan, np.float32)
        self._owned = np.zeros(GAP, bool)

    def lay(self, values: Any) -> int:
        """The place of these numbers, one after another."""
        place, flat = len(self.numbers), np.asarray(values, np.float32).ravel()
        self.numbers = np.concatenate([self.numbers, flat, np.full(GAP, np.nan, np.float32)])
        self._owned = np.concatenate([self._owned, np.ones(len(flat), bool), np.zeros(GAP, bool)])
        return place

    def room(self, *shape: int, value: float = 0.0) -> int:
        """The place of an array that is all alike."""
        return self.lay(np.full(shape, value))

    def at(self, place: int, *shape: int) -> np.ndarray:
        """What stands there, float64 of this shape."""
        count = int(np.prod(shape))
        assert self._owned[place : place + count].all()
        return self.numbers[place : place + count].reshape(shape).astype(np.float64)

    def run(self, kernel: Any, *arguments: Any) -> None:
        """kernel(memory, *arguments), where the arguments are a tuple of places, or arrays and places."""
        called(kernel)(self.numbers, *arguments)
        assert np.isnan(self.numbers[~self._owned]).all(), "a kernel has written beyond its arrays"


@cache
def called(kernel: Any) -> Callable[..., None]:
    """Compiled code that does nothing but call a kernel."""

    @numba.njit(error_model="numpy")
    def of_places(memory: Any, places: Any) -> None:
        kernel(memory, places)

    @numba.njit(error_model="numpy")
    def of_arrays(memory: Any, arrays: Any, places: Any) -> None:
        kernel(memory, arrays, places)

    return lambda memory, *arguments: (of_places if len(arguments) == 1 else of_arrays)(memory, *arguments)


def whole_numbers(draw: np.random.Generator, *shape: int, zeros: float = 0.0) -> np.ndarray:
    """Small whole numbers, some of them 0 at least."""
    return draw.integers(-3, 4, shape) * (draw.random(shape) >= zeros)
