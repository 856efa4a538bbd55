"""From outcomes to verdicts, and Holm's correction."""

import numpy as np
import pandas as pd
import pytest
from made_up_records import MADE_UP_FRACTIONS, falling, records_of_means

from dropnet_core.basics.errors import InputError
from dropnet_core.verdicts.claims import Call, Claim, parse
from dropnet_core.verdicts.decisions import FAILS, HOLDS, OPEN, SMALL, UncorrectedTest
from dropnet_core.verdicts.evidence import Evidence, MissingEvidence, SeedEvidence
from dropnet_core.verdicts.primitives import uncorrected_test
from dropnet_core.verdicts.verdict import (
    CONFIRMED,
    INCONCLUSIVE,
    NO_DIFFERENCE,
    NOT_CONFIRMED,
    NOT_RUN,
    NOT_TESTED,
    PARTLY,
    PARTLY_RUN,
    ClaimResult,
    EvidenceSource,
    holm,
    judge_all,
    judge_claim,
    verdict,
)


def claim(tests: str, name: str = "X1", note: str = "") -> Claim:
    return Claim(name, "ours", "made up", parse(tests), None, note)


def source(*tables: pd.DataFrame) -> EvidenceSource:
    known = {str(table["experiment"].iloc[0]): SeedEvidence.of(table) for table in tables}

    def evidence(name: str) -> Evidence:
        if name not in known:
            raise MissingEvidence("no records")
        return known[name]

    return evidence


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([HOLDS, HOLDS], CONFIRMED),
        ([FAILS, FAILS], NOT_CONFIRMED),
        ([FAILS, OPEN], NOT_CONFIRMED),
        ([HOLDS, FAILS], PARTLY),
        ([HOLDS, FAILS, OPEN], PARTLY),
        ([HOLDS, OPEN], INCONCLUSIVE),
        ([OPEN], INCONCLUSIVE),
        ([HOLDS, SMALL], PARTLY),
        ([HOLDS, SMALL, OPEN], PARTLY),
        ([FAILS, SMALL], NOT_CONFIRMED),
        ([SMALL, SMALL], NO_DIFFERENCE),
        ([SMALL, OPEN], INCONCLUSIVE),
        ([HOLDS, NOT_RUN], PARTLY_RUN),
        ([FAILS, NOT_RUN], PARTLY_RUN),
        ([OPEN, NOT_RUN, NOT_RUN], PARTLY_RUN),
        ([NOT_RUN, NOT_RUN], NOT_RUN),
        ([NOT_RUN, NOT_TESTED], NOT_RUN),
        ([], NOT_RUN),
    ],
)
def test_the_rule(outcomes: list[str], expected: str) -> None:
    assert verdict(outcomes) == expected


def test_fewer_than_six_seeds_are_at_most_inconclusive() -> None:
    assert verdict([HOLDS, HOLDS], few_seeds=True) == INCONCLUSIVE
    assert verdict([HOLDS, NOT_RUN], few_seeds=True) == PARTLY_RUN
    sure = claim("PAIR(mnist-fc40-fc40; min, max; 0.1, 0.5)")
    few, enough = (judge_claim(sure, source(records_of_means({"min": 0.95, "max": 0.9}, seeds=n))) for n in (5, 6))
    assert few.tests[0].outcome == HOLDS  # by its interval
    assert few.verdict == INCONCLUSIVE and few.reason == "fewer than 6 seeds: t intervals alone"
    assert enough.verdict == CONFIRMED and not enough.reason


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    corrected = holm([np.nan, 0.02, 0.01])
    assert np.isnan(corrected[0]) and corrected[1:] == [0.02, 0.02]


def test_p_values_are_corrected_over_the_tests_of_one_claim_only() -> None:
    """Six pairs of which one alone would do: with five more tests beside it, it does not."""
    records = records_of_means({"a": 0.91, "b": 0.9, "c": 0.9, "d": 0.9}, spread=0.02, key=3)
    alone = judge_claim(claim("PAIR(mnist-fc40-fc40; a, b; x=0.1)"), source(records)).tests[0].decision
    among = judge_claim(
        claim("; ".join(f"PAIR(mnist-fc40-fc40; {pair}; x=0.1)" for pair in ("a, b", "b, c", "c, d", "b, d"))),
        source(records),
    ).tests[0].decision  # fmt: skip
    assert alone is not None and among is not None
    assert alone.p == among.p == alone.corrected and among.corrected > 2 * among.p


def test_the_same_comparison_counts_once() -> None:
    """In an order of one group against one curve, first against third and last against neighbour are the same."""
    records = records_of_means({"min": 0.9, "random": 0.9, "max": 0.5})
    order = claim("ORDER(mnist-fc40-fc40; {min, random} > max; 0.1, 0.5)")
    decision = judge_claim(order, source(records)).tests[0].decision
    assert decision is not None and decision.corrected == decision.p


def test_equality_and_loss_take_no_part_in_the_correction() -> None:
    records = records_of_means({"min": 0.95, "max": 0.9, "random": 0.95}, spread=0.003)
    tests = "PAIR(mnist-fc40-fc40; min, max; x=0.1); EQ(mnist-fc40-fc40; min, random; x=0.1)"
    pair, equal = (test.decision for test in judge_claim(claim(tests), source(records)).tests)
    assert pair is not None and equal is not None
    assert pair.corrected == pair.p and np.isnan(equal.corrected) and equal.outcome == HOLDS


