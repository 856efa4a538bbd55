"""Statistics: against values worked out by hand or by another route, and at the edges."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from dropnet_core.analysis import stats
from dropnet_core.basics.errors import InputError

VALUES = np.array([1.0, 2.0, 3.0, 6.0])  # mean 3, sum of squares 14


def table(values: dict[str, dict[int, list[float]]], fractions: list[float], units: int = 100) -> pd.DataFrame:
    """Records of an experiment from curve -> seed -> accuracy per cycle."""
    return pd.DataFrame(
        {
            "experiment": "made-up",
            "curve": curve,
            "seed": seed,
            "cycle": cycle,
            "fraction_remaining": fractions[cycle],
            "units_remaining": round(fractions[cycle] * units),
            "parameters": 1000 * (cycle + 1) + seed,
            "macs": 10,
            "test_accuracy": value,
            "status": "collapsed" if value < 0.2 else "ok",
        }
        for curve, runs in values.items()
        for seed, run in runs.items()
        for cycle, value in enumerate(run)
    )


def test_a_t_interval_has_the_level_that_is_asked_for() -> None:
    """The 90 % interval decides two one-sided tests at 5 %."""
    half = 2.3533634 * math.sqrt(14 / 3 / 4)  # Student's 95 % quantile with 3 degrees of freedom, standard error
    assert stats.t_interval(VALUES, level=0.90) == pytest.approx((3 - half, 3 + half))


def test_means_reduce_the_first_axis_only() -> None:
    stacked = np.stack([VALUES, 10 * VALUES], axis=1)  # (seeds, 2)
    assert stats.mean(stacked).tolist() == [3, 30]
    assert stats.median(stacked).tolist() == [2.5, 25]
    for interval in stats.INTERVAL_METHODS.values():
        lower, upper = interval(stacked)
        assert lower.shape == upper.shape == (2,)
        np.testing.assert_allclose([lower[1], upper[1]], [10 * lower[0], 10 * upper[0]])


def test_paper_interval_uses_the_population_deviation() -> None:
    lower, upper = stats.paper_interval(VALUES)
    half = 1.96 * math.sqrt(14 / 4) / math.sqrt(4)
    assert (float(lower), float(upper)) == pytest.approx((3 - half, 3 + half))


def test_t_interval_uses_the_sample_deviation_and_students_quantile() -> None:
    lower, upper = stats.t_interval(VALUES)
    half = 3.182446 * math.sqrt(14 / 3) / math.sqrt(4)  # quantile .975 with 3 degrees of freedom, from a table
    assert (float(lower), float(upper)) == pytest.approx((3 - half, 3 + half), rel=1e-6)


def test_at_15_seeds_students_interval_is_13_per_cent_wider_than_the_papers() -> None:
    values = np.arange(15.0)
    (a, b), (c, d) = stats.paper_interval(values), stats.t_interval(values)
    assert float((d - c) / (b - a)) == pytest.approx(1.13, abs=0.005)


def test_bootstrap_is_repeatable_and_takes_another_statistic() -> None:
    values = np.random.default_rng(0).normal(3.0, 1.0, 12)
    first, second = stats.bootstrap_interval(values), stats.bootstrap_interval(values)
    assert first == second
    lower, upper = stats.t_interval(values)
    np.testing.assert_allclose(first, (lower, upper), atol=0.2)
    assert stats.bootstrap_interval(VALUES, np.max)[1] == 6


@pytest.mark.parametrize("name", stats.INTERVAL_METHODS)
def test_one_seed_has_no_interval_and_equal_seeds_an_empty_one(name: str) -> None:
    lower, upper = stats.INTERVAL_METHODS[name]([0.5])
    assert np.isnan(lower) and np.isnan(upper)
    lower, upper = stats.INTERVAL_METHODS[name]([0.5, 0.5, 0.5])
    assert (float(lower), float(upper)) == (0.5, 0.5)


@pytest.mark.parametrize("differences", [[1.0, 2.0, 3.0], [0.1, 0.2, -0.3], [0.5], [0.0, 0.0], [0.1, 0.2, -0.3, 0.4]])
def test_sign_flips_equal_trying_all_signs(differences: list[float]) -> None:
    seen = abs(sum(differences))
    flipped = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    expected = np.mean([value > seen - 1e-9 for value in flipped])
    assert stats.sign_flip_p_value(differences) == expected


def test_sign_flips_are_exact_at_15_seeds_and_drawn_beyond_20() -> None:
    assert stats.sign_flip_p_value(np.arange(1.0, 16.0)) == 2 / 2**15
    many = np.random.default_rng(0).normal(0.3, 1.0, 25)
    exact_at_20 = stats.sign_flip_p_value(many[:20])
    drawn = stats.sign_flip_p_value(many)
    assert drawn == stats.sign_flip_p_value(many)
    assert 0 < drawn < 1 and 0 < exact_at_20 < 1


def test_paired_differences_by_hand() -> None:
    found = stats.paired([0.9, 0.8, math.nan, 0.7], [0.8, 0.6, 0.5, 0.4])
    assert (found.n, found.mean, found.p_value) == (3, pytest.approx(0.2), 0.25)
    assert (found.lower, found.upper) == pytest.approx((0.2 - 4.302653 * 0.1 / math.sqrt(3), 0.4484), abs=1e-4)


def test_pairs_that_do_not_match_are_refused() -> None:
    with pytest.raises(InputError, match="same seeds"):
        stats.paired([1, 2], [1, 2, 3])
    with pytest.raises(InputError, match="no seed has both"):
        stats.paired([1, math.nan], [math.nan, 2])


def test_summary_of_two_curves() -> None:
    records = table({"max": {0: [0.9, 0.1], 1: [0.7, 0.3]}, "min": {0: [0.9, 0.8]}}, [1.0, 0.5])
    records = records.sample(frac=1, random_state=0).sort_values("curve", kind="stable", ascending=False)
    summary = stats.summarise(records)
    assert list(summary.columns) == list(stats.SUMMARY_COLUMNS)
    assert list(zip(summary["curve"], summary["cycle"], strict=True)) == [
        ("min", 0), ("min", 1), ("max", 0), ("max", 1),
    ]  # fmt: skip
    assert summary["n"].tolist() == [1, 1, 2, 2]
    assert summary["mean"].tolist() == pytest.approx([0.9, 0.8, 0.8, 0.2])
    assert summary["share_collapsed"].tolist() == [0, 0, 0, 0.5]
    assert summary["units_remaining"].tolist() == [100, 50, 100, 50]
    assert summary["parameters"].tolist() == [1000, 2000, 1000.5, 2000.5]
    assert summary["lower"].isna().tolist() == [True, True, False, False]
    lower, upper = stats.paper_interval([0.1, 0.3])
    last = stats.summarise(records, interval="paper").iloc[3]
    assert (last["lower"], last["upper"]) == (lower, upper)


def test_a_missing_value_is_not_counted() -> None:
    records = table({"min": {0: [0.9], 1: [math.nan]}, "max": {0: [math.nan]}}, [1.0])
    summary = stats.summarise(records).set_index("curve")
    assert summary["n"].to_dict() == {"min": 1, "max": 0}
    assert summary["mean"]["min"] == 0.9 and np.isnan(summary["mean"]["max"])


def test_records_that_cannot_be_averaged_are_refused() -> None:
    records = table({"min": {0: [0.9], 1: [0.8]}}, [1.0])
    with pytest.raises(InputError, match="did you mean 'test_accuracy'"):
        stats.summarise(records, "test_acuracy")
    with pytest.raises(InputError, match="did you mean 'bootstrap'"):
        stats.summarise(records, interval="botstrap")
    with pytest.raises(InputError, match="curve 'min', seed 0, cycle 0 twice"):
        stats.summarise(pd.concat([records, records[:1]]))
    with pytest.raises(InputError, match="2 experiments"):
        stats.summarise(pd.concat([records, records.assign(experiment="other")]))
    with pytest.raises(InputError, match="no column curve"):
        stats.summarise(records.drop(columns="curve"))
    with pytest.raises(InputError, match="run the experiment"):
        stats.summarise(records[:0])


def test_values_between_cycles_lie_on_a_line_in_the_logarithm() -> None:
    records = table({"min": {7: [0.9, 0.5], 3: [0.8, 0.6]}}, [1.0, 0.25])
    at_half = stats.at_fraction(records, 0.5)  # half-way from 1 to 1/4 in the logarithm
    assert at_half["min"].to_dict() == pytest.approx({3: 0.7, 7: 0.7})
    assert list(at_half.index) == [3, 7]
    assert stats.at_fraction(records, 0.25)["min"].to_dict() == pytest.approx({3: 0.6, 7: 0.5})
    assert stats.at_fraction(records, 0.2)["min"].isna().all()
    with pytest.raises(InputError, match=r"\(0, 1\]"):
        stats.at_fraction(records, 0)


def test_curves_are_paired_by_seed_and_not_by_row() -> None:
    records = table({"min": {0: [0.9], 1: [0.7], 2: [0.1]}, "max": {1: [0.6], 0: [0.8], 5: [0.3]}}, [1.0])
    found = stats.paired_differences(records, "min", "max", 1.0)
    assert (found.n, found.mean) == (2, pytest.approx(0.1))
    with pytest.raises(InputError, match="did you mean 'max'"):
        stats.paired_differences(records, "min", "mx", 1.0)


@pytest.mark.parametrize("past", [0.05, 0.1, 0.1249])
def test_nothing_is_interpolated_beyond_the_last_network_with_a_unit(past: float) -> None:
    """A network without any unit has no place in the logarithm: no line leads from the last living one to it."""
    fractions, values = [1, 0.5, 0.25, 0.125, 0], [0.9, 0.8, 0.5, 0.3, 0.1]
    assert math.isnan(stats.interpolate(fractions, values, past))
    assert stats.interpolate(fractions, values, 0.125) == 0.3
    assert stats.interpolate(fractions, values, 0.2) == pytest.approx(
        0.3 + 0.2 * math.log(0.2 / 0.125) / math.log(2)
    )  # fmt: skip
    assert stats.interpolate(fractions[::-1], values[::-1], 0.5) == 0.8
    assert math.isnan(stats.interpolate([0], [0.1], 0.5)) and math.isnan(stats.interpolate([], [], 0.5))
    records = table({"min": {0: values, 1: values}}, fractions)
    assert stats.at_fraction(records, past)["min"].isna().all()
    with pytest.raises(InputError, match="no seed has both"):
        stats.paired_differences(records.replace("min", "a"), "a", "a", past)
