"""Curves as evidence: the same numbers as `stats` gives, windows, and what is missing."""

import numpy as np
import pandas as pd
import pytest
from made_up_records import MADE_UP_FRACTIONS, falling, records_of_means

from dropnet_core.analysis import stats
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.counting import last_full_fraction
from dropnet_core.verdicts.claims import Window, parse
from dropnet_core.verdicts.evidence import BASE, MissingEvidence, SeedEvidence, Term, common_window

SLOPE = [0.95 - 0.3 * cycle / 15 for cycle in range(16)]


@pytest.fixture
def records() -> pd.DataFrame:
    return records_of_means({"min": SLOPE, "max": falling(0.95, 0.3, 0.5)})


def test_a_point_is_what_stats_interpolates(records: pd.DataFrame) -> None:
    table = stats.at_fraction(records, 0.3)
    found = SeedEvidence.of(records).estimate([Term(1.0, "min", 0.3), Term(-1.0, "max", 0.3)])
    expected = (table["min"] - table["max"]).to_numpy()
    assert found.values == pytest.approx(expected) and found.n == 15


def test_an_average_over_a_window_is_the_mean_of_200_points_in_the_logarithm(records: pd.DataFrame) -> None:
    points = [stats.at_fraction(records, float(x))["min"] for x in np.geomspace(0.05, 0.5, 200)[::40]]
    found = SeedEvidence.of(records).estimate([Term(1.0, "min", (0.05, 0.5))])
    one = records[records["seed"] == 3]
    curve = one[one["curve"] == "min"]
    grid = np.interp(
        np.linspace(np.log(0.05), np.log(0.5), 200),
        np.log(curve["fraction_remaining"])[::-1],
        curve["test_accuracy"][::-1],
    )
    assert found.values is not None and found.values[3] == pytest.approx(grid.mean())
    assert found.mean == pytest.approx(np.mean([point.mean() for point in points]), abs=0.03)


def test_the_base_is_the_mean_of_all_unpruned_networks(records: pd.DataFrame) -> None:
    whole = records[records["cycle"] == 0].groupby("seed")["test_accuracy"].mean()
    assert SeedEvidence.of(records).estimate([Term(1.0, BASE, 1.0)]).values == pytest.approx(whole.to_numpy())
    holed = records[~((records["curve"] == "max") & (records["seed"] == 2))]
    values = SeedEvidence.of(holed).estimate([Term(1.0, BASE, 1.0)]).values
    assert values is not None and len(values) == 15  # seed 2 has its other curve's


def test_a_seed_that_does_not_reach_the_place_is_left_out(records: pd.DataFrame) -> None:
    cut = records[~((records["seed"] < 4) & (records["fraction_remaining"] < 0.2))]
    evidence = SeedEvidence.of(cut)
    assert evidence.estimate([Term(1.0, "min", 0.3)]).n == 15
    assert evidence.estimate([Term(1.0, "min", 0.1)]).n == 11
    assert evidence.estimate([Term(1.0, "min", (0.05, 0.5))]).n == 11
    assert evidence.estimate([Term(1.0, "min", 0.01)]).n == 0
    with pytest.raises(MissingEvidence, match="no records of random"):
        evidence.estimate([Term(1.0, "random", 0.3)])


def test_seeds_are_paired_by_number_and_not_by_place() -> None:
    first = records_of_means({"min": SLOPE}, seeds=range(8))
    second = records_of_means({"max": SLOPE}, seeds=range(5, 12), key=1)
    found = SeedEvidence.of(pd.concat([first, second])).estimate([Term(1.0, "min", 0.1), Term(-1.0, "max", 0.1)])
    assert found.n == 3


def test_the_other_reading_is_picked_by_the_end_of_the_names() -> None:
    both = records_of_means({"min@authors": 0.9, "min@exact": 0.8, "max@exact": 0.2})
    exact = SeedEvidence.of(both, reading="@exact")
    assert exact.curves() == ("min", "max")
    assert exact.estimate([Term(1.0, "min", 0.1)]).mean == pytest.approx(0.8)
    assert SeedEvidence.of(both).estimate([Term(1.0, "min@authors", 0.1)]).mean == pytest.approx(0.9)


