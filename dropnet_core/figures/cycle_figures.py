"""Figures of one step of Algorithm 1: the scores of the units as bars, and masks drawn on the network."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from dropnet_core.figures.charts import RC, Chart, chart
from dropnet_core.figures.diagram import BLUE, GREY, RED
from dropnet_core.masks import Mask

STATES: dict[str, dict[str, Any]] = {  # of a unit between two masks -> how it is drawn
    "kept": {"facecolor": BLUE, "edgecolor": BLUE, "linewidth": 1.0},
    "dropped now": {"facecolor": "white", "edgecolor": RED, "linewidth": 1.8},
    "dropped before": {"facecolor": "white", "edgecolor": "#b5b5b5", "linewidth": 1.0},
}
LAYER, UNIT, TALLEST = 0.88, 0.19, 7.0  # inches: a layer's width, from one of its units to the next, and at most
ACROSS = 3  # drawings of the network beside one another


def states(before: Mask, after: Mask) -> list[np.ndarray]:
    """The state of each unit, a key of STATES: one array (units,) a masked layer."""
    return [
        np.select([new, old], ["kept", "dropped now"], "dropped before")
        for old, new in zip(before.layers, after.layers, strict=True)
    ]


def score_bars(scores: Sequence[np.ndarray], before: Mask, after: Mask) -> Chart:
    """The score of each unit that `before` keeps, a panel for each layer; hollow are those that `after` drops.

    scores  one array (units,) a masked layer

    A line marks the cut, where one number parts the scores that go from those that stay.
    """
    layers = states(before, after)
    table = pd.DataFrame(
        [
            (layer, unit, score, state)
            for layer, (values, found) in enumerate(zip(scores, layers, strict=True), 1)
            for unit, (score, state) in enumerate(zip(values, found, strict=True), 1)
            if state != "dropped before"
        ],
        columns=["layer", "unit", "score", "state"],
    )
    highest = table[table["state"] == "dropped now"]["score"].max()
    lowest = table[table["state"] == "kept"]["score"].min()
    with matplotlib.rc_context(RC):
        made = chart(5.4, 1.6 * len(layers) + 0.4, _scores_in_words(table))
        panels = made.subplots(len(layers), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for layer, axes in enumerate(panels, 1):
            for state in ("kept", "dropped now"):
                rows = table[(table["layer"] == layer) & (table["state"] == state)]
                axes.bar(rows["unit"], rows["score"], width=0.7, label=state, **STATES[state])
            if highest <= lowest:
                axes.axhline((highest + lowest) / 2, color=GREY, ls="--", lw=1.2, label="the cut")
            axes.set_title(f"layer {layer}", loc="left")
            axes.set_xlim(0.3, max(after.widths) + 0.7)
            axes.set_ylabel("score")
        widest = max(after.widths)
        panels[-1].set_xticks([1, *range(5, widest + 1, 5 * -(-widest // 50))])
        panels[-1].set_xlabel("unit")
        made.legend_below(panels[0])
    return made.showing("scores", table)


def masks_on_network(masks: Mapping[str, Mask]) -> Chart:
    """The network's masked layers at several masks, one drawing for each, under its title, in the order of the cycles.

    A unit that is kept is a full circle, joined to those of the next layer. A dropped one is hollow: with a thick edge
    if the drawing before still has it, else with a thin one.
    """
    first, columns = next(iter(masks.values())), min(len(masks), ACROSS)
    rows, longest = -(-len(masks) // columns), max(first.widths)
    height = min(UNIT * longest, TALLEST)
    with matplotlib.rc_context(RC):
        made = chart(LAYER * len(first.widths) * columns, rows * (height + 0.95), _masks_in_words(masks))
        panels = made.subplots(rows, columns, squeeze=False).flatten()
        for axes, (title, before, after) in zip(panels, _steps(masks), strict=False):
            _network(axes, states(before, after), size=72 * height / longest)
            axes.set_title(title)
        for axes in panels:
            axes.set_axis_off()
            axes.set(xlim=(-0.5, len(first.widths) - 0.5), ylim=(-0.5 * longest - 1.9, 0.5 * longest + 0.3))
        shown = {state for _, *pair in _steps(masks) for found in states(*pair) for state in found}
        for state in [state for state in STATES if state in shown]:
            panels[0].scatter([], [], s=60, label=state, **STATES[state])
        made.legend_below(panels[0])
    return made


def _steps(masks: Mapping[str, Mask]) -> list[tuple[str, Mask, Mask]]:
    """Title, the mask before and this mask; the first has none before it."""
    titles, values = list(masks), list(masks.values())
    return list(zip(titles, [values[0], *values], values, strict=False))


def _network(axes: Axes, layers: Sequence[np.ndarray], size: float) -> None:
    """One drawing. `size` is the distance of two units in points."""
    bottom = -0.5 * max(map(len, layers)) - 0.4
    left = np.empty((0, 2))
    for layer, found in enumerate(layers):
        at = np.column_stack([np.full(len(found), layer), 0.5 * (len(found) - 1) - np.arange(len(found))])  # (units, 2)
        right = at[found == "kept"]
        lines = [(a, b) for a in left for b in right]
        axes.add_collection(LineCollection(lines, colors=GREY, linewidths=0.4, alpha=0.35, zorder=1))
        for state, look in STATES.items():
            x, y = at[found == state].T
            axes.scatter(x, y, s=(0.62 * size) ** 2, zorder=2, **look)
        axes.text(layer, bottom, f"layer {layer + 1}\n{len(right)} of {len(found)}", ha="center", va="top", fontsize=11)
        left = right


def _numbers(units: Sequence[int]) -> str:
    return f" ({', '.join(map(str, units))})" if len(units) else ""


def _scores_in_words(table: pd.DataFrame) -> str:
    said = ["The score of each unit as a bar."]
    for layer, rows in table.groupby("layer"):
        going = rows[rows["state"] == "dropped now"]["unit"].tolist()
        ends = f"{rows['score'].min():.3g} to {rows['score'].max():.3g}"
        said.append(f"Layer {layer}: {len(rows)} units, scores of {ends}; {len(going)} of them go{_numbers(going)}.")
    return " ".join(said)


def _masks_in_words(masks: Mapping[str, Mask]) -> str:
    said = ["The units of the network as circles, full where they are kept, hollow where they are dropped."]
    for title, before, after in _steps(masks):
        layers = []
        for layer, found in enumerate(states(before, after), 1):
            going = (np.flatnonzero(found == "dropped now") + 1).tolist()
            new = f", newly dropped {len(going)}{_numbers(going)}" if going else ""
            layers.append(f"layer {layer} keeps {int((found == 'kept').sum())} of {len(found)} units{new}")
        said.append(f"{title}: {'; '.join(layers)}.")
    return " ".join(said)
