"""Which units are kept."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


class Mask:
    """One boolean array (units,) for each masked layer; True means kept. Immutable and hashable, and so are its copies.

    A mask multiplies the value *after* a unit's activation (paper, Algorithm 1): a dropped unit is silent in
    training, validation and test, its bias included.
    """

    __slots__ = ("_layers",)

    def __init__(self, layers: Iterable[Sequence[bool] | np.ndarray]) -> None:
        self._layers = tuple(np.array(layer, dtype=bool) for layer in layers)
        for layer in self._layers:
            layer.setflags(write=False)

    @classmethod
    def full(cls, widths: Iterable[int]) -> "Mask":
        """The mask that keeps every unit of layers with the given widths."""
        return cls(np.ones(width, dtype=bool) for width in widths)

    @property
    def layers(self) -> tuple[np.ndarray, ...]:
        """The arrays, one bool (units,) for each masked layer; they are read-only."""
        return self._layers

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer, dropped ones included."""
        return tuple(len(layer) for layer in self.layers)

    @property
    def units_per_layer(self) -> tuple[int, ...]:
        """Units kept in each layer."""
        return tuple(int(layer.sum()) for layer in self.layers)

    @property
    def units_remaining(self) -> int:
        """Units kept in all masked layers together."""
        return sum(self.units_per_layer)

    @property
    def fraction_remaining(self) -> float:
        """Units kept / all units, between 0 and 1."""
        return self.units_remaining / sum(self.widths)

    @property
    def has_empty_layer(self) -> bool:
        """Whether some layer keeps no unit."""
        return 0 in self.units_per_layer

    def without(self, layer: int | np.ndarray, unit: np.ndarray) -> "Mask":
        """The mask without these units (k,) of one layer, or each of a layer of its own (k,).

        Dropping is for good: nothing here adds a unit.
        """
        layers = np.broadcast_to(layer, np.shape(unit))
        return Mask(kept & ~np.isin(np.arange(len(kept)), unit[layers == i]) for i, kept in enumerate(self.layers))

    def text(self) -> str:
        """A short exact form, the layers' bits in hexadecimal: what a store keeps."""
        return "|".join(f"{len(layer)}:{np.packbits(layer).tobytes().hex()}" for layer in self.layers)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.layers,)  # made anew by whoever copies or unpickles it: numpy would thaw the arrays

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and self.text() == other.text()

    def __hash__(self) -> int:
        return hash(self.text())

    def __repr__(self) -> str:
        return f"Mask({'+'.join(map(str, self.units_per_layer))} of {'+'.join(map(str, self.widths))})"