def test_seeds_on_different_fractions_are_refused() -> None:
    one, other = records_of_means({"min": 0.9}, seeds=[0, 1]), records_of_means({"min": 0.9}, seeds=[2])
    other["fraction_remaining"] *= 0.99
    with pytest.raises(InputError, match="seeds of 'min' in mnist-fc40-fc40 pass through different fractions"):
        SeedEvidence.of(pd.concat([one, other]))


def test_a_network_without_any_unit_has_no_place_on_the_axis(records: pd.DataFrame) -> None:
    dead = records[records["cycle"] == 15].assign(cycle=16, fraction_remaining=0.0)
    whole, evidence = SeedEvidence.of(records), SeedEvidence.of(pd.concat([records, dead]))
    window = [Term(1.0, "min", (0.05, 0.5))]
    assert evidence.estimate(window).mean == whole.estimate(window).mean
    assert len(evidence.fractions("min")) == 16 and evidence.estimate([Term(1.0, "min", 0.01)]).n == 0


@pytest.mark.parametrize(
    ("experiment", "curve", "end"),
    [
        ("mnist-fc20-fc40", "min_layer", 5 / 60),
        ("mnist-fc20-fc40", "random_layer", 5 / 60),
        ("mnist-fc20-fc40", "min", 0.0),  # a global ranking empties a layer by its own choice
        ("mnist-conv64-conv32", "max_layer", 6 / 96),
        ("mnist-fc40-fc40", "min_layer@exact", 2 / 80),
        ("probe-one-unit-fc20-fc20", "min_layer", 2 / 40),
        ("psweep-fc20-fc20", "min/p=0.9", 0.0),
        ("cifar10-resnet18", "min_layer", 115 / 4800),
    ],
)
def test_where_a_layer_runs_empty_by_counting(experiment: str, curve: str, end: float) -> None:
    assert last_full_fraction(experiment, curve) == pytest.approx(end)


def test_no_window_reaches_below_the_last_network_with_units_in_every_layer() -> None:
    evidence = SeedEvidence.of(records_of_means({"min": 0.9, "min_layer": 0.9}, "mnist-fc20-fc40"))
    assert common_window(evidence, (0.05, 0.5), ["min", "min_layer"]) == (pytest.approx(5 / 60), 0.5)
    assert common_window(evidence, (0.05, 0.5), ["min", "max"]) == (0.05, 0.5)
    assert common_window(evidence, (0.2, 0.5), ["min_layer"]) == (0.2, 0.5)
    assert common_window(evidence, 0.05, ["min_layer"]) == 0.05
    with pytest.raises(MissingEvidence, match="empty by counting"):
        common_window(evidence, (0.05, 0.08), ["min_layer"])


def test_windows_of_the_claims_are_not_cut() -> None:
    """The table's own windows keep above that end; a new one that does not would be cut silently."""
    (call,) = parse("PAIR(mnist-fc20-fc40; min, min_layer; 0.0834, 0.5)")
    assert isinstance(call.window, tuple) and call.window[0] > last_full_fraction("mnist-fc20-fc40", "min_layer")


def test_collapsed_shares_are_taken_where_the_test_looks(records: pd.DataFrame) -> None:
    dead = records_of_means({"max": falling(0.9, 0.1, 0.3)}, spread=0.001)
    evidence = SeedEvidence.of(dead)

    def collapsed(window: Window) -> float:
        return evidence.estimate([Term(1.0, "max", window)]).collapsed["max"]

    assert collapsed(0.5) == 0 and collapsed(0.1) == 1
    between = np.log(0.35 / 0.29) / np.log(0.35 / 0.2875)  # of the way from a living cycle to a dead one
    assert collapsed(0.29) == pytest.approx(between)
    grid = [
        np.interp(-np.log(x), -np.log(MADE_UP_FRACTIONS), [c <= 0.3 for c in MADE_UP_FRACTIONS])
        for x in np.geomspace(0.05, 0.5, 200)
    ]
    assert collapsed((0.05, 0.5)) == pytest.approx(np.mean(grid))


