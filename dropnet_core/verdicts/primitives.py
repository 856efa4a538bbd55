"""The six kinds of tests. Each measures what its call names and decides: the claim holds, fails, or is left open.

Worse evidence never makes the outcome of a test milder, before p values are corrected. What holds or fails does so by
p values that move one way only when a seed's value does, so neither the spread that a dead network adds nor any
other loss can hide what the rest shows. Holm's correction couples tests: see the page on verdicts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from scipy import stats as scipy_stats

from dropnet_core.analysis.estimates import Estimate
from dropnet_core.analysis.stats import LEVEL
from dropnet_core.basics.errors import InputError
from dropnet_core.data.facts import DATA_FACTS
from dropnet_core.experiments.experiment import experiment
from dropnet_core.training import DEAD_MARGIN
from dropnet_core.verdicts.claims import Call, Window
from dropnet_core.verdicts.decisions import (
    ALPHA,
    FAILS,
    HOLDS,
    OPEN,
    Decision,
    UncorrectedTest,
    above,
    below,
    lead_outcome,
    seeds_to_decide,
    significance,
)
from dropnet_core.verdicts.evidence import BASE, Evidence, MissingEvidence, Term, common_window

CLIFF_GAP = 0.05
TAU = 0.8  # Kendall's, at which an order counts as found
MARGINS = {"mnist": 0.01}
OTHER_MARGIN = 0.02


def margin_of(call: Call, own_margin: float | None) -> float:
    """The difference that matters: the claim's own, else .01 on MNIST and .02 elsewhere; for CLIFF always .05."""
    if call.kind == "CLIFF":
        return CLIFF_GAP
    if own_margin is not None:
        return own_margin
    return MARGINS.get(experiment(call.experiment).data, OTHER_MARGIN)


def uncorrected_test(
    call: Call, evidence: Evidence, own_margin: float | None = None, among: int = 1
) -> UncorrectedTest:
    """The test of a call on some evidence; `own_margin` is the claim's own margin, `among` the number of its tests.

    A claim fails as soon as one of its tests does and none holds, so the intervals by which tests fail are those
    that hold together for all tests of the claim. PAIRs are corrected by their p values instead.

    Raises MissingEvidence where the evidence lacks a curve, or no seed of it reaches the place.
    """
    margin = margin_of(call, own_margin)
    if call.kind in BY_P_VALUE:
        return BY_P_VALUE[call.kind](call, evidence, margin)
    return BY_INTERVAL[call.kind](call, evidence, margin, among)


def _estimate(evidence: Evidence, terms: Sequence[Term]) -> Estimate:
    found = evidence.estimate(terms)
    if not found.n:
        raise MissingEvidence("no seed reaches the place in all curves")
    return found


def _decision(
    gap: Estimate, outcome: str, reason: str, *, p: float, margin: float, seeds: float, corrected: float = np.nan
) -> Decision:
    """A decision whose effect is an estimate, with its interval."""
    lower, upper = gap.interval()
    return Decision(
        outcome, reason, effect=gap.mean, lower=lower, upper=upper, p=p, corrected=corrected, n=gap.n, margin=margin,
        seeds=seeds,
    )  # fmt: skip


def difference(evidence: Evidence, first: Sequence[str], second: Sequence[str], window: Window) -> Estimate:
    """The mean of the first curves minus the mean of the second ones."""
    terms = [Term(1 / len(first), curve, window) for curve in first]
    return _estimate(evidence, terms + [Term(-1 / len(second), curve, window) for curve in second])


def pair(call: Call, evidence: Evidence, margin: float) -> UncorrectedTest:
    """PAIR: the first curve is ahead of the second."""
    window = common_window(evidence, call.window, call.flat)
    first, second = call.curves
    gap = difference(evidence, first, second, window)

    def decide(corrected: Sequence[float]) -> Decision:
        outcome, reason = lead_outcome(gap, corrected[0], margin)
        seeds = seeds_to_decide(gap, margin) if outcome == OPEN else np.nan
        return _decision(gap, outcome, reason, p=gap.p_value, corrected=corrected[0], margin=margin, seeds=seeds)

    return UncorrectedTest((gap,), decide, gap.collapsed)