def test_what_is_missing_is_said_and_the_rest_is_still_tested() -> None:
    tests = (
        "PAIR(mnist-fc40-fc40; min, max; x=0.1); PAIR(mnist-fc20-fc40; min, max; x=0.1); "
        "PAIR(mnist-fc40-fc40; min, random; x=0.1); PAIR(mnist-fc40-fc40; min, max; x=0.01)"
    )
    judged = judge_claim(claim(tests), source(records_of_means({"min": 0.95, "max": 0.9})))
    assert judged.verdict == PARTLY_RUN
    assert [test.outcome for test in judged.tests] == [HOLDS, NOT_RUN, NOT_RUN, NOT_RUN]
    assert [test.missing for test in judged.tests[1:]] == [
        "no records", "no records of random", "no seed reaches the place in all curves",
    ]  # fmt: skip


def test_the_share_of_collapsed_trainings_stands_beside_a_test() -> None:
    records = records_of_means({"min": 0.9, "max": falling(0.9, 0.1, 0.5)}, spread=0.001)
    (test,) = judge_claim(claim("PAIR(mnist-fc40-fc40; min, max; x=0.1)"), source(records)).tests
    assert test.collapsed_text == "min 0 %, max 100 %"
    (cliff,) = judge_claim(claim("CLIFF(mnist-fc40-fc40; max; 0.6)"), source(records)).tests
    assert cliff.collapsed_text == "max 92 %"  # 12 of the 13 cycles from 0.525 down, not the nearest one alone


def test_the_share_of_collapsed_trainings_is_that_of_the_window_the_test_looks_at() -> None:
    """min_layer empties the layer of 20 nodes by counting alone at 3 of 60 units; no test looks there."""
    layered = [0.9 if fraction > 0.07 else 0.1 for fraction in MADE_UP_FRACTIONS]
    records = records_of_means({"min": 0.95, "min_layer": layered}, "mnist-fc20-fc40", spread=0.001)
    (test,) = judge_claim(claim("PAIR(mnist-fc20-fc40; min, min_layer; 0.05, 0.5)"), source(records)).tests
    assert test.collapsed_text == "min 0 %, min_layer 0 %"  # the window ends at 5/60
    empty = records.assign(units_per_layer="0+5")
    (share,) = judge_claim(claim("SHARE(mnist-fc20-fc40; min_layer; layers=0; x=0.08)"), source(empty)).tests
    assert share.collapsed_text == "min_layer 0 %"  # counted at the cycle above


def test_later_is_not_tested_and_says_why() -> None:
    judged = judge_claim(claim("LATER(mnist-fc40-fc40)", note="Needs weights."), source())
    assert (judged.verdict, judged.reason, judged.tests) == (NOT_TESTED, "Needs weights.", ())


def test_a_summary_follows_from_the_claims_it_names() -> None:
    records = records_of_means({"min": 0.95, "max": 0.9})
    holds = claim("PAIR(mnist-fc40-fc40; min, max; x=0.1)", "A1")
    fails = claim("PAIR(mnist-fc40-fc40; max, min; x=0.1)", "A2")
    both = claim("PAIR(mnist-fc40-fc40; min, max; x=0.1); PAIR(mnist-fc40-fc40; max, min; x=0.1)", "A5")
    away = claim("PAIR(mnist-fc20-fc40; max, min; x=0.1)", "A3")
    later = claim("LATER(mnist-fc40-fc40)", "A4", "Needs weights.")

    def summed(names: str) -> ClaimResult:
        all_of_them = [claim(f"SUMMARY({names})", "S1"), holds, fails, both, away, later]
        return judge_all(all_of_them, source(records))["S1"]

    assert summed("A1").verdict == CONFIRMED
    assert summed("A1 A2").verdict == PARTLY and summed("A1 A2").reason == "A1 confirmed; A2 not confirmed"
    assert (
        summed("A5").verdict == PARTLY and summed("A1 A3").verdict == PARTLY_RUN and summed("A3 A4").verdict == NOT_RUN
    )
    assert summed("A1 A4").verdict == INCONCLUSIVE  # one part was never tested
    for unknown in ("Z9", "S1"):
        with pytest.raises(InputError, match="unknown claim with tests of its own"):
            summed(unknown)
    with pytest.raises(InputError, match="sums up others"):
        judge_claim(claim("SUMMARY(A1)"), source())


def test_the_intervals_of_a_claim_hold_together(monkeypatch: pytest.MonkeyPatch) -> None:
    among: list[int] = []

    def spy(call: Call, evidence: Evidence, given: float | None, tests: int) -> UncorrectedTest:
        among.append(tests)
        return uncorrected_test(call, evidence, given, tests)

    monkeypatch.setattr("dropnet_core.verdicts.verdict.uncorrected_test", spy)
    tests = "DROP(mnist-fc40-fc40; min; x=0.1); DROP(mnist-fc40-fc40; min; x=0.2); DROP(mnist-fc40-fc40; min; x=0.3)"
    judge_claim(claim(tests), source(records_of_means({"min": 0.9})))
    assert among == [3, 3, 3]
