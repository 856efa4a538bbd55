"""How narrow layers may get: floors, and widths rounded up because hardware likes multiples."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.masks import Mask
from dropnet_core.pruning.units import Layer, Units


@dataclass(frozen=True)
class Widths:
    """Rules for the widths of layers.

    least     units that a layer keeps, by its name; 1 for those without an entry, so that no layer is emptied
    multiple  of which the width of every layer in channels is one, where enough units are left to fill it up

    Raises InputError for numbers below 1.
    """

    least: Mapping[str, int] = field(default_factory=dict)
    multiple: int = 1

    def __post_init__(self) -> None:
        for what, number in (("multiple", self.multiple), *self.least.items()):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise InputError(
                    f"'{what}' must be a whole number of at least 1, not {number!r}; a layer without units would cut "
                    "the network off from its input"
                )

    def check(self, units: Units) -> None:
        """Raise InputError for a floor of a layer that does not exist."""
        for name in self.least:
            if name not in units.names:
                raise unknown("layer", name, units.names)

    def filled(self, units: Units, chosen: Mask, kept: Mask, scores: Iterable[np.ndarray]) -> Mask:
        """The units that Algorithm 1 chose, and the best of those that were kept before until the rules hold."""
        layers = zip(units.layers, chosen.layers, kept.layers, scores, strict=True)
        return Mask(self._filled(*layer) for layer in layers)

    def _filled(self, layer: Layer, chosen: np.ndarray, kept: np.ndarray, score: np.ndarray) -> np.ndarray:
        keep, position = chosen.copy(), {unit: i for i, unit in enumerate(layer.units.tolist())}
        best_first = np.argsort(-score, kind="stable")
        for output in layer.outputs:
            channels = np.array([position.get(unit, -1) for unit in output.tolist()])
            own, always = channels[channels >= 0], int((channels < 0).sum())
            least = min(self.least.get(layer.name, 1), len(np.unique(own)))
            for unit in best_first:
                wide = always + int(keep[own].sum())
                if keep[np.unique(own)].sum() >= least and wide % self.multiple == 0:
                    break
                if unit in own and kept[unit]:
                    keep[unit] = True
        return keep
