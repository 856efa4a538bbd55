"""The six tests on records of known truth: no effect, the margin, a large effect, dead and missing seeds."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_up_records import MADE_UP_FRACTIONS, falling, records_of_means

from dropnet_core.basics.errors import InputError
from dropnet_core.verdicts.claims import parse
from dropnet_core.verdicts.decisions import FAILS, HOLDS, OPEN, SMALL, Decision
from dropnet_core.verdicts.evidence import MissingEvidence, SeedEvidence
from dropnet_core.verdicts.primitives import uncorrected_test


def decided(text: str, records: pd.DataFrame, corrected: float | None = None) -> Decision:
    """The decision on a call; without a correction the p values are taken as they are."""
    (call,) = parse(text)
    measured = uncorrected_test(call, SeedEvidence.of(records))
    return measured.decide([gap.p_value if corrected is None else corrected for gap in measured.pairs])


def pair(effect: float, **settings: Any) -> Decision:
    records = records_of_means({"min": 0.9 + effect, "max": 0.9}, **settings)
    return decided("PAIR(mnist-fc40-fc40; min, max; 0.1, 0.5)", records)


def test_pair_with_a_large_effect_holds_and_its_opposite_fails() -> None:
    ahead, behind = pair(0.05), pair(-0.05)
    assert (ahead.outcome, behind.outcome) == (HOLDS, FAILS)
    assert ahead.effect == pytest.approx(0.05) and ahead.p == 2 / 2**15
    assert ahead.lower < 0.05 < ahead.upper and ahead.n == 15
    assert behind.reason == "the opposite is significant"


def test_pair_without_an_effect_is_small_when_the_margin_is_excluded() -> None:
    found = pair(0.0, spread=0.005)
    assert found.outcome == SMALL and found.upper < 0.01 and np.isnan(found.seeds)
    assert found.reason == "no significant lead, and one of 0.01 is excluded"


def test_pair_with_more_noise_than_effect_is_open_and_says_how_many_seeds_it_takes() -> None:
    found = pair(0.01, spread=0.08)
    assert found.outcome == OPEN and found.lower < 0 and found.upper > 0.01
    assert 15 < found.seeds < 1000


def test_a_small_but_sure_lead_holds_and_is_called_small() -> None:
    found = pair(0.004, spread=0.004)
    assert found.outcome == HOLDS and found.upper < 0.01 and "smaller than the margin" in found.reason
    assert pair(0.012, spread=0.01).reason == "significantly ahead"  # the interval reaches beyond the margin


def test_the_corrected_p_value_decides() -> None:
    records = records_of_means({"min": 0.92, "max": 0.9}, spread=0.02)
    call = "PAIR(mnist-fc40-fc40; min, max; 0.1, 0.5)"
    assert decided(call, records).outcome == HOLDS
    assert decided(call, records, corrected=0.06).outcome == OPEN


def test_few_seeds_are_judged_by_the_interval_alone() -> None:
    found = pair(0.05, seeds=5)
    assert found.outcome == HOLDS and np.isnan(found.p) and found.lower > 0
    one = pair(0.05, seeds=1)
    assert one.outcome == OPEN and np.isnan(one.lower) and one.reason == "one seed has no interval"


def test_dead_seeds_are_counted_with_the_others() -> None:
    """A third of one curve's seeds collapses: the mean falls, the spread grows, and nothing is left out."""
    records = records_of_means({"min": 0.9, "max": 0.9})
    dead = (records["curve"] == "max") & (records["seed"] % 3 == 0) & (records["cycle"] > 3)
    records.loc[dead, ["test_accuracy", "status"]] = [0.1, "collapsed"]
    found = decided("PAIR(mnist-fc40-fc40; min, max; 0.1, 0.4)", records)
    assert found.n == 15 and found.effect == pytest.approx(0.8 / 3, abs=0.01)
    assert found.upper - found.lower > 0.3 and found.p > 0.03  # where all seeds agreed it would be .00006


def test_missing_seeds_leave_the_pairs_there_are() -> None:
    records = records_of_means({"min": 0.95, "max": 0.9})
    records = records[~((records["curve"] == "max") & (records["seed"] >= 7))]
    assert decided("PAIR(mnist-fc40-fc40; min, max; x=0.1)", records).n == 7
    with pytest.raises(MissingEvidence, match="no seed"):
        decided("PAIR(mnist-fc40-fc40; min, max; x=0.01)", records)


@pytest.mark.parametrize(
    ("loss", "spread", "outcome"),
    [(0.0, 0.003, HOLDS), (0.01, 0.003, OPEN), (0.05, 0.003, FAILS), (0.0, 0.05, OPEN), (-0.02, 0.003, HOLDS)],
)
def test_drop(loss: float, spread: float, outcome: str) -> None:
    records = records_of_means({"min": falling(0.95, 0.95 - loss, 0.9)}, spread=spread)
    found = decided("DROP(mnist-fc40-fc40; min; x=0.1)", records)
    assert found.outcome == outcome
    assert found.effect == pytest.approx(loss, abs=1e-9)
    assert (found.p < 0.05) == (outcome == HOLDS)
    assert np.isnan(found.seeds) == (outcome != OPEN)


