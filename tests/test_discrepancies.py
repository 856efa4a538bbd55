"""Our curves beside the published ones: what is more than noise, and what is not."""

import numpy as np
import pandas as pd
import pytest

from dropnet_core.analysis import discrepancies, published
from dropnet_core.analysis.discrepancies import agreements, beyond_noise, noise_bound


def compared(offset: float, spread: float = 0.002, seeds: int = 15, cycle: int | None = None) -> pd.DataFrame:
    """Records around a published curve; with `cycle`, the offset is at that one alone."""
    table = published.curves("reinit-fc20-fc20")
    off = offset * (table["cycle"] == cycle if cycle is not None else 1)
    deviations = spread * (np.arange(seeds) - (seeds - 1) / 2)
    records = pd.concat(
        table.assign(experiment="x", seed=seed, test_accuracy=table["value"] + off + deviation, status="ok")
        for seed, deviation in enumerate(deviations)
    ).drop(columns=["value", "lower", "upper", "figure"])
    return published.compare(records, "reinit-fc20-fc20")


def test_equal_curves_have_nothing_open_and_shifted_ones_do() -> None:
    assert beyond_noise({"reinit-fc20-fc20": compared(0.0)}).empty
    table = beyond_noise({"reinit-fc20-fc20": compared(0.3)})
    assert set(table["curve"]) == {"min", "min_reinit"} and (table["beyond"] == table["points"]).all()
    assert table["difference"].tolist() == pytest.approx([0.3, 0.3])


def test_the_largest_difference_is_named() -> None:
    table = beyond_noise({"reinit-fc20-fc20": compared(-0.4, cycle=3)})
    assert len(table) == 2 and set(table["beyond"]) == {1} and set(table["fraction_remaining"]) == {22 / 40 - 0.025}


def test_noise_is_two_standard_errors_and_the_reading_error() -> None:
    table = compared(0.0)
    expected = 2 * np.hypot(table["seed_noise"], table["published_noise"]) + table["reading_error"]
    pd.testing.assert_series_equal(noise_bound(table), expected, check_names=False)


def test_one_seed_borrows_the_spread_of_the_papers() -> None:
    one = compared(0.0, seeds=1)
    expected = 2 * np.sqrt(15 + 1) * one["published_noise"] + one["reading_error"]
    np.testing.assert_allclose(noise_bound(one), expected)


def test_one_row_for_each_curve_and_experiment() -> None:
    table = agreements({"reinit-fc20-fc20": compared(0.01)})
    assert table["curve"].tolist() == ["min", "min_reinit", "all"] and set(table["n"]) == {15}
    assert agreements({}).empty and beyond_noise({}).empty


def test_the_committed_results_are_compared() -> None:
    found = discrepancies.comparisons()
    assert all(len(table) for table in found.values())
    assert "probe-selection-fc40-fc40" not in found  # the paper shows it under another name
