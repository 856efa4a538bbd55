"""What Algorithm 1 returns, on paths whose falls are known by hand; and the figures of it."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from dropnet_core.analysis import kappa
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.records import KEY_COLUMNS, RECORD_COLUMNS
from dropnet_core.figures import kappa_plots
from dropnet_core.figures.charts import Chart
from dropnet_core.stops import READINGS

UNITS = (10, 8, 6, 5, 4)
PATHS = {0: (1.0, 0.97, 0.90, 0.96, 0.5), 1: (1.0, 0.99, 0.98, 0.7, 0.6)}  # validation accuracy; seed 0 recovers once
LENGTHS = {  # cycles until the stop, by kappa, seed and reading
    (0.95, 0): {"last_good": 3, "already_trained": 3, "one_more": 4},
    (0.95, 1): {"last_good": 4, "already_trained": 4, "one_more": 5},
    (0.98, 0): {"last_good": 2, "already_trained": 2, "one_more": 3},
    (0.98, 1): {"last_good": 3, "already_trained": 3, "one_more": 4},
}


def rows(stop: str, seed: int, cycles: int, metric: str = "min", experiment: str = "trial") -> list[dict[str, object]]:
    """The first cycles of a path; the test accuracy is 0.02 below the validation accuracy of pruned networks."""
    made = []
    for cycle in range(cycles):
        accuracy = PATHS[seed][cycle]
        row: dict[str, object] = dict.fromkeys(RECORD_COLUMNS, 1.0) | dict.fromkeys(KEY_COLUMNS, "x")
        row |= {"experiment": experiment, "metric": metric, "curve": f"{metric}/{stop}", "stop": stop, "seed": seed}
        row |= {"cycle": cycle, "units_remaining": UNITS[cycle], "fraction_remaining": UNITS[cycle] / 10}
        row |= {"validation_accuracy": accuracy, "test_accuracy": accuracy - 0.02 * (cycle > 0)}
        row |= {"parameters": 100 * UNITS[cycle] ** 2, "status": "ok", "p": 0.2}
        made.append(row)
    return made


def by_kappa(metrics: tuple[str, ...] = ("min",)) -> pd.DataFrame:
    made = [
        row
        for metric in metrics
        for (value, seed), lengths in LENGTHS.items()
        for reading, cycles in lengths.items()
        for row in rows(f"kappa {value:g} {reading}", seed, cycles, metric)
    ]
    return pd.DataFrame(made, columns=RECORD_COLUMNS)


def fixed(metrics: tuple[str, ...] = ("min",)) -> pd.DataFrame:
    made = [row for metric in metrics for seed in PATHS for row in rows("fraction 0.4", seed, 5, metric, "further")]
    return pd.DataFrame(made, columns=RECORD_COLUMNS).assign(curve=lambda table: table["metric"] + "@exact")


def test_each_reading_returns_its_cycle() -> None:
    found = kappa.networks(by_kappa())
    assert found["kappa"].tolist() == [0.98] * 6 + [0.95] * 6
    assert found["reading"].tolist() == [reading for reading in READINGS for _ in range(2)] * 2
    units = found.set_index(["kappa", "reading", "seed"])["units_remaining"]
    for value, expected in {0.98: [10, 8, 8, 6, 6, 5], 0.95: [8, 6, 6, 5, 5, 4]}.items():
        assert [units[value, reading, seed] for reading in READINGS for seed in (0, 1)] == expected


def test_returned_networks_are_seen_beside_the_unpruned_one_of_their_seed() -> None:
    records = by_kappa()
    records.loc[(records["seed"] == 1) & (records["cycle"] == 0), "test_accuracy"] = 0.9
    found = kappa.networks(records).set_index(["kappa", "reading", "seed"])
    assert found.loc[(0.95, "last_good", 0), "loss"] == pytest.approx(1.0 - 0.95)
    assert found.loc[(0.95, "last_good", 1), "loss"] == pytest.approx(0.9 - 0.96)
    assert found.loc[(0.95, "last_good", 0), "share_of_parameters"] == pytest.approx(0.64)
    assert found.loc[(0.95, "last_good", 0), "broken"]  # 0.95 on the test images is not above the bound
    assert not found.loc[(0.95, "last_good", 1), "broken"]


def test_runs_that_did_not_reach_their_stop_are_left_out() -> None:
    records = by_kappa()
    unfinished = (records["stop"] == "kappa 0.95 one_more") & (records["seed"] == 1) & (records["cycle"] > 2)
    found = kappa.networks(records[~unfinished])
    assert len(found) == 11
    with pytest.raises(InputError, match="stopped by kappa"):
        kappa.networks(fixed())


def test_a_summary_counts_seeds() -> None:
    table = kappa.summary(kappa.networks(by_kappa(("min", "random"))))
    assert list(table.columns) == kappa.KAPPA_COLUMNS
    assert table["metric"].tolist() == ["min"] * 6 + ["random"] * 6
    row = table[(table["kappa"] == 0.95) & (table["reading"] == "last_good")].iloc[0]
    assert (row["n"], row["units"], row["fewest"], row["most"]) == (2, 7, 6, 8)
    assert row["share_of_parameters"] == pytest.approx((0.64 + 0.36) / 2)
    assert row["test_accuracy"] == pytest.approx((0.95 + 0.96) / 2)
    assert row["lower"] < row["test_accuracy"] < row["upper"]
    assert row["broken"] == 0.5


def test_an_accuracy_that_recovers_is_seen() -> None:
    table = kappa.first_and_last(fixed(), [0.98, 0.95, 0.4])
    found = {(row.seed, row.kappa): (row.first, row.last) for row in table.itertuples()}
    assert found[0, 0.95] == (8, 5)
    assert found[1, 0.95] == (6, 6)
    assert found[0, 0.98] == (10, 10)
    assert found[0, 0.4] == (4, 4)  # it never fell


def drawn_at(chart: Chart, panel: int, label: str) -> tuple[list[float], list[float]]:
    (line,) = [line for line in chart.axes[panel].lines if line.get_label() == label]
    return np.asarray(line.get_xdata(), dtype=float).tolist(), np.asarray(line.get_ydata(), dtype=float).tolist()


def test_returned_networks_lie_over_the_curves() -> None:
    networks = kappa.networks(by_kappa(("min", "random")))
    networks = networks[networks["reading"] == "last_good"]
    chart = kappa_plots.over_fixed_fractions(networks, fixed(("max", "random", "min")))
    assert [axes.get_title() for axes in chart.axes] == ["min", "random"]
    x, y = drawn_at(chart, 0, "kappa 0.95")
    assert (x, y) == ([pytest.approx(0.7)], [pytest.approx(0.955)])
    x, y = drawn_at(chart, 1, "fixed fractions, mean")
    assert x == [1.0, 0.8, 0.6, 0.5, 0.4]
    assert y[1] == pytest.approx((0.97 + 0.99) / 2 - 0.02)
    assert "min: 0.9 with 0.985 at 0.98, 0.7 with 0.955 at 0.95." in chart.alt_text
    assert "mean of 2" in chart.alt_text
    assert chart.data is not None and len(chart.data) == len(networks)


def test_sizes_are_drawn_for_each_reading() -> None:
    networks = kappa.networks(by_kappa(("min", "random")))
    chart = kappa_plots.sizes(networks)
    assert [axes.get_title() for axes in chart.axes] == list(READINGS)
    _, y = drawn_at(chart, 2, "random")
    assert y == pytest.approx([0.55, 0.45])  # kappa 0.98, then 0.95
    for reading in ("the last one above the bound", "the one that fell", "one more"):
        assert reading in chart.alt_text
    assert imread(io.BytesIO(chart.image())).shape[2] == 4


def test_one_seed_is_called_one() -> None:
    networks = kappa.networks(by_kappa())
    alone = networks[networks["seed"] == 0]
    for chart in (kappa_plots.sizes(alone), kappa_plots.over_fixed_fractions(alone, fixed())):
        assert "one seed" in chart.alt_text and "mean of" not in chart.alt_text