@pytest.mark.parametrize(
    ("effect", "spread", "outcome"),
    [(0.0, 0.003, HOLDS), (0.01, 0.003, OPEN), (0.03, 0.003, FAILS), (-0.03, 0.003, FAILS), (0.0, 0.2, OPEN)],
)
def test_equality(effect: float, spread: float, outcome: str) -> None:
    records = records_of_means({"min": 0.9 + effect, "max": 0.9}, spread=spread)
    found = decided("EQ(mnist-fc40-fc40; min, max; 0.1, 0.5)", records)
    assert found.outcome == outcome and (found.p < 0.05) == (outcome == HOLDS)


def test_the_margin_of_another_data_set_is_wider() -> None:
    records = records_of_means({"min": 0.915, "max": 0.9}, "cifar10-conv128x4", spread=0.003)
    assert decided("EQ(cifar10-conv128x4; min, max; 0.1, 0.5)", records).outcome == HOLDS


RANKED = {"min_layer": 0.9, "min": 0.87, "random_layer": 0.84, "max_layer": 0.81, "random": 0.78, "max": 0.5}
ORDER = "ORDER(mnist-fc40-fc40; min_layer > min > random_layer > max_layer > random > max; 0.05, 0.5)"


def test_order_that_is_there() -> None:
    found = decided(ORDER, records_of_means(RANKED))
    assert (found.outcome, found.effect) == (HOLDS, 1.0)


def test_order_with_one_swap_of_neighbours_still_holds() -> None:
    found = decided(ORDER, records_of_means(RANKED | {"max_layer": 0.78, "random": 0.81}))
    assert found.outcome == HOLDS and found.effect == pytest.approx(13 / 15)


def test_order_backwards_fails_and_half_of_it_is_open() -> None:
    back = dict(zip(RANKED, reversed(RANKED.values()), strict=True))
    assert decided(ORDER, records_of_means(back)).outcome == FAILS
    middling = dict(zip(RANKED, (0.78, 0.81, 0.5, 0.9, 0.84, 0.87), strict=True))  # 6 of 15 pairs
    found = decided(ORDER, records_of_means(middling))
    assert found.outcome == FAILS and -0.5 < found.effect < 0
    halves = RANKED | {"min_layer": 0.6, "min": 0.7}
    found = decided(ORDER, records_of_means(halves))
    assert found.outcome == OPEN and 0 < found.effect < 0.8


def test_order_needs_first_and_third_and_the_last_two_told_apart() -> None:
    close = RANKED | {"min_layer": 0.8402, "min": 0.8401}
    found = decided(ORDER, records_of_means(close))
    assert found.outcome == OPEN and found.effect == 1.0 and "first against third small" in found.reason
    found = decided(ORDER, records_of_means(RANKED | {"max": 0.7799}))
    assert found.outcome == OPEN and "last against its neighbour small" in found.reason


def test_ties_of_an_order_count_for_nothing_and_stand_in_as_their_mean() -> None:
    tied = "ORDER(mnist-fc40-fc40; {min, min_layer} > random > max; 0.05, 0.5)"
    records = records_of_means({"min": 0.99, "min_layer": 0.81, "random": 0.85, "max": 0.5})
    (call,) = parse(tied)
    first, last = uncorrected_test(call, SeedEvidence.of(records)).pairs
    assert first.mean == pytest.approx(0.05) and last.mean == pytest.approx(0.35)  # mean of the tie against random
    assert decided(tied, records).effect == pytest.approx((4 - 1) / 5)  # min_layer lies below random


def test_a_tie_of_more_than_two_is_compared_with_what_follows_it() -> None:
    (call,) = parse("ORDER(mnist-fc40-fc40; {min, min_layer, random} > max; 0.05, 0.5)")
    first, last = uncorrected_test(
        call, SeedEvidence.of(records_of_means({"min": 0.9, "min_layer": 0.8, "random": 0.7, "max": 0.5}))
    ).pairs
    assert first.key == last.key and first.mean == pytest.approx(0.3)


CLIFF = "CLIFF(mnist-fc40-fc40; max; 0.5)"
OTHERS = {"min": 0.9, "random": 0.88, "max_layer": 0.2}


def test_cliff_that_is_there_and_does_not_look_at_the_max_family() -> None:
    found = decided(CLIFF, records_of_means(OTHERS | {"max": falling(0.9, 0.4, 0.5)}))
    assert found.outcome == HOLDS and found.effect == pytest.approx(0.48)  # to the nearer one


