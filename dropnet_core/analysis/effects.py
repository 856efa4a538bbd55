"""What each reading changes: differences between the paper's and the code's, from the committed records."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd

from dropnet_core.analysis.readings import READINGS, Reading
from dropnet_core.analysis.stats import paired, share_collapsed
from dropnet_core.basics.errors import unknown
from dropnet_core.experiments.records import read_records, returned_records

DIFFERENCES = "metric fraction difference lower upper n collapsed collapsed_code".split()


def differences(reading: Reading, fractions: Sequence[float]) -> pd.DataFrame | None:
    """What the paper's reading gives minus what the code's gives, paired by seed; None if not yet run.

    One row for each metric and each of the fractions, taken at the nearest cycle that both sides have, so
    nothing is interpolated; NaN stands for the fraction where returned networks are compared. Columns: metric,
    fraction, difference (mean), lower and upper (Student's 95 % interval), n (seeds), collapsed and
    collapsed_code (share of dead networks of the paper's and of the code's reading, 0 to 1).
    """
    if reading.sides is None or reading.missing():
        return None
    tables = [read_records(side.file) for side in reading.sides]
    for table, side in zip(tables, reading.sides, strict=True):
        table["compared"] = table[side.quantity]
    rows = []
    for metric in reading.metrics:
        curves = [side.curve.format(metric=metric) for side in reading.sides]
        for fraction, pair in _pairs(
            reading, fractions, [t[t["curve"] == c] for t, c in zip(tables, curves, strict=True)]
        ):
            both = pair[0].merge(pair[1], on="seed", suffixes=("", "_code"))
            found = paired(both["compared"].to_numpy(), both["compared_code"].to_numpy())
            dead = [share_collapsed(both["status"]), share_collapsed(both["status_code"])]
            rows.append([metric, fraction, found.mean, found.lower, found.upper, found.n, *dead])
    return pd.DataFrame(rows, columns=DIFFERENCES)


def _pairs(
    reading: Reading, fractions: Sequence[float], curves: list[pd.DataFrame]
) -> list[tuple[float, list[pd.DataFrame]]]:
    """The rows to compare, one a seed, for each fraction or for the returned networks."""
    if reading.returns:
        return [(np.nan, [returned_records(curve) for curve in curves])]
    first, second = (set(curve["fraction_remaining"]) for curve in curves)
    common = np.array(sorted(first & second))
    nearest = dict.fromkeys(float(common[np.argmin(np.abs(np.log(common / x)))]) for x in fractions)
    return [(x, [curve[curve["fraction_remaining"] == x] for curve in curves]) for x in nearest]


def effect(reading: Reading, fractions: Sequence[float]) -> str:
    """The largest of its differences in one line, or that it is not yet run."""
    found = differences(reading, fractions)
    if found is None:
        return "not yet run" if reading.sides else "known by formula"
    row = found.iloc[int(found["difference"].abs().to_numpy().argmax())]
    where = row["metric"] if reading.returns else f"{row['metric']} at {row['fraction']:.4g}"
    numbers = f"{row['difference']:+.3f} ({row['lower']:+.3f} to {row['upper']:+.3f})"
    return f"`{row['metric']}`{where.removeprefix(row['metric'])}: {numbers}, n = {row['n']}"


def account(title: str, fractions: Sequence[float]) -> str:
    """The differences of one reading in lines that fit a page, or the commands that have yet to be run.

    `dead` and `coded` are the shares of dead networks of the paper's and of the code's reading. Raises InputError
    for an unknown title.
    """
    named = {reading.title: reading for reading in READINGS}
    if title not in named:
        raise unknown("reading", title, named)
    reading, found = named[title], differences(named[title], fractions)
    if reading.sides is None or found is None:
        return "\n".join(["not yet run:", *map(wrapped, reading.missing())])
    found[["difference", "lower", "upper"]] = found[["difference", "lower", "upper"]].round(4) + 0.0  # no "-0.0000"
    found["fraction"] = found["fraction"].map(lambda x: "" if np.isnan(x) else f"{x:.3g}")
    formats = {"collapsed": "{:.2f}".format, "collapsed_code": "{:.2f}".format}
    header = [*DIFFERENCES[:-2], "dead", "coded"]
    text = found.to_string(index=False, float_format="{:.4f}".format, formatters=formats, header=header)
    return f"{' minus '.join(side.value for side in reading.sides)}\n{text}"


def wrapped(command: str) -> str:
    """A command in lines that fit a page."""
    return fill(command, 64, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def table(fractions: Sequence[float]) -> str:
    """All readings as a table in Markdown, with the largest measured effect of each."""
    lines = ["| reading | largest effect | option, part of | paper | code | our default |", "|---|---|---|---|---|---|"]
    for reading in READINGS:
        title = f"[{reading.title}](#{reading.anchor})"  # a label that the book knows
        option = f"`{reading.option}`, {reading.belongs}"
        cells = [title, effect(reading, fractions), option, reading.paper, reading.code, reading.default]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
