"""What a test comes to, and the rule that decides whether a difference is ahead.

A decision needs p values that are corrected over all tests of the claim, so it comes in two steps: a test gives the
differences to correct for, and `UncorrectedTest.decide` takes the corrected p values.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field

import numpy as np

from dropnet_core.analysis.estimates import SEEDS_FOR_P_VALUE, Estimate
from dropnet_core.analysis.stats import LEVEL

HOLDS, FAILS, SMALL, OPEN = "holds", "fails", "small", "open"
OUTCOMES = (HOLDS, FAILS, SMALL, OPEN)
ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class Decision:
    """What a test came to.

    outcome  a name in `OUTCOMES`; only PAIR can be "small"
    reason   in words
    effect   PAIR, EQ: first minus second; DROP: accuracy lost; CLIFF: the smallest gap at the first cycles;
             ORDER: Kendall's tau; SHARE: a share
    lower, upper  95 % interval of the effect (Student's; SHARE: Clopper-Pearson); NaN where it has none
    p, corrected  of the test, and corrected over the claim; NaN where it has none
    n        seeds
    margin   the difference that matters
    seeds    how many would decide an open test with 80 % power, if what was seen were true; else NaN
    """

    outcome: str
    reason: str
    _: KW_ONLY
    effect: float
    lower: float = np.nan
    upper: float = np.nan
    p: float = np.nan
    corrected: float = np.nan
    n: int
    margin: float
    seeds: float = np.nan


@dataclass(frozen=True)
class UncorrectedTest:
    """A test before the correction.

    pairs      the differences whose p values it needs, corrected over the claim
    decide     the decision as a function of these
    collapsed  for each curve the share of dead networks in what was compared, where it is known
    """

    pairs: tuple[Estimate, ...]
    decide: Callable[[Sequence[float]], Decision]
    collapsed: Mapping[str, float] = field(default_factory=dict)


def above(estimate: Estimate, bound: float, among: int = 1) -> bool:
    """Whether the 95 % interval lies above a bound; one of `among` that hold together (Bonferroni)."""
    return estimate.capped_p_above(bound) < ALPHA / 2 / among


def below(estimate: Estimate, bound: float, among: int = 1) -> bool:
    """Whether the 95 % interval lies below a bound; one of `among` that hold together (Bonferroni)."""
    return estimate.capped_p_below(bound) < ALPHA / 2 / among


def significance(gap: Estimate, corrected: float) -> int:
    """1 or -1 if the difference is significantly above or below 0, else 0; below six seeds by the interval alone."""
    seen = corrected < ALPHA if gap.n >= SEEDS_FOR_P_VALUE else above(gap, 0) or below(gap, 0)
    return int(np.sign(gap.mean)) if seen else 0


def lead_outcome(gap: Estimate, corrected: float, margin: float) -> tuple[str, str]:
    """Outcome and reason of the claim that a difference is above 0; one below `margin` does not matter.

    Nothing but the sign of a significant difference tells holding from failing, so more seeds with the same
    values never turn one into the other.
    """
    sign, little = significance(gap, corrected), below(gap, margin)
    if sign > 0:
        return HOLDS, "significantly ahead" + (", by a lead smaller than the margin" if little else "")
    if sign < 0:
        return FAILS, "the opposite is significant"
    if little:
        return SMALL, f"no significant lead, and one of {margin:g} is excluded"
    if gap.n < 2:
        return OPEN, "one seed has no interval"
    return OPEN, "a lead is neither shown nor excluded"


def seeds_to_decide(gap: Estimate, margin: float) -> float:
    """The seeds that would show this difference to be above or below 0, or below the margin, if it is the true one."""
    return gap.seeds_for(max(abs(gap.mean), margin - gap.mean))
