"""What each departure changes: differences between the paper's and the code's, from the committed records."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd

from dropnet_core.analysis.departures import DEPARTURES, Departure
from dropnet_core.analysis.stats import paired, share_collapsed
from dropnet_core.basics.errors import unknown
from dropnet_core.experiments.records import read_records, returned_records

DIFFERENCE_COLUMNS = "metric fraction difference lower upper n collapsed collapsed_code".split()


def departure_differences(departure: Departure, fractions: Sequence[float]) -> pd.DataFrame | None:
    """What the paper's reading gives minus what the code's gives, paired by seed; None if not yet run.

    One row for each metric and each of the fractions, taken at the nearest cycle that both sides have, so
    nothing is interpolated; NaN stands for the fraction where returned networks are compared. Columns: metric,
    fraction, difference (mean), lower and upper (Student's 95 % interval), n (seeds), collapsed and
    collapsed_code (share of dead networks of the paper's and of the code's reading, 0 to 1).
    """
    if departure.sides is None or departure.missing():
        return None
    tables = [read_records(side.file) for side in departure.sides]
    for table, side in zip(tables, departure.sides, strict=True):
        table["compared"] = table[side.quantity]
    rows = []
    for metric in departure.metrics:
        curves = [side.curve.format(metric=metric) for side in departure.sides]
        for fraction, pair in _pairs(
            departure, fractions, [t[t["curve"] == c] for t, c in zip(tables, curves, strict=True)]
        ):
            both = pair[0].merge(pair[1], on="seed", suffixes=("", "_code"))
            found = paired(both["compared"].to_numpy(), both["compared_code"].to_numpy())
            dead = [share_collapsed(both["status"]), share_collapsed(both["status_code"])]
            rows.append([metric, fraction, found.mean, found.lower, found.upper, found.n, *dead])
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


def _pairs(
    departure: Departure, fractions: Sequence[float], curves: list[pd.DataFrame]
) -> list[tuple[float, list[pd.DataFrame]]]:
    """The rows to compare, one a seed, for each fraction or for the returned networks."""
    if departure.returns:
        return [(np.nan, [returned_records(curve) for curve in curves])]
    first, second = (set(curve["fraction_remaining"]) for curve in curves)
    common = np.array(sorted(first & second))
    nearest = dict.fromkeys(float(common[np.argmin(np.abs(np.log(common / x)))]) for x in fractions)
    return [(x, [curve[curve["fraction_remaining"] == x] for curve in curves]) for x in nearest]


def effect(departure: Departure, fractions: Sequence[float]) -> str:
    """The largest of its differences in one line, or that it is not yet run."""
    found = departure_differences(departure, fractions)
    if found is None:
        return "not yet run" if departure.sides else "known by formula"
    row = found.iloc[int(found["difference"].abs().to_numpy().argmax())]
    where = row["metric"] if departure.returns else f"{row['metric']} at {row['fraction']:.4g}"
    numbers = f"{row['difference']:+.3f} ({row['lower']:+.3f} to {row['upper']:+.3f})"
    return f"`{row['metric']}`{where.removeprefix(row['metric'])}: {numbers}, n = {row['n']}"


def account(title: str, fractions: Sequence[float]) -> str:
    """The differences of one departure in lines that fit a page, or the commands that have yet to be run.

    `dead` and `coded` are the shares of dead networks of the paper's and of the code's reading. Raises InputError
    for an unknown title.
    """
    named = {departure.title: departure for departure in DEPARTURES}
    if title not in named:
        raise unknown("departure", title, named)
    departure, found = named[title], departure_differences(named[title], fractions)
    if departure.sides is None or found is None:
        return "\n".join(["not yet run:", *map(wrap_command, departure.missing())])
    found[["difference", "lower", "upper"]] = found[["difference", "lower", "upper"]].round(4) + 0.0  # no "-0.0000"
    found["fraction"] = found["fraction"].map(lambda x: "" if np.isnan(x) else f"{x:.3g}")
    formats = {"collapsed": "{:.2f}".format, "collapsed_code": "{:.2f}".format}
    header = [*DIFFERENCE_COLUMNS[:-2], "dead", "coded"]
    text = found.to_string(index=False, float_format="{:.4f}".format, formatters=formats, header=header)
    return f"{' minus '.join(side.value for side in departure.sides)}\n{text}"


def wrap_command(command: str) -> str:
    """A command in lines that fit a page."""
    return fill(command, 64, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def table(fractions: Sequence[float]) -> str:
    """All departures as a table in Markdown, with the largest measured effect of each."""
    lines = ["| reading | largest effect | option, part of | paper | code | our default |", "|---|---|---|---|---|---|"]
    for departure in DEPARTURES:
        title = f"[{departure.title}](#{departure.anchor})"  # a label that the book knows
        option = f"`{departure.option}`, {departure.belongs}"
        cells = [title, effect(departure, fractions), option, departure.paper, departure.code, departure.default]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