def drop(call: Call, evidence: Evidence, margin: float, among: int) -> UncorrectedTest:
    """DROP: the curve lost less than the margin from the whole network (one-sided non-inferiority)."""
    (curve,) = call.flat
    lost = _estimate(evidence, [Term(1.0, BASE, 1.0), Term(-1.0, curve, call.window)])
    p = lost.capped_p_below(margin)
    if p < ALPHA:
        outcome, reason = HOLDS, f"a loss of {margin:g} is excluded"
    elif above(lost, margin, among):
        outcome, reason = FAILS, f"the loss is above {margin:g}"
    else:
        outcome, reason = OPEN, f"a loss of {margin:g} is neither shown nor excluded"
    seeds = lost.seeds_for(abs(lost.mean - margin), sides=1) if outcome == OPEN else np.nan
    made = _decision(lost, outcome, reason, p=p, margin=margin, seeds=seeds)
    return UncorrectedTest((), lambda corrected: made, lost.collapsed)


def equivalence(call: Call, evidence: Evidence, margin: float, among: int) -> UncorrectedTest:
    """EQ: the curves differ by less than the margin (two one-sided tests)."""
    window = common_window(evidence, call.window, call.flat)
    first, second = call.curves
    gap = difference(evidence, first, second, window)
    p = max(gap.capped_p_above(-margin), gap.capped_p_below(margin))
    if p < ALPHA:
        outcome, reason = HOLDS, f"a difference of {margin:g} is excluded"
    elif above(gap, margin, among) or below(gap, -margin, among):
        outcome, reason = FAILS, f"the difference is above {margin:g}"
    else:
        outcome, reason = OPEN, f"a difference of {margin:g} is neither shown nor excluded"
    seeds = gap.seeds_for(abs(abs(gap.mean) - margin), sides=1) if outcome == OPEN else np.nan
    made = _decision(gap, outcome, reason, p=p, margin=margin, seeds=seeds)
    return UncorrectedTest((), lambda corrected: made, gap.collapsed)


def order(call: Call, evidence: Evidence, margin: float) -> UncorrectedTest:
    """ORDER: the mean accuracies over the window come in this order; first and third, last two are told apart.

    First against third: the mean of the first group against the next curve after two places. Last: the mean of
    the last group's neighbour against the last group's.
    """
    window = common_window(evidence, call.window, call.flat)
    height = {curve: _estimate(evidence, [Term(1.0, curve, window)]) for curve in call.flat}
    agreeing = [
        np.sign(height[better].mean - height[worse].mean)
        for upper, lower in combinations(call.curves, 2)
        for better in upper
        for worse in lower
    ]
    tau = float(np.mean(agreeing))
    first, last = call.curves[0], call.curves[-1]
    third = call.flat[min(max(2, len(first)), len(call.flat) - 1)]
    gaps = (difference(evidence, first, [third], window), difference(evidence, call.curves[-2], last, window))

    def decide(corrected: Sequence[float]) -> Decision:
        found = [lead_outcome(gap, p, margin)[0] for gap, p in zip(gaps, corrected, strict=True)]
        parts = [f"first against third {found[0]}", f"last against its neighbour {found[1]}"]
        if tau <= 0 and FAILS in found:
            outcome, reason = FAILS, "; ".join(["no more pairs are in this order than in the other", *parts])
        elif tau >= TAU and found == [HOLDS, HOLDS]:
            outcome, reason = HOLDS, "this order; first against third and last against its neighbour hold"
        else:
            outcome, reason = OPEN, "; ".join([f"{sum(a > 0 for a in agreeing)} of {len(agreeing)} pairs", *parts])
        missing = [gap for gap, said in zip(gaps, found, strict=True) if said == OPEN]
        seeds = max((seeds_to_decide(gap, margin) for gap in missing), default=np.nan) if outcome == OPEN else np.nan
        return Decision(
            outcome, reason, effect=tau, p=max(gap.p_value for gap in gaps), corrected=max(corrected),
            n=min(gap.n for gap in gaps), margin=margin, seeds=seeds,
        )  # fmt: skip

    return UncorrectedTest(
        gaps, decide, {curve: share for one in height.values() for curve, share in one.collapsed.items()}
    )


