"""Tables in, figure out: the paper's plots. Each figure carries its description in words as `alt_text`."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from dropnet_core.analysis.published import base_curve
from dropnet_core.analysis.stats import summarise
from dropnet_core.basics.errors import unknown
from dropnet_core.figures.charts import RC, Chart, chart
from dropnet_core.figures.curve_styles import label, styles
from dropnet_core.figures.descriptions import (
    INTERVALS,
    PANELS,
    QUANTITIES,
    SIZES,
    alt_text,
    figures_in_words,
    layer_counts,
    layers_alt_text,
    panels_alt_text,
    seeds_in_words,
    sentence,
)
from dropnet_core.figures.diagram import method_figure
from dropnet_core.figures.figure_data import drawn, name

__all__ = [
    "accuracy_curves",
    "alt_text",
    "four_panels",
    "layers_alt_text",
    "method_figure",
    "panels_alt_text",
    "units_per_layer",
]

GRID = "#dddddd"
MARGIN = 1.12  # of the logarithmic axis, a factor


def accuracy_curves(
    records: pd.DataFrame,
    quantity: str = "test_accuracy",
    x: str = "fraction_remaining",
    interval: str | None = "t",
    seeds: bool = False,
    published: pd.DataFrame | None = None,
) -> Chart:
    """One quantity of one experiment against what remains of the network, in the paper's form.

    records     rows of one experiment; a curve is the mean over its seeds
    quantity    any of `stats.QUANTITY_COLUMNS`
    x           fraction_remaining, units_remaining, parameters or macs, on a reversed logarithmic axis; the
                last two are means over the seeds
    interval    what the band shows: "paper", "t", "bootstrap", or None for no band; one seed has none
    seeds       whether each seed is drawn too, as a thin line
    published   the table of `published.curves` to lay over as open markers. How many parameters the published
                networks had left is not known, so on the last two axes nothing is laid over.

    Raises InputError for unknown names and for records that cannot be averaged (`stats.check_averageable`).
    """
    overlay = _drawable(published, x)
    with matplotlib.rc_context(RC):
        made = chart(6.4, 5.0, alt_text(records, quantity, overlay))
        axes = made.subplots()
        table = _curves(axes, records, quantity, x, interval, seeds, overlay)
        _size_axis(axes, x, most=8)
        _legend(made, axes, table, interval, seeds, overlay)
    return made.showing(name(records, quantity), drawn({quantity: table}, interval is not None, overlay))


def four_panels(
    records: pd.DataFrame,
    x: str = "fraction_remaining",
    interval: str | None = "t",
    seeds: bool = False,
    published: pd.DataFrame | None = None,
) -> Chart:
    """Training, validation and test accuracy and the early-stopping epoch in one figure.

    The arguments are those of `accuracy_curves`; published test accuracies go into the panel of test
    accuracy. The three accuracies have one scale, so that they can be compared.
    """
    overlay = _drawable(published, x)
    with matplotlib.rc_context(RC):
        made = chart(7.2, 7.2, panels_alt_text(records, overlay))
        panels = dict(zip(PANELS, made.subplots(2, 2).flat, strict=True))
        tables = {}
        for quantity, axes in panels.items():
            laid_over = overlay if quantity == "test_accuracy" else None
            tables[quantity] = _curves(axes, records, quantity, x, interval, seeds, laid_over)
            axes.set_title(sentence(QUANTITIES[quantity]))
            axes.set_ylabel("")
            _size_axis(axes, x, most=5)
            axes.set_xlabel(SIZES[x].replace(" (", "\n(") if axes in made.axes[2:] else "")
        limits = np.array([panels[quantity].get_ylim() for quantity in PANELS[:3]])
        for quantity in PANELS[:3]:
            panels[quantity].set_ylim(limits[:, 0].min(), limits[:, 1].max())
        _legend(made, panels["test_accuracy"], tables["test_accuracy"], interval, seeds, overlay)
    return made.showing(name(records, "four-panels"), drawn(tables, interval is not None, overlay))


def units_per_layer(records: pd.DataFrame) -> Chart:
    """Units remaining in each layer at each cycle, a panel for each curve; means over the seeds.

    Raises InputError for records without rows or without the columns curve, cycle and units_per_layer.
    """
    counts = layer_counts(records)
    curves = [str(curve) for curve in dict.fromkeys(counts["curve"])]
    layers = [column for column in counts if isinstance(column, int)]
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    with matplotlib.rc_context(RC):
        made = chart(max(4.5, 2.4 * columns), 2.3 * rows + 0.5, layers_alt_text(records))
        panels = made.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
        colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.72, len(layers)))
        for axes, curve in zip(panels, curves, strict=False):
            table = counts[counts["curve"] == curve].sort_values("cycle")
            for layer, colour, size in zip(layers, colours, np.linspace(7, 3.5, len(layers)), strict=True):
                marker, words = "osD^vPX*"[(layer - 1) % 8], f"layer {layer}"  # later and smaller lies on top
                axes.plot(table["cycle"], table[layer], color=colour, marker=marker, ms=size, label=words)
            axes.set_title(label(curve))
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
            axes.grid(color=GRID, lw=0.6)
        for axes in panels[len(curves) :]:
            axes.set_axis_off()
        for axes in panels[max(0, len(curves) - columns) : len(curves)]:  # the lowest one of each column
            axes.set_xlabel("pruning cycle")
            axes.tick_params(labelbottom=True)
        for axes in panels[::columns]:
            axes.set_ylabel("units remaining")
        made.legend_below(panels[0])
    named = counts.rename(columns={layer: f"units_of_layer_{layer}" for layer in layers})
    return made.showing(name(records, "units-per-layer"), named)


def _drawable(published: pd.DataFrame | None, x: str) -> pd.DataFrame | None:
    if x not in SIZES:
        raise unknown("x axis", x, SIZES)
    return published if published is not None and len(published) and x in published else None


def _curves(
    axes: Axes,
    records: pd.DataFrame,
    quantity: str,
    x: str,
    interval: str | None,
    seeds: bool,
    published: pd.DataFrame | None,
) -> pd.DataFrame:
    """Draw the curves of one quantity; returns its summary."""
    table = summarise(records, quantity, interval or "t")
    names = [str(curve) for curve in dict.fromkeys(table["curve"])]
    looks = styles(names)
    values = [table["mean"]]
    shade = 0.05 if quantity == "epochs" else 0.13  # bands of epochs are wide and lie over one another
    for curve, look in looks.items():
        rows = table[table["curve"] == curve]
        if interval:
            axes.fill_between(rows[x], rows["lower"], rows["upper"], color=look.colour, alpha=shade, lw=0)
        if seeds:
            for _, run in records[records["curve"] == curve].sort_values("cycle").groupby("seed"):
                axes.plot(run[x], run[quantity], color=look.colour, lw=0.7, alpha=0.45, label="_one seed")
                values.append(run[quantity])
        axes.plot(
            rows[x], rows["mean"], color=look.colour, ls=look.line, lw=1.7, label=label(curve), zorder=3,
            marker=look.marker, ms=5, mew=0.4, mec="white",
        )  # fmt: skip
    if published is not None:
        for curve, look in {base_curve(curve): look for curve, look in looks.items()}.items():
            rows = published[published["curve"] == curve]
            axes.plot(
                rows[x], rows["value"], color=look.colour, ls="none", label="_published", zorder=4,
                marker=look.marker, ms=9, mew=1.1, mfc="none",
            )  # fmt: skip
            values.append(rows["value"])
    low, high = float(table[x][table[x] > 0].min()), float(table[x].max())
    axes.set_xscale("log")
    axes.set_xlim(high * MARGIN, low / MARGIN)
    _value_axis(axes, quantity, pd.concat(values), table if interval else None)
    axes.grid(color=GRID, lw=0.6)
    return table


def _size_axis(axes: Axes, x: str, most: int) -> None:
    """Plain numbers on the reversed logarithmic axis: the start and at most that many round ones."""
    left, right = axes.get_xlim()
    high, low = left / MARGIN, right * MARGIN
    room = (high / low) ** (0.8 / most)  # the labels of two closer ticks would touch
    for multiples in ((1, 2, 5), (1, 3), (1,)):
        steps = [multiple * 10.0**power for power in range(-4, 13) for multiple in multiples]
        ticks = [high, *(step for step in steps if low / 1.05 <= step <= high / room)]
        if len(ticks) <= most:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _plain(value, x)))
    axes.set_xlabel(SIZES[x])


def _plain(value: float, x: str) -> str:
    if x == "fraction_remaining":
        return "1.0" if value > 0.99 else f"{value:.4g}"
    for unit, word in ((1e6, " M"), (1e3, " k")):
        if value >= unit and x != "units_remaining":
            return f"{value / unit:.3g}{word}"
    return f"{value:.0f}"


def _value_axis(axes: Axes, quantity: str, drawn: pd.Series, bands: pd.DataFrame | None) -> None:
    """Limits that follow the curves: the wide band of very few seeds may run out of the axes."""
    low, high = float(drawn.min()), float(drawn.max())
    reach = max(0.2 * (high - low), 0.01)
    if bands is not None and bands["lower"].notna().any():
        low = min(low, max(low - reach, float(bands["lower"].min())))
        high = max(high, min(high + reach, float(bands["upper"].max())))
    margin = max(0.05 * (high - low), 1.0 if quantity == "epochs" else 0.002)
    bottom, top = low - margin, high + margin
    if quantity.endswith("accuracy"):
        bottom, top = max(bottom, -margin / 2), min(top, 1.0 + margin / 2)
    if quantity == "epochs":
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom, top)
    axes.set_ylabel(QUANTITIES[quantity])


def _legend(
    made: Chart,
    axes: Axes,
    summary: pd.DataFrame,
    interval: str | None,
    seeds: bool,
    published: pd.DataFrame | None,
) -> None:
    """The curves, under a title that says what a line, a band and a marker are."""
    title = f"Line: {seeds_in_words(summary)}"
    if seeds:
        title += "; thin lines: single seeds"
    if interval and summary["n"].max() > 1:
        title += f"; band: {INTERVALS[interval]}"
    if published is not None:
        title += f"\n\N{WHITE CIRCLE} open markers: the paper ({figures_in_words(published)})"
    made.legend_below(axes, title)
