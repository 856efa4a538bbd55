"""Intervals, p values and power of one estimate, against other routes to the same number."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from dropnet_core.analysis import stats
from dropnet_core.analysis.estimates import Estimate

VALUES = np.array([0.03, 0.01, -0.02, 0.04, 0.02, 0.015, 0.0])


def test_interval_and_sign_flips_are_those_of_stats() -> None:
    found = Estimate.of(np.append(VALUES, np.nan))
    assert found.n == 7 and found.mean == pytest.approx(VALUES.mean())
    for level in (0.95, 0.9):
        np.testing.assert_allclose(found.interval(level), stats.t_interval(VALUES, level))
    assert found.p_value == stats.sign_flip_p_value(VALUES)


def test_one_sided_p_values_agree_with_a_t_test() -> None:
    found = Estimate.of(VALUES)
    above = scipy_stats.ttest_1samp(VALUES, 0.005, alternative="greater").pvalue
    below = scipy_stats.ttest_1samp(VALUES, 0.03, alternative="less").pvalue
    assert found.p_above(0.005) == pytest.approx(above)
    assert found.p_below(0.03) == pytest.approx(below)


def test_printed_bars_use_students_t() -> None:
    printed = Estimate("key", -0.02, 0.008, 20.0, 15)
    assert printed.p_value == pytest.approx(2 * scipy_stats.t.sf(2.5, 20))


def test_few_seeds_have_no_p_value_and_one_seed_no_interval() -> None:
    assert np.isnan(Estimate.of(VALUES[:5]).p_value) and not np.isnan(Estimate.of(VALUES[:6]).p_value)
    assert np.isnan(Estimate.of(VALUES[:1]).interval()).all()
    nothing = Estimate.of(np.array([np.nan]))
    assert nothing.n == 0 and np.isnan(nothing.mean)


def test_seeds_that_all_agree_need_no_spread() -> None:
    same = Estimate.of(np.full(8, 0.02))
    assert same.interval() == (0.02, 0.02)
    assert (same.p_above(0.01), same.p_above(0.02), same.p_below(0.03)) == (0, 1, 0)


def test_power_with_the_spread_of_the_stored_results() -> None:
    """With .023 a difference of .018 is seen with 15 seeds, and one of .04 with 5, at 80 % power."""
    spread = Estimate("key", 0.0, 0.023 / np.sqrt(15), 14, 15)
    assert spread.seeds_for(0.018) == 15
    assert spread.seeds_for(0.04) == 5
    assert spread.seeds_for(0.018, sides=1) < 15
    assert spread.seeds_for(0.0) == np.inf
    assert np.isnan(Estimate.of(VALUES[:1]).seeds_for(0.01))


def test_the_seeds_asked_for_do_have_that_power() -> None:
    draw = np.random.default_rng(0)
    n = int(Estimate("key", 0.0, 1.0, 14, 15).seeds_for(2.5))  # a deviation of 3.9
    samples = 2.5 + np.sqrt(15) * draw.standard_normal((4000, n))
    lower, _ = stats.t_interval(samples.T)
    assert np.mean(lower > 0) == pytest.approx(0.8, abs=0.03)


def test_the_cap_is_the_best_of_all_caps() -> None:
    """Against trying ten thousand caps; without an outlier there is none to gain by."""
    draw = np.random.default_rng(1)
    for outlier in (0.0, 0.1, 0.6):
        values = 0.02 + 0.03 * draw.standard_normal(15)
        values[3] += outlier
        tried = np.linspace(values.min(), values.max(), 10_000)
        best = min(Estimate.of(np.minimum(values, cap)).p_above(0.01) for cap in tried[1:])
        found = Estimate.of(values)
        assert found.capped_p_above(0.01) == pytest.approx(max(best, 0.5**15), rel=1e-3)
        assert found.capped_p_above(0.01) <= max(found.p_above(0.01), 0.5**15)
        mirrored = Estimate.of(-values)
        assert mirrored.capped_p_below(-0.01) == found.capped_p_above(0.01)


def test_a_cap_claims_no_more_than_it_should() -> None:
    """Of means at the bound a fortieth lies significantly above it, with caps hardly more."""
    draw = np.random.default_rng(2)
    for n in (6, 15):
        found = [Estimate.of(draw.standard_normal(n)).capped_p_above(0) < 0.025 for _ in range(4000)]
        assert 0.018 < np.mean(found) < 0.042


def test_few_seeds_and_printed_bars_have_no_cap() -> None:
    few = Estimate.of(np.array([0.02, 0.021, 0.022, 0.023, 0.9]))
    assert few.capped_p_above(0.01) == few.p_above(0.01)
    printed = Estimate("key", -0.02, 0.008, 20.0, 15)
    assert printed.capped_p_below(0) == printed.p_below(0)