def cliff(call: Call, evidence: Evidence, margin: float, among: int) -> UncorrectedTest:
    """CLIFF: from a fraction down, the curve is at least .05 below every curve that is not of the max family.

    At every cycle of its own at which it is not dead; and significantly so at the first, where the other one has to
    be .05 above chance. A dead curve has broken down as far as it can. Were a comparison left out because the
    other one is low, a gap that fails would vanish when it narrows further.

    Raises InputError for a data set whose largest class is not known.
    """
    (curve,) = call.flat
    assert isinstance(call.window, float)
    data = experiment(call.experiment).data
    if data not in DATA_FACTS:
        raise InputError(f"'{call.text}': the largest class of {data} is not known; CLIFF needs {list(DATA_FACTS)}")
    chance = DATA_FACTS[data].chance
    cycles = [float(x) for x in evidence.fractions(curve) if x <= call.window * (1 + 1e-6)]
    others = [name for name in evidence.curves() if name != curve and not name.startswith("max")]
    firsts: list[Estimate] = []
    gaps: list[Estimate] = []  # where the curve is not dead
    places: set[float] = set()
    lost: list[str] = []  # curves that are not alive at the first cycle
    for other in others:
        where = [x for x in cycles if not np.isnan(_height(evidence, other, x))]
        for x in where:
            gap = difference(evidence, [other], [curve], x)
            if x == where[0]:
                firsts.append(gap)
                lost += [] if _height(evidence, other, x) > chance + CLIFF_GAP else [other]
            gaps += [gap] if _height(evidence, curve, x) > chance + DEAD_MARGIN else []
            places.add(x)
    if not firsts:
        raise MissingEvidence(f"no cycle at or below {call.window:g} to compare at")
    least_first, smallest = min(firsts, key=lambda gap: gap.mean), min(gaps or firsts, key=lambda gap: gap.mean)
    deep = not gaps or smallest.mean >= margin

    def decide(corrected: Sequence[float]) -> Decision:
        excluded = [gap for gap in firsts if gap in gaps and below(gap, margin, among * len(firsts))]
        sure = all(significance(gap, p) > 0 for gap, p in zip(firsts, corrected, strict=True))
        if excluded:
            outcome, reason = FAILS, f"a gap of {margin:g} is excluded at the first cycle"
        elif sure and deep and not lost:
            outcome, reason = (
                HOLDS,
                f"at least {margin:g} below all others at every cycle" if gaps else "dead at every cycle",
            )
        else:
            parts = [f"the smallest gap is {smallest.mean:.3f}", *(["the first not sure"] if not sure else [])]
            parts += [f"{' and '.join(lost)} not alive at the first cycle"] if lost else []
            outcome, reason = OPEN, ", ".join(parts)
        seeds = np.nan
        if outcome == OPEN and not lost:  # either a first gap is not significant, or one further down is too small
            short_of = smallest.seeds_for(abs(margin - smallest.mean))
            seeds = short_of if sure else max(seeds_to_decide(gap, margin) for gap in firsts)
        decision = _decision(
            least_first, outcome, reason, p=max(gap.p_value for gap in firsts), corrected=max(corrected),
            margin=margin, seeds=seeds,
        )  # fmt: skip
        return replace(decision, n=min(gap.n for gap in firsts))

    return UncorrectedTest(tuple(firsts), decide, _collapsed(evidence, curve, places))


def _collapsed(evidence: Evidence, curve: str, places: Iterable[float]) -> Mapping[str, float]:
    """The share of dead networks of a curve at these fractions, where it is known."""
    shares = [evidence.estimate([Term(1.0, curve, x)]).collapsed.get(curve, np.nan) for x in places]
    return {} if np.isnan(shares).any() else {curve: float(np.mean(shares))}


def _height(evidence: Evidence, curve: str, x: float) -> float:
    """The mean accuracy of a curve at a fraction; NaN outside the curve."""
    return evidence.estimate([Term(1.0, curve, x)]).mean


def share(call: Call, evidence: Evidence, margin: float, among: int) -> UncorrectedTest:
    """SHARE: in at least this share of the seeds one of the layers has no unit left (Clopper-Pearson interval)."""
    assert isinstance(call.window, float)
    (curve,) = call.flat
    empty, n = evidence.empty_share(curve, call.layers, call.window)
    found = scipy_stats.binomtest(empty, n)
    lower, upper = (float(end) for end in found.proportion_ci(LEVEL))
    together = found.proportion_ci(1 - ALPHA / among).high
    outcome = HOLDS if empty >= margin * n else FAILS if together < margin else OPEN
    reason = f"{empty} of {n} seeds"
    made = Decision(outcome, reason, effect=empty / n, lower=lower, upper=upper, n=n, margin=margin)
    last = min(x for x in evidence.fractions(curve) if x >= call.window * (1 - 1e-6))  # where the layers are counted
    return UncorrectedTest((), lambda corrected: made, _collapsed(evidence, curve, [float(last)]))


BY_P_VALUE = {"PAIR": pair, "ORDER": order}
BY_INTERVAL = {"DROP": drop, "EQ": equivalence, "CLIFF": cliff, "SHARE": share}
