"""One interactive figure of every curve that there is: ours from the results, and the paper's.

The figure is a piece of HTML that carries its numbers, its style and its script (`explorer.html`, `.css`, `.js` beside
this file), so it works without a network, in a notebook and in the book. Without the script, its first
experiment is there as a table.
"""

import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet_core.analysis import published
from dropnet_core.analysis.published import base_curve
from dropnet_core.analysis.stats import summarise
from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.places import results_folder
from dropnet_core.experiments import results
from dropnet_core.experiments.experiment import experiment_names, table_rows
from dropnet_core.figures.curve_styles import METRICS, Line, label, styles, taken_apart
from dropnet_core.figures.descriptions import PANELS, QUANTITIES, SIZES, figures_in_words

SHOWN = ("test_accuracy", *(quantity for quantity in PANELS if quantity != "test_accuracy"))
PUBLISHED = ("test_accuracy", "train_accuracy")  # the paper's figures show nothing else
SCALE = {"epochs": 100}  # numbers are kept as whole multiples of one hundredth here,
ELSEWHERE = 10_000  # and of one ten-thousandth for accuracies
MOST = 14  # curves of one experiment; the kappa experiments have 36 that differ in their last points only
TITLES = {"mnist": "MNIST", "mnist5k": "MNIST, 5,000 digits", "cifar10": "CIFAR-10", "tinyimagenet": "Tiny ImageNet"}
LINE_WIDTH = 1.7  # pixels; dashes are multiples of it, as in matplotlib

Plain = dict[str, Any]


class Explorer:
    """The figure. As the last line of a notebook cell it shows itself.

    first   the experiment that it shows first, "mnist-fc40-fc40"
    folder  of results; None is the project's

    Raises InputError for a damaged file of results, for a folder without any curve, and for a first experiment
    that has none.
    """

    def __init__(self, first: str, folder: Path | None = None) -> None:
        self.entries = list(entries(folder or results_folder()))
        known = [entry["name"] for entry in self.entries]
        if not known:
            raise InputError("there are no curves: neither records nor published numbers; see results/published")
        if first not in known:
            raise unknown("experiment with curves", first, known)
        self.first = first

    def _repr_html_(self) -> str:
        here = Path(__file__)
        words = {quantity: QUANTITIES[quantity] for quantity in SHOWN}
        data = {"first": self.first, "experiments": self.entries, "quantities": words, "sizes": SIZES}
        parts = {
            "STYLE": here.with_suffix(".css").read_text(encoding="utf-8"),
            "SCRIPT": here.with_suffix(".js").read_text(encoding="utf-8"),
            "TABLE": static_table(next(entry for entry in self.entries if entry["name"] == self.first)),
            "DATA": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("</", "<\\/"),
        }
        page = here.with_suffix(".html").read_text(encoding="utf-8")
        for name, text in parts.items():
            page = page.replace(f"<!--{name}-->", text, 1)
        return page

    def __repr__(self) -> str:
        return f"<Explorer of {len(self.entries)} experiments>"


def entries(folder: Path) -> Iterator[Plain]:
    """The experiments with curves, those of the table first, as plain values for the script."""
    table = {row["name"]: row for row in table_rows()}
    others = sorted(file.stem for file in folder.glob("*.csv") if file.stem not in table)
    for name in [*experiment_names(), *others]:
        records = results.stored_records(name, folder)
        row = table.get(name) or {"data": "", "network": "", "figures": ""}
        ours = ours_of(records) if len(records) and records["curve"].nunique() <= MOST else {}
        theirs = theirs_of(name)
        paired = set(map(base_curve, ours))
        curves = [*ours, *(curve for part in theirs.values() for curve in part["curves"] if curve not in paired)]
        if not curves:
            continue
        data, network = (row[key] or str(records[key].iloc[0]) for key in ("data", "network"))
        looks = styles(list(dict.fromkeys(curves)))
        yield {
            "name": name,
            "data": TITLES.get(data, data),
            "network": network,
            "figures": row["figures"],
            "looks": {
                curve: [label(curve), look.colour, look.marker, dashes(look.line), base_curve(curve)]
                for curve, look in looks.items()
            },
            "ours": ours,
            "theirs": theirs,
        }


