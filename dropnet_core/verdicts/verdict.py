"""From the tests of a claim to its verdict."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from dropnet_core.analysis.estimates import SEEDS_FOR_P_VALUE
from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.verdicts.claims import Call, Claim
from dropnet_core.verdicts.decisions import FAILS, HOLDS, OPEN, SMALL, Decision, UncorrectedTest
from dropnet_core.verdicts.evidence import Evidence, MissingEvidence
from dropnet_core.verdicts.primitives import uncorrected_test

CONFIRMED, PARTLY, NOT_CONFIRMED, INCONCLUSIVE = "confirmed", "partly", "not confirmed", "inconclusive"
NO_DIFFERENCE = "no difference that matters"
PARTLY_RUN, NOT_RUN, NOT_TESTED = "partly run", "not yet run", "not tested"
VERDICTS = (CONFIRMED, PARTLY, NO_DIFFERENCE, NOT_CONFIRMED, INCONCLUSIVE, PARTLY_RUN, NOT_RUN, NOT_TESTED)

EvidenceSource = Callable[[str], Evidence]
"""From the name of an experiment to its evidence; raises MissingEvidence where there is none."""


@dataclass(frozen=True)
class CallResult:
    """A call and what it came to. `decision` is None where evidence is missing; `missing` then says what.

    collapsed  for each curve the share of dead networks in what the test compares, where it is known
    """

    call: Call
    decision: Decision | None
    missing: str = ""
    collapsed: Mapping[str, float] | None = None

    @property
    def outcome(self) -> str:
        """A name in `OUTCOMES`, or that the test has not been run."""
        return self.decision.outcome if self.decision else NOT_RUN

    @property
    def collapsed_text(self) -> str:
        """ "max 87 %, min 0 %"; empty where nothing is known."""
        return ", ".join(f"{curve} {100 * share:.0f} %" for curve, share in (self.collapsed or {}).items())


@dataclass(frozen=True)
class ClaimResult:
    """A claim, its verdict (a name in `VERDICTS`) and its tests; `reason` where tests alone do not explain it.

    A claim that sums up others has, in place of tests, `parts`: their ids and verdicts.
    """

    claim: Claim
    verdict: str
    tests: tuple[CallResult, ...] = ()
    reason: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: the p values of tests of which none should be significant by chance. NaN stay NaN.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if not np.isnan(p))
    corrected, largest = [float("nan")] * len(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        corrected[place] = largest
    return corrected


def verdict(outcomes: Sequence[str], few_seeds: bool = False) -> str:
    """The verdict of a claim from the outcomes of its tests; `few_seeds`: one of them has fewer than six.

    "not yet run" and, from the parts of a summary, "not tested" count as outcomes, too.
    """
    if not outcomes or NOT_RUN in outcomes:
        return NOT_RUN if set(outcomes) <= {NOT_RUN, NOT_TESTED} else PARTLY_RUN
    if few_seeds:
        return INCONCLUSIVE
    if set(outcomes) == {HOLDS}:
        return CONFIRMED
    if HOLDS in outcomes:
        return PARTLY if {FAILS, SMALL} & set(outcomes) else INCONCLUSIVE
    if FAILS in outcomes:
        return NOT_CONFIRMED
    return NO_DIFFERENCE if set(outcomes) == {SMALL} else INCONCLUSIVE


def judge_claim(claim: Claim, source: EvidenceSource) -> ClaimResult:
    """A claim with tests of its own on the evidence of a source; p values are corrected over all its tests.

    A claim for later is "not tested", with its note as the reason. Raises InputError for a SUMMARY, which
    needs the others: `judge_all`.
    """
    if claim.kind == "LATER":
        return ClaimResult(claim, NOT_TESTED, reason=claim.note)
    if claim.kind == "SUMMARY":
        raise InputError(f"claim {claim.id} sums up others; judge all of them")
    measured = [_measured(call, claim, source) for call in claim.calls]
    family: dict[Hashable, float] = {}  # the same comparison counts once, even where two tests use it
    for part in measured:
        if isinstance(part, UncorrectedTest):
            family |= {gap.key: gap.p_value for gap in part.pairs}
    corrected = dict(zip(family, holm(list(family.values())), strict=True))
    tests = tuple(
        CallResult(call, part.decide([corrected[gap.key] for gap in part.pairs]), collapsed=part.collapsed)
        if isinstance(part, UncorrectedTest)
        else CallResult(call, None, part)
        for call, part in zip(claim.calls, measured, strict=True)
    )
    few = any(test.decision and test.decision.n < SEEDS_FOR_P_VALUE for test in tests)
    reason = f"fewer than {SEEDS_FOR_P_VALUE} seeds: t intervals alone" if few else ""
    return ClaimResult(claim, verdict([test.outcome for test in tests], few), tests, reason)


def _measured(call: Call, claim: Claim, source: EvidenceSource) -> UncorrectedTest | str:
    """The measurement, or what is missing for it."""
    try:
        return uncorrected_test(call, source(call.experiment), claim.margin, len(claim.calls))
    except MissingEvidence as missing:
        return str(missing)


def judge_all(claims: Sequence[Claim], source: EvidenceSource) -> dict[str, ClaimResult]:
    """All claims by id, in their order. A SUMMARY follows from the verdicts of the claims it names.

    Raises InputError if one of these is not there or sums up others itself.
    """
    judged = {claim.id: judge_claim(claim, source) for claim in claims if claim.kind != "SUMMARY"}
    return {claim.id: judged.get(claim.id) or _summary(claim, judged) for claim in claims}


def _summary(claim: Claim, judged: Mapping[str, ClaimResult]) -> ClaimResult:
    names = [name for call in claim.calls for name in call.names]
    as_outcomes = {
        CONFIRMED: [HOLDS],
        NOT_CONFIRMED: [FAILS],
        PARTLY: [HOLDS, FAILS],
        NO_DIFFERENCE: [SMALL],
        INCONCLUSIVE: [OPEN],
        PARTLY_RUN: [OPEN, NOT_RUN],
        NOT_RUN: [NOT_RUN],
        NOT_TESTED: [NOT_TESTED],
    }
    for name in names:
        if name not in judged:
            raise unknown("claim with tests of its own", name, judged)
    found = {name: judged[name].verdict for name in names}
    outcomes = [outcome for said in found.values() for outcome in as_outcomes[said]]
    reason = "; ".join(f"{name} {said}" for name, said in found.items())
    return ClaimResult(claim, verdict(outcomes), reason=reason, parts=found)
