"""Figures of what Algorithm 1 returns: networks over the curves of fixed fractions, sizes for each accepted loss."""

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from dropnet_core.analysis.kappa import summary
from dropnet_core.analysis.stats import summarise
from dropnet_core.figures.charts import RC, Chart, chart
from dropnet_core.figures.curve_styles import METRICS, SPARE, Style, label, taken_apart
from dropnet_core.figures.descriptions import SIZES
from dropnet_core.figures.figure_data import name

GRID = "#dddddd"
MARGIN = 1.12  # of the logarithmic axis, a factor
PLAIN = {"last_good": "the last one above the bound", "already_trained": "the one that fell", "one_more": "one more"}


def over_fixed_fractions(networks: pd.DataFrame, fixed: pd.DataFrame) -> Chart:
    """The returned networks as points over the curves of a run to a fixed fraction, a panel for each metric.

    networks  the table of `kappa.networks`, in one reading of the end
    fixed     records of one experiment that goes further down, with a curve for each of the metrics

    A small point is one seed, a large one the mean over the seeds.
    """
    metrics = list(dict.fromkeys(networks["metric"]))
    kappas = sorted(set(networks["kappa"]), reverse=True)
    table = summarise(fixed[fixed["metric"].isin(metrics)])
    curves = {taken_apart(str(curve)).metric: curve for curve in dict.fromkeys(table["curve"])}
    with matplotlib.rc_context(RC):
        made = chart(7.2, 3.6, _words(networks, fixed))
        panels = made.subplots(1, len(metrics), sharex=True, sharey=True, squeeze=False)[0]
        for axes, metric in zip(panels, metrics, strict=True):
            line = table[table["curve"] == curves.get(metric)]
            axes.fill_between(
                line["fraction_remaining"], line["lower"], line["upper"], color="#888888", alpha=0.25, lw=0
            )
            axes.plot(line["fraction_remaining"], line["mean"], color="#555555", lw=1.4, label="fixed fractions, mean")
            for kappa, look in zip(kappas, _looks(kappas), strict=True):
                found = networks[(networks["metric"] == metric) & (networks["kappa"] == kappa)]
                x, y = found["fraction_remaining"], found["test_accuracy"]
                axes.plot(x, y, ls="none", marker=look.marker, ms=4, color=look.colour, alpha=0.4, mew=0, label="_seed")
                axes.plot(
                    x.mean(), y.mean(), ls="none", marker=look.marker, ms=9, color=look.colour,
                    mfc="none", mew=1.8, label=f"kappa {kappa:g}", zorder=4,
                )  # fmt: skip
            axes.set_title(label(metric))
            axes.grid(color=GRID, lw=0.6)
        lowest = float(networks["fraction_remaining"].min())
        _fractions(panels[0], lowest / 1.15, 1.0)
        panels[0].set_ylim(*_limits(networks["test_accuracy"], table[table["fraction_remaining"] >= lowest]["mean"]))
        panels[0].set_ylabel("test accuracy")
        panels[len(panels) // 2].set_xlabel(SIZES["fraction_remaining"])
        made.legend_below(panels[0], f"{_points(networks)}\nBand: 95 % interval of the curve (Student's t)")
    columns = ["metric", "kappa", "reading", "seed", "units_remaining", "fraction_remaining", "test_accuracy"]
    return made.showing(name(networks, "returned"), networks[columns])


def sizes(networks: pd.DataFrame) -> Chart:
    """How many units each accepted loss leaves, seed by seed; a panel for each reading of the end."""
    readings = [reading for reading in PLAIN if reading in set(networks["reading"])]
    metrics = list(dict.fromkeys(networks["metric"]))
    kappas = sorted(set(networks["kappa"]), reverse=True)
    with matplotlib.rc_context(RC):
        made = chart(7.2, 3.8, _sizes_words(networks))
        panels = made.subplots(1, len(readings), sharex=True, sharey=True, squeeze=False)[0]
        for axes, reading in zip(panels, readings, strict=True):
            for place, metric in enumerate(metrics):
                look = METRICS.get(metric, SPARE[place % len(SPARE)])
                aside = 0.24 * (place - (len(metrics) - 1) / 2)
                mine = networks[(networks["metric"] == metric) & (networks["reading"] == reading)]
                at = mine["kappa"].map(kappas.index) + aside
                axes.plot(
                    at, mine["fraction_remaining"], ls="none", marker=look.marker, ms=4, color=look.colour, alpha=0.35,
                    mew=0, label="_seed",
                )  # fmt: skip
                mean = mine.groupby("kappa")["fraction_remaining"].mean().reindex(kappas)
                axes.plot(
                    np.arange(len(kappas)) + aside, mean, ls="none", marker=look.marker, ms=8, color=look.colour,
                    mfc="none", mew=1.6, label=label(metric), zorder=4,
                )  # fmt: skip
            axes.set_title(reading)
            axes.set_xticks(range(len(kappas)), [f"{kappa:g}" for kappa in kappas])
            axes.grid(color=GRID, lw=0.6)
        panels[0].set_yscale("log")
        low = float(networks["fraction_remaining"].min())
        panels[0].set_ylim(low / MARGIN, MARGIN)
        ticks = [tick for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0) if tick >= low / MARGIN]
        panels[0].yaxis.set_major_locator(FixedLocator(ticks))
        panels[0].yaxis.set_minor_locator(NullLocator())
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panels[0].set_ylabel(SIZES["fraction_remaining"])
        panels[len(panels) // 2].set_xlabel("kappa: share of the validation accuracy that must be kept")
        made.legend_below(panels[0], _points(networks))
    return made.showing(name(networks, "sizes"), summary(networks))


def _points(networks: pd.DataFrame) -> str:
    seeds = networks["seed"].nunique()
    return f"Small points: single seeds; large points: mean of {seeds}" if seeds > 1 else "Points: one seed"


def _looks(kappas: list[float]) -> list[Style]:
    """From a small loss to a large one: dark to light, each with a marker of its own."""
    colours = matplotlib.colormaps["plasma"](np.linspace(0.05, 0.72, len(kappas)))
    return [Style(matplotlib.colors.to_hex(c), "osD^vPX*"[i % 8]) for i, c in enumerate(colours)]


def _fractions(axes: Axes, low: float, high: float) -> None:
    """A reversed logarithmic axis with plain numbers."""
    axes.set_xscale("log")
    axes.set_xlim(high * MARGIN, low)
    ticks = [tick for tick in (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01) if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _limits(points: pd.Series, line: pd.Series) -> tuple[float, float]:
    drawn = pd.concat([points, line]).dropna()
    margin = max(0.05 * float(drawn.max() - drawn.min()), 0.002)
    return float(drawn.min()) - margin, float(drawn.max()) + margin


def _words(networks: pd.DataFrame, fixed: pd.DataFrame) -> str:
    said = [
        f"Test accuracy against the fraction of units remaining: the networks that Algorithm 1 returns over the mean "
        f"curve of {fixed['experiment'].iloc[0]}. {_points(networks)}."
    ]
    return " ".join(said + _values(networks))


def _sizes_words(networks: pd.DataFrame) -> str:
    said = [
        "Fraction of units that the returned networks have left, with their test accuracy, for each kappa; a panel for "
        f"each reading of the end. {_points(networks)}."
    ]
    for reading in PLAIN:
        values = _values(networks[networks["reading"] == reading])
        said += [f"Returned is {PLAIN[reading]}:", *values] if values else []
    return " ".join(said)


def _values(networks: pd.DataFrame) -> list[str]:
    """A sentence for each metric: fraction and accuracy at each kappa, means over the seeds."""
    said = []
    for metric, rows in networks.groupby("metric", sort=False):
        means = rows.groupby("kappa", sort=False)[["fraction_remaining", "test_accuracy"]].mean()
        each = [f"{fraction:.3g} with {accuracy:.3f} at {kappa:g}" for kappa, fraction, accuracy in means.itertuples()]
        said.append(f"{label(str(metric))}: {', '.join(each)}.")
    return said
