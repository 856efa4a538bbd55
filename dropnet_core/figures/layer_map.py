"""The map of layers and cycles: where a metric prunes a network of many layers."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

from dropnet_core.figures.charts import RC, Chart, chart
from dropnet_core.figures.curve_styles import label
from dropnet_core.figures.descriptions import layer_counts

ROW, CYCLES_WITH_NUMBERS = 0.21, 6  # inches a layer; more cycles leave no room for numbers
EMPTY = "×"

# Groups of layers, counted from 1, that a page looks at; `networks.deep` says what they are.
RESNET18 = {"shortcut": (8, 13, 18), "branch end": (3, 5, 10, 15, 20)}
VGG19 = {"batch norm": (2, 4, 8, 12, 16)}


def layer_map(records: pd.DataFrame, groups: Mapping[str, Sequence[int]] | None = None) -> Chart:
    """The share of each layer's units that is left at each cycle, a panel for each curve; means over the seeds.

    A row is a layer, the first at the top, and the darker, the more is left of it; a cross marks a layer that is
    empty for every seed.

    groups  words for some of the layers, counted from 1, such as {"shortcut": (8, 13, 18)}

    Raises InputError for records without rows or without the columns curve, cycle and units_per_layer.
    """
    shares, names = layer_shares(records), words_of(groups or {})
    curves = list(shares)
    layers = len(shares[curves[0]].columns)
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    with matplotlib.rc_context(RC):
        made = chart(1.2 + 2.2 * columns, rows * (ROW * layers + 0.8) + 0.8, shares_in_words(shares, names))
        panels = made.subplots(rows, columns, sharey=True, squeeze=False)
        for axes, (curve, table) in zip(panels.flatten(), shares.items(), strict=False):
            shade = axes.imshow(table.T, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            _cells(axes, table)
            axes.set_title(label(curve), fontsize=11)
            axes.set_xlabel("pruning cycle")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        for axes in panels.flatten()[len(curves) :]:
            axes.set_axis_off()
        for axes in panels[:, 0]:
            axes.yaxis.set_major_locator(FixedLocator(range(layers)))
            axes.set_yticklabels([f"{names.get(n, '')} {n}" for n in range(1, layers + 1)], fontsize=9)
            axes.set_ylabel("layer")
        made.colorbar(shade, ax=panels, location="bottom", aspect=40, label="share of the layer's units left")
    return made


def layer_shares(records: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each curve a table (cycles, layers) of the units left, as shares of those at the curve's first cycle."""
    counts = layer_counts(records)
    found = {}
    for curve, rows in counts.groupby("curve", sort=False):
        table = rows.drop(columns="curve").set_index("cycle").sort_index()
        found[str(curve)] = table / table.iloc[0]
    return found


def words_of(groups: Mapping[str, Sequence[int]]) -> dict[int, str]:
    """For each layer of a group its name."""
    return {layer: name for name, layers in groups.items() for layer in layers}


def group_shares(records: pd.DataFrame, groups: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """The share of the units left in groups of layers: a row a (metric, cycle), a column a group and "others".

    groups  for each group's name its layers, counted from 1; layers in none of them are the others. A group of
            which the network has no layer gets no column

    Raises InputError as `layer_map` does.
    """
    counts = layer_counts(records).rename(columns={"curve": "metric"}).set_index(["metric", "cycle"])
    group_of = words_of(groups)
    units = counts.T.groupby(lambda layer: group_of.get(layer, "others")).sum().T
    first = units.groupby(level="metric").transform("first")
    return (units / first)[[name for name in (*groups, "others") if name in units]]


def _cells(axes: Axes, table: pd.DataFrame) -> None:
    """Per cent in each cell, where there is room, and a cross where nothing is left."""
    for (cycle, layer), share in np.ndenumerate(table.to_numpy()):
        text = EMPTY if share == 0 else f"{100 * share:.0f}" if len(table) <= CYCLES_WITH_NUMBERS else ""
        colour = "#b3200c" if share == 0 else "white" if share > 0.6 else "black"
        axes.text(cycle, layer, text, ha="center", va="center", fontsize=8, color=colour)


def shares_in_words(shares: Mapping[str, pd.DataFrame], names: Mapping[int, str]) -> str:
    """The map's text alternative: for each curve the layers of which most and least is left in the end."""
    said = ["Share of each layer's units left at each pruning cycle, mean over the seeds."]
    for curve, table in shares.items():
        last = table.iloc[-1].sort_values(kind="stable")
        few, many = (", ".join(_named(n, last[n], names) for n in part) for part in (last.index[:3], last.index[-3:]))
        said.append(f"{label(curve)}, in cycle {table.index[-1]}: least of {few}; most of {many}.")
    return " ".join(said)


def _named(layer: int, share: float, names: Mapping[int, str]) -> str:
    word = f" ({names[layer]})" if layer in names else ""
    return f"layer {layer}{word} {share:.0%}"
