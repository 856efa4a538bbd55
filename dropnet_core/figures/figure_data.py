"""The numbers that a figure shows: as a table, and as a link from which a reader saves them as CSV."""

from collections.abc import Mapping
from html import escape
from urllib.parse import quote

import pandas as pd

from dropnet_core.analysis.published import base_curve

PLACE = ["curve", "cycle", "fraction_remaining", "units_remaining", "parameters", "macs", "n", "share_collapsed"]


def drawn(
    summaries: Mapping[str, pd.DataFrame], band: bool = True, published: pd.DataFrame | None = None
) -> pd.DataFrame:
    """What a figure of curves draws: one row for each point, in the order of the curves.

    summaries   quantity -> its `stats.summarise`; all of the same records
    band        whether intervals are drawn; one seed has none
    published   the `published.curves` that are laid over

    Columns: those of `PLACE`; for each quantity its mean, under the quantity's own name, and the ends of its
    interval (`test_accuracy_lower`, `test_accuracy_upper`); `published`, the paper's mean, with rows of its own
    where its curve has points that ours has not.
    """
    table = next(iter(summaries.values()))[PLACE].copy()
    for quantity, summary in summaries.items():
        table[quantity] = summary["mean"]
        if band and summary["lower"].notna().any():
            table[f"{quantity}_lower"], table[f"{quantity}_upper"] = summary["lower"], summary["upper"]
    return table if published is None else _beside(table, published)


def _beside(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    at = ["cycle", "units_remaining"]
    theirs = published.rename(columns={"value": "published"})[[*at, "fraction_remaining", "published"]]
    parts = []
    for curve, ours in table.groupby("curve", sort=False):
        own = theirs[published["curve"] == base_curve(str(curve))]
        part = ours.merge(own, on=at, how="outer", suffixes=("", "_of_theirs"))
        part["fraction_remaining"] = part["fraction_remaining"].fillna(part.pop("fraction_remaining_of_theirs"))
        parts.append(part.assign(curve=curve).sort_values("cycle"))
    return pd.concat(parts, ignore_index=True)


def name(records: pd.DataFrame, what: str) -> str:
    """What the data of a figure are called: the experiment, if the records say it, and what is drawn of it."""
    return f"{records['experiment'].iloc[0]}-{what}" if "experiment" in records else what


def csv(table: pd.DataFrame) -> str:
    """The table as CSV. Numbers keep five significant digits; whole and large ones all digits before the point."""

    def text(value: object) -> object:
        if not isinstance(value, float) or pd.isna(value):
            return value
        return f"{value:.0f}" if value.is_integer() or abs(value) >= 1e4 else f"{value:.5g}"

    return str(table.astype(object).map(text).to_csv(index=False, lineterminator="\n"))


def link(table: pd.DataFrame, called: str) -> str:
    """A link, as HTML, that holds the table itself: it needs neither a server nor a file beside the page.

    Its colour is that of the text around it, since nothing is known here of the page's background.
    """
    address = "data:text/csv;charset=utf-8," + quote(csv(table), safe="/,:;=@+-_.~")
    return (
        f'<a download="{escape(called)}.csv" href="{address}" style="color: inherit; font-size: 0.9em">'
        f"Data of this figure (CSV): {escape(called)}</a>"
    )