def ours_of(records: pd.DataFrame) -> dict[str, Plain]:
    """Curve -> units, parameters and macs remaining, seeds, dead seeds, and [means, half-widths] of each quantity.

    The means and Student's intervals are those of `stats.summarise`. One seed has no interval: null.
    """
    tables = {quantity: summarise(records, quantity) for quantity in SHOWN}
    found: dict[str, Plain] = {}
    for curve, points in tables[SHOWN[0]].groupby("curve", sort=False):
        seeds = points["n"].tolist()
        found[str(curve)] = {
            "units": [round(value, 1) for value in points["units_remaining"]],
            "parameters": [round(value) for value in points["parameters"]],
            "macs": [round(value) for value in points["macs"]],
            "seeds": seeds[0] if len(set(seeds)) == 1 else seeds,
            "dead": [round(share * n) for share, n in zip(points["share_collapsed"], seeds, strict=True)],
        }
        for quantity, table in tables.items():
            own = table.loc[points.index]
            found[str(curve)][quantity] = [whole(own["mean"], quantity), whole(own["upper"] - own["mean"], quantity)]
    return found


def theirs_of(experiment: str) -> Plain:
    """Quantity -> its figure in the paper, and curve -> units remaining, [means, half-widths of the drawn bars]."""
    found: Plain = {}
    for quantity in PUBLISHED:
        table = published.curves(experiment, quantity)
        if table.empty:
            continue
        curves = {}
        for curve in sorted(table["curve"].unique(), key=in_order):
            points = table[table["curve"] == curve].sort_values("cycle")
            bars = (points["upper"] - points["lower"]) / 2
            values = [whole(points["value"], quantity), whole(bars, quantity)]
            curves[str(curve)] = {"units": points["units_remaining"].tolist(), "values": values}
        found[quantity] = {"figure": figures_in_words(table), "curves": curves}
    return found


def in_order(curve: str) -> tuple[int, str]:
    """The paper's metrics stand in one order everywhere."""
    metric = taken_apart(curve).metric
    return list(METRICS).index(metric) if metric in METRICS else len(METRICS), curve


def whole(values: pd.Series, quantity: str) -> list[int | None]:
    """Numbers as whole multiples of a small unit, which is half as long as decimals; NaN becomes None.

    A hair is added so that exact halves round alike whatever the order of a sum was.
    """
    scale = SCALE.get(quantity, ELSEWHERE)
    return [None if pd.isna(value) else round(value * scale + 1e-6) for value in values]


def dashes(line: Line) -> str:
    """A line's dashes for SVG, in pixels; empty for a solid one."""
    return "" if isinstance(line, str) else " ".join(f"{LINE_WIDTH * length:.3g}" for length in line[1])


def static_table(entry: Mapping[str, Any]) -> str:
    """Test accuracy of one experiment: a row for each number of units, the paper's value in brackets."""
    ours = {
        curve: dict(zip(points["units"], points["test_accuracy"][0], strict=True))
        for curve, points in entry["ours"].items()
    }
    theirs = {
        curve: dict(zip(points["units"], points["values"][0], strict=True))
        for curve, points in entry["theirs"].get("test_accuracy", {"curves": {}})["curves"].items()
    }

    def cell(curve: str, units: float) -> str:
        mine, paper = ours.get(curve, {}).get(units), theirs.get(base_curve(curve), {}).get(units)
        said = [f"{mine / ELSEWHERE:.3f}"] if mine is not None else []
        return " ".join([*said, *([f"({paper / ELSEWHERE:.3f})"] if paper is not None else [])])

    looks = entry["looks"]
    sizes = sorted({units for part in (*ours.values(), *theirs.values()) for units in part}, reverse=True)
    head = "".join(f'<th scope="col">{escape(look[0])}</th>' for look in looks.values())
    body = "".join(
        f'<tr><th scope="row">{units:g}</th>{"".join(f"<td>{cell(curve, units)}</td>" for curve in looks)}</tr>'
        for units in sizes
    )
    title = f"{entry['name']}: test accuracy by units remaining; the paper's in brackets"
    return f'<table><caption>{escape(title)}</caption><tr><th scope="col">units</th>{head}</tr>{body}</table>'
