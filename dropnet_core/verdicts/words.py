"""Verdicts in words: of our runs, and of the paper's own figures, which are no second witness of what it says."""

from collections.abc import Sequence

import pandas as pd

from dropnet_core.verdicts.verdict import (
    CONFIRMED,
    INCONCLUSIVE,
    NO_DIFFERENCE,
    NOT_CONFIRMED,
    NOT_RUN,
    NOT_TESTED,
    PARTLY,
    PARTLY_RUN,
)

NOT_SHOWN, PARTLY_SHOWN = "not shown", "partly shown"
PAPER_TERMS = {NOT_RUN: NOT_SHOWN, PARTLY_RUN: PARTLY_SHOWN}
"""What a verdict or an outcome is called where the evidence is the paper's."""

PAPER_WORDS = {
    CONFIRMED: "they show it",
    PARTLY: "they show a part",
    NO_DIFFERENCE: "they show no difference that matters",
    NOT_CONFIRMED: "they speak against it",
    INCONCLUSIVE: "they leave it open",
}
"""What a verdict that tests gave means where "they" are the paper's own figures."""


def paper_words(verdict: str) -> str:
    """A verdict on the paper's own figures, in words that say whose evidence it is."""
    return PAPER_WORDS.get(verdict) or PAPER_TERMS.get(verdict, verdict)


def records_sentence(counts: pd.Series) -> str:
    """A sentence on how many claims have each verdict on our runs; the index of `counts` are all verdicts."""
    return (
        f"Of the {counts.sum()} claims in its list, this book's own runs have put {_judged(counts)} to the test so "
        f"far: {_given(counts)}; {counts[PARTLY_RUN]} have been run in part, {counts[NOT_RUN]} wait for experiments "
        f"that have not been run, and {counts[NOT_TESTED]} are of a kind that its tests do not cover."
    )


def paper_sentence(counts: pd.Series, headline: str) -> str:
    """A sentence on the verdicts on the paper's own figures; `headline` is that of its main claim."""
    parts = [f"{words} for {counts[said]}" for said, words in PAPER_WORDS.items() if counts[said]]
    return (
        f"The paper's own curves, judged by the same rule, bear on {_judged(counts)} claims in full: {_listed(parts)}. "
        "For the headline, that up to 90 % of the units can go without a significant loss of accuracy, "
        f"{PAPER_WORDS.get(headline, 'they do not show enough')}."
    )


def _judged(counts: pd.Series) -> int:
    """The claims of which all tests have been made."""
    return int(counts[list(PAPER_WORDS)].sum())


def _given(counts: pd.Series) -> str:
    """The verdicts that tests gave: "4 are confirmed, 1 partly confirmed and 2 inconclusive"."""
    words = {PARTLY: "partly confirmed", NO_DIFFERENCE: "without a difference that matters"}
    parts = [f"{counts[said]} {words.get(said, said)}" for said in PAPER_WORDS if counts[said]]
    if not parts:
        return "none is decided"
    parts[0] = parts[0].replace(" ", " is " if parts[0].startswith("1 ") else " are ", 1)
    return _listed(parts)


def _listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
