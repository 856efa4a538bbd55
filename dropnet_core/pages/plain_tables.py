"""Tables of words and numbers for the scorecard's page, among them those of the error rates."""

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
from IPython.display import HTML

from dropnet_core.verdicts.decisions import OUTCOMES

STYLE = """<style>
.scorecard {width: 100%; border-collapse: collapse; font-size: 0.9em; margin: 0.5em 0 1em}
.scorecard td, .scorecard th {padding: 0.35em 0.4em; vertical-align: top; text-align: left !important;
  border-top: 1px solid #8886; white-space: normal; overflow-wrap: anywhere}
.scorecard th {overflow-wrap: normal}
.scorecard td.number, .scorecard th.number {text-align: right !important; white-space: nowrap}
.scorecard tr.more td {border-top: none; padding-top: 0}
.scorecard tr {background: none !important}
.scorecard details p {margin: 0.3em 0 0.3em 0.8em}
.scorecard .verdict {white-space: nowrap; border-radius: 0.3em; padding: 0.05em 0.4em; border: 1px solid #8886}
.scorecard code {white-space: normal}
</style>"""


def plain_table(rows: Sequence[Sequence[object]], head: Sequence[str]) -> HTML:
    """A table of words and numbers; numbers stand to the right."""

    def is_number(value: object) -> bool:
        return isinstance(value, int | float | np.number)

    def cell(value: object, tag: str = "td", number: bool = False) -> str:
        text = f"{value:.3f}" if isinstance(value, float | np.floating) else str(value)
        return f"<{tag}{' class=number' if number else ''}>{escape(text)}</{tag}>"

    top = "".join(cell(words, "th", is_number(value)) for words, value in zip(head, rows[0], strict=True))
    body = "".join(f"<tr>{''.join(cell(value, number=is_number(value)) for value in row)}</tr>" for row in rows)
    return HTML(f'{STYLE}<table class="scorecard"><tr>{top}</tr>{body}</table>')


def rates_table(rates: pd.DataFrame) -> HTML:
    """The table of `error_rates.error_rates`."""
    rows = [
        [f"{row['test']}, {row['truth']}", *(row[name] for name in ("effect", *OUTCOMES))]
        for row in rates.to_dict("records")
    ]
    return plain_table(rows, ["test, truth", "effect", *OUTCOMES])


def wrong_table(rates: pd.DataFrame) -> HTML:
    """The table of `error_rates.wrong_verdicts`."""
    truths = [str(name) for name in rates if name not in ("test", "tests", "dying")]
    rows = [
        [f"{row['tests']} {row['test']}{', networks die' if row['dying'] else ''}", *(row[truth] for truth in truths)]
        for row in rates.to_dict("records")
    ]
    return plain_table(rows, ["tests of a true claim", *truths])


def deaths_table(rates: pd.DataFrame) -> HTML:
    """The table of `error_rates.with_deaths`."""
    rows = [
        [f"{row['test']}, {row['truth']}", *(row[name] for name in ("fails", "fails_dying", "milder"))]
        for row in rates.to_dict("records")
    ]
    return plain_table(rows, ["test, how wrong", "fails", "fails when networks die", "milder"])