def test_cliff_that_begins_later_fails_at_its_first_cycle() -> None:
    found = decided(CLIFF, records_of_means(OTHERS | {"max": falling(0.88, 0.4, 0.3)}))
    assert found.outcome == FAILS and "first cycle" in found.reason


def test_cliff_that_ends_is_open() -> None:
    back = [0.9 if fraction > 0.5 or fraction < 0.1 else 0.4 for fraction in MADE_UP_FRACTIONS]
    found = decided(CLIFF, records_of_means(OTHERS | {"max": back}))
    assert found.outcome == OPEN and "smallest gap is -0.0" in found.reason


def test_a_sure_but_shallow_cliff_says_how_many_seeds_would_tell_its_depth() -> None:
    records = records_of_means({"min": 0.9, "max": falling(0.9, 0.852, 0.5)}, spread=0.005)
    found = decided(CLIFF, records)
    assert found.outcome == OPEN and found.corrected < 0.05 and found.reason.startswith("the smallest gap is 0.048")
    assert found.seeds > found.n


def test_cliff_looks_away_where_both_curves_are_dead() -> None:
    records = records_of_means({"min": falling(0.9, 0.11, 0.15), "max": falling(0.9, 0.11, 0.5)})
    assert decided(CLIFF, records).outcome == HOLDS
    barely_alive = records_of_means({"min": falling(0.9, 0.12, 0.15), "max": falling(0.9, 0.12, 0.5)})
    assert decided(CLIFF, barely_alive).outcome == OPEN
    found = decided(CLIFF, records_of_means({"min": 0.11, "max": 0.11}))
    assert found.outcome == OPEN and found.reason.endswith("min not alive at the first cycle")
    assert decided(CLIFF, records_of_means({"min": 0.12, "max": 0.12})).outcome == FAILS
    with pytest.raises(MissingEvidence, match="no cycle at or below 0.5"):
        decided(CLIFF, records_of_means({"max": 0.11}))


def test_cliff_needs_to_know_the_largest_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dropnet_core.verdicts.primitives.DATA_FACTS", {})
    with pytest.raises(InputError, match="largest class of mnist is not known"):
        decided(CLIFF, records_of_means({"min": 0.9, "max": 0.4}))


@pytest.mark.parametrize(("empty", "outcome"), [(16, HOLDS), (8, HOLDS), (7, OPEN), (2, FAILS), (0, FAILS)])
def test_share_of_seeds_with_an_empty_layer(empty: int, outcome: str) -> None:
    records = records_of_means({"min": 0.9}, seeds=16)
    records.loc[(records["seed"] < empty) & (records["cycle"] > 5), "units_per_layer"] = "0+3"
    (call,) = parse("SHARE(mnist-fc40-fc40; min; layers=0; x=0.1)")
    found = uncorrected_test(call, SeedEvidence.of(records), 0.5).decide([])
    assert (found.outcome, found.n, found.effect) == (outcome, 16, pytest.approx(empty / 16))


def test_an_order_that_is_reversed_by_chance_alone_is_open() -> None:
    back = {curve: 0.9 + 0.0001 * place for place, curve in enumerate(RANKED)}
    found = decided(ORDER, records_of_means(back))
    assert found.effect == -1 and found.outcome == OPEN
    assert "first against third small" in found.reason


TWELVE = {
    "DROP(mnist-fc40-fc40; min; x=0.1)": 0.01 + 0.005,
    "EQ(mnist-fc40-fc40; random, min; x=0.1)": 0.01 + 0.005,
    "CLIFF(mnist-fc40-fc40; min; 0.1)": 0.05 - 0.005,
}
"""Calls, and a gap between random and min that lies 0.005 on their wrong side."""


@pytest.mark.parametrize(("text", "gap"), TWELVE.items())
def test_an_interval_that_fails_a_test_of_its_own_need_not_fail_one_of_twelve(text: str, gap: float) -> None:
    """Two and a half standard errors beyond the margin: p = .013 on one side, which is not .025 / 12."""
    noise = np.random.default_rng(0).standard_normal(15)
    gaps = gap + 0.002 * np.sqrt(15) * (noise - noise.mean()) / noise.std(ddof=1)
    records = records_of_means({"random": 0.9, "min": 0.9}, spread=0.0)
    late = (records["curve"] == "min") & (records["fraction_remaining"] < 0.5)
    records.loc[late, "test_accuracy"] -= gaps[records.loc[late, "seed"]]
    (call,) = parse(text)
    outcomes = []
    for among in (1, 12):
        measured = uncorrected_test(call, SeedEvidence.of(records), among=among)
        outcomes.append(measured.decide([estimate.p_value for estimate in measured.pairs]).outcome)
    assert outcomes == [FAILS, OPEN]