def test_collapsed_shares_are_those_of_the_seeds_that_are_compared() -> None:
    """Seeds 0 to 3 of max are dead, but min was run for the others alone."""
    both = records_of_means({"min": 0.9, "max": 0.9}, spread=0.001)
    dying = (both["curve"] == "max") & (both["seed"] < 4)
    both.loc[dying, ["test_accuracy", "status"]] = [0.1, "collapsed"]
    terms = [Term(1.0, "min", 0.1), Term(-1.0, "max", 0.1)]
    assert SeedEvidence.of(both).estimate(terms).collapsed == {"min": 0, "max": pytest.approx(4 / 15)}
    later = both[~((both["curve"] == "min") & (both["seed"] < 4))]
    assert SeedEvidence.of(later).estimate(terms).collapsed == {"min": 0, "max": 0}


def test_a_seed_that_diverged_counts_as_dead_from_there_on() -> None:
    """Its run ends there. Left out, it would leave the curve as good as its other seeds."""
    records = records_of_means({"min": 0.9}, seeds=10, spread=0.001)
    records.loc[(records["seed"] < 2) & (records["cycle"] == 5), ["test_accuracy", "status"]] = [0.098, "diverged"]
    records = records[~((records["seed"] < 2) & (records["cycle"] > 5))]
    found = SeedEvidence.of(records).estimate([Term(1.0, "min", 0.1)])
    assert found.n == 10 and found.mean == pytest.approx(0.8 * 0.9 + 0.2 * 0.098, abs=0.005)
    assert found.collapsed == {"min": pytest.approx(0.2)}
    before = SeedEvidence.of(records).estimate([Term(1.0, "min", 0.425)])
    assert before.n == 10 and before.mean == pytest.approx(0.9, abs=0.005)


@pytest.mark.parametrize(
    ("experiment", "curve", "last", "units"),
    [
        ("mnist-fc40-fc40", "min", 4, 80),
        ("mnist-fc40-fc40", "min_layer", 4, 80),
        ("mnist-fc20-fc40", "max_layer", 3, 60),
    ],
)
def test_a_curve_of_which_every_seed_diverged_goes_on_to_where_its_runs_would_have_stopped(
    experiment: str, curve: str, last: int, units: int
) -> None:
    records = records_of_means({curve: 0.9}, experiment, seeds=10, spread=0.001, fractions=[1.0, 0.8])
    records.loc[records["cycle"] == 1, ["test_accuracy", "status"]] = [0.098, "diverged"]
    evidence = SeedEvidence.of(records)
    assert evidence.fractions(curve)[-1] == pytest.approx(last / units)
    found = evidence.estimate([Term(1.0, curve, last / units)])
    assert (found.n, found.mean, found.collapsed) == (10, pytest.approx(0.098), {curve: 1})
    assert evidence.estimate([Term(1.0, curve, 0.9 * last / units)]).n == 0  # no run would have come there


def test_a_seed_that_was_not_run_further_is_not_carried_on_with_those_that_diverged() -> None:
    records = records_of_means({"min": 0.9}, seeds=10, spread=0.001, fractions=[1.0, 0.8])
    records.loc[(records["seed"] < 9) & (records["cycle"] == 1), ["test_accuracy", "status"]] = [0.098, "diverged"]
    assert SeedEvidence.of(records).estimate([Term(1.0, "min", 0.1)]).n == 9


def test_empty_layers_are_counted_at_the_place() -> None:
    table = records_of_means({"min": 0.9}, seeds=4)
    table["units_per_layer"] = np.where(
        (table["seed"] < 3) & (table["fraction_remaining"] < 0.2), "5+0+1", "5+2+1"
    )  # fmt: skip
    evidence = SeedEvidence.of(table)
    assert evidence.empty_share("min", (1,), 0.1) == (3, 4)
    assert evidence.empty_share("min", (0, 2), 0.1) == (0, 4)
    assert evidence.empty_share("min", (1,), 0.2) == (0, 4)
    assert evidence.empty_share("min", (1,), 0.1625) == (3, 4)  # the first cycle in which it is
    with pytest.raises(InputError, match="no pruned layer 7 in mnist-fc40-fc40; its last is 2"):
        evidence.empty_share("min", (7,), 0.1)
    with pytest.raises(MissingEvidence, match="reaches 0.01"):
        evidence.empty_share("min", (1,), 0.01)
    with pytest.raises(MissingEvidence, match="no records of max"):
        evidence.empty_share("max", (1,), 0.1)
