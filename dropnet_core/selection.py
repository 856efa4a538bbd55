"""Which units go: by rank, as the paper words it, or as the authors' code does it."""

from collections.abc import Callable, Sequence

import numpy as np

from dropnet_core.basics.registry import Registry
from dropnet_core.masks import Mask
from dropnet_core.schedules import Schedule

Select = Callable[[Sequence[np.ndarray], Mask, int, np.random.Generator], Mask]
"""From scores (one array (units,) a layer; those of dropped units are ignored), the mask, the share of units to
drop from all these layers together, and a stream for ties, to the smaller mask. A share of 0 drops one unit."""

selections: Registry[Select] = Registry("selection")


def exact(scores: Sequence[np.ndarray], mask: Mask, share: int, ties: np.random.Generator) -> Mask:
    """Drop exactly the lowest scores; equal scores go in random order, fairly over all layers."""
    layer, unit, score = alive(scores, mask)
    lowest = np.lexsort((ties.random(len(score)), score))[: max(1, share)]
    return mask.without(layer[lowest], unit[lowest])


def authors(scores: Sequence[np.ndarray], mask: Mask, share: int, ties: np.random.Generator) -> Mask:
    """Drop as many units as `exact`, but as the authors' code chooses them, which spares one of the lowest.

    Its threshold is the value that follows the `share` lowest, and every unit at or below it is a candidate:
    share + 1 units, more with ties. Layer after layer, candidates are shuffled and dropped until enough are gone.
    The unit that stays is thus a random candidate *of the last layer that holds any*: while the share is at
    least 1, that layer cannot lose its last unit. With a share of 0 exactly the lowest unit goes.
    """
    layer, unit, score = alive(scores, mask)
    threshold = np.sort(score)[min(share, len(score) - 1)]
    candidates = np.flatnonzero(score <= threshold)
    shuffled = candidates[np.lexsort((ties.random(len(candidates)), layer[candidates]))]
    dropped = shuffled[: max(1, share)]
    return mask.without(layer[dropped], unit[dropped])


selections.add("exact", exact)
selections.add("authors", authors)


def alive(scores: Sequence[np.ndarray], mask: Mask) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Layer, index and score of every unit that is left, each as an array (units left,)."""
    units = [np.flatnonzero(kept) for kept in mask.layers]
    layer = np.repeat(np.arange(len(units)), [len(u) for u in units])
    score = np.concatenate([np.asarray(s, dtype=np.float64)[u] for s, u in zip(scores, units, strict=True)])
    return layer, np.concatenate(units), score


def drop_lowest(
    scores: Sequence[np.ndarray], mask: Mask, schedule: Schedule, scope: str, selection: str, draw: np.random.Generator
) -> Mask:
    """The next mask: the schedule says how many units go, the scores which ones (paper, Algorithm 1, step 4).

    scores     one array (units,) a masked layer; those of dropped units are ignored
    scope      "global": all layers are ranked together; "layer": each alone, and each that has units left loses one
               at least
    selection  a name in `selections`
    draw       decides between ties
    """
    select = selections[selection]
    if scope == "global":
        return select(scores, mask, schedule(mask.units_remaining), draw)
    layers = []
    for score, kept in zip(scores, mask.layers, strict=True):
        share = schedule(int(kept.sum()))
        layers.append(select([score], Mask([kept]), share, draw).layers[0] if kept.any() else kept)
    return Mask(layers)
