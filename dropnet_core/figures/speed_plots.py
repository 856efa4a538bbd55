"""Figures of the page on speed. Each takes rows of the table that `python -m benchmarks` writes.

Of its columns they use `model`, `way`, `hardware`, `at`, `value` (the median over the rounds), `low` and `high`.
"""

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from dropnet_core.figures.charts import RC, Chart, chart

GRID = "#dddddd"
WAYS = {  # colour and marker
    "usual": ("#8c510a", "s"),
    "usual-1": ("#dfa24f", "D"),
    "keras": ("#762a83", "v"),
    "reference": ("#4d4d4d", "^"),
    "kernels": ("#0868ac", "o"),
}
MODELS = {"Model 1": ("#0868ac", "o"), "Model 2": ("#8c510a", "s"), "Model 3": ("#4d4d4d", "^")}
DEEP = {  # label, line, the point beside which the label stands, and where from there, in points
    "reference": ("masked", ":", -1, (-4, 8)),
    "compact": ("compact", "-", -2, (8, 5)),
}


def epoch_seconds(epochs: pd.DataFrame) -> Chart:
    """Seconds of an epoch in each cycle (`at`), a panel for each model; ways that keep the network's shape dotted."""
    models = list(dict.fromkeys(epochs["model"]))
    said = []
    for model in models:
        ways = epochs[epochs["model"] == model].groupby("way", sort=False)["value"]
        ends = [f"{way} {v.iloc[0]:.2g} s in cycle 0 and {v.iloc[-1]:.2g} s in the last" for way, v in ways]
        said.append(f"{model}: {'; '.join(ends)}")
    words = f"Seconds that an epoch of one network takes the machine. {'. '.join(said)}."
    with matplotlib.rc_context(RC):
        made = chart(7.2, 3.4, words)
        panels = made.subplots(1, len(models), squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            for way, rows in epochs[epochs["model"] == model].groupby("way", sort=False):
                name = str(way) if way in WAYS else "kernels"
                _line(axes, rows["at"].astype(int), rows, name, WAYS[name], "-" if name == "kernels" else ":")
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_title(model)
            axes.set_xlabel("pruning cycle")
        panels[0].set_ylabel("seconds an epoch")
        made.legend_below(panels[0])
    numbers = epochs[["model", "way", "at", "value", "low", "high"]]
    return made.showing("seconds-an-epoch", numbers.rename(columns={"at": "cycle", "value": "seconds"}))


def peak_shares(shares: pd.DataFrame) -> Chart:
    """The share of a core's peak that a training step reaches, by the fraction of units `left`; a panel a processor."""
    processors = list(dict.fromkeys(shares["hardware"]))
    said = [
        f"{hardware}, {model}: {v.iloc[0]:.2f} with all units, {v.iloc[-1]:.2f} with the fewest"
        for (hardware, model), v in shares.groupby(["hardware", "model"], sort=False)["value"]
    ]
    words = "Share of the peak of a matrix product that a training step reaches, against the fraction of units left. "
    with matplotlib.rc_context(RC):
        made = chart(7.2 if len(processors) > 1 else 4.8, 3.4, f"{words}{'. '.join(said)}.")
        panels = made.subplots(1, len(processors), squeeze=False, sharey=True)[0]
        for axes, hardware in zip(panels, processors, strict=True):
            for model, rows in shares[shares["hardware"] == hardware].groupby("model", sort=False):
                _line(axes, rows["left"], rows, str(model), MODELS[str(model)])
            axes.set_xscale("log")
            axes.set_xlim(1.1, 0.07)
            axes.set_xticks([1, 0.5, 0.2, 0.1], minor=False)
            axes.set_xticks([], minor=True)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.set_ylim(0, 1)
            axes.set_title(hardware)
            axes.set_xlabel("fraction of units left")
        panels[0].set_ylabel("share of the peak")
        made.legend_below(panels[0])
    numbers = shares[["hardware", "model", "at", "left", "value", "low", "high"]]
    return made.showing("share-of-peak", numbers.rename(columns={"at": "units", "value": "share"}))


def deep_networks(cost: pd.DataFrame, memory: pd.DataFrame) -> Chart:
    """Minutes of an epoch above the memory of a training, by the fraction of units left (`at`); a column a model.

    memory  rows with the megabytes of a `training`
    """
    models = list(dict.fromkeys(cost["model"]))
    tables = {"minutes": cost, "GB": memory.assign(value=memory["training"] / 1000)}
    said = []
    for model in models:
        for way, (label, *_) in DEEP.items():
            minutes, amounts = (_rows(table, model, way) for table in tables.values())
            first, last = (
                f"{minutes['value'].iloc[i]:.2g} minutes and {amounts['value'].iloc[i]:.2g} GB" for i in (0, -1)
            )
            said.append(f"{model}, {label}: {first} with all units, {last} with {minutes['at'].iloc[-1]} of them.")
    words = "Minutes of an epoch, and memory that training takes, against the fraction of units left. "
    with matplotlib.rc_context(RC):
        made = chart(7.2, 5.6, words + " ".join(said))
        panels = made.subplots(2, len(models), squeeze=False, sharex=True, sharey="row")
        for row, table in zip(panels, tables.values(), strict=True):
            for axes, model in zip(row, models, strict=True):
                for way in DEEP:
                    _labelled_line(axes, _rows(table, model, way), way)
                axes.set_xscale("log", base=2)
                axes.margins(y=0.16)
                axes.set_xticks(sorted({float(x) for x in cost["at"]}))
                axes.xaxis.set_major_formatter("{x:g}")
                axes.grid(color=GRID, lw=0.6)
        panels[0][0].invert_xaxis()  # of all, which share it
        for axes, model in zip(panels[0], models, strict=True):
            axes.set_title(model)
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        panels[1][0].set_ylim(bottom=0)
        for axes in panels[1]:
            axes.set_xlabel("fraction of units left")
        panels[0][0].set_ylabel("minutes an epoch")
        panels[1][0].set_ylabel("memory, GB")
    parts = [table[["model", "way", "at", "value"]].assign(unit=unit) for unit, table in tables.items()]
    return made.showing("deep-networks", pd.concat(parts).rename(columns={"at": "units_left"}))


def _rows(table: pd.DataFrame, model: str, way: str) -> pd.DataFrame:
    return table[(table["model"] == model) & (table["way"] == way)]


def _line(axes: Axes, x: pd.Series, rows: pd.DataFrame, label: str, look: tuple[str, str], line: str = "-") -> None:
    """The medians, with a band from the lowest to the highest round."""
    colour, marker = look
    axes.fill_between(x, rows["low"], rows["high"], color=colour, alpha=0.15, lw=0)
    axes.plot(x, rows["value"], color=colour, marker=marker, ms=5, label=label, ls=line)
    axes.grid(color=GRID, lw=0.6)


def _labelled_line(axes: Axes, rows: pd.DataFrame, way: str) -> None:
    label, line, at, beside = DEEP[way]
    colour, marker = WAYS["kernels" if way == "compact" else way]
    left = rows["at"].astype(float)
    axes.plot(left, rows["value"], color=colour, marker=marker, ms=6, ls=line, lw=1.8)
    axes.annotate(
        label, (left.iloc[at], rows["value"].iloc[at]), beside, textcoords="offset points", color=colour,
        ha="left" if beside[0] > 0 else "right",
    )  # fmt: skip
