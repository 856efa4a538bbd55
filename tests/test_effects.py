"""What a reading changes, on made-up records whose differences are known by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dropnet_core.analysis import effects
from dropnet_core.analysis.departures import DEPARTURES, Departure, Side
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.records import KEY_COLUMNS, RECORD_COLUMNS, write_records
from dropnet_core.pages.notebook import PAGE_WIDTH

FRACTIONS = (1.0, 0.6, 0.3)


def records_of_accuracies(experiment: str, curves: dict[str, tuple[str, list[list[float]]]]) -> pd.DataFrame:
    """Records from curve -> (stop, accuracies by seed and cycle); an accuracy below 0.2 is a dead network."""
    rows = []
    for curve, (stop, runs) in curves.items():
        for seed, accuracies in enumerate(runs):
            for cycle, accuracy in enumerate(accuracies):
                row = dict.fromkeys(RECORD_COLUMNS, 1.0) | dict.fromkeys(KEY_COLUMNS, "x")
                row |= {"experiment": experiment, "curve": curve, "metric": "min", "p": 0.4, "stop": stop}
                row |= {"seed": seed, "cycle": cycle, "units_per_layer": "1", "selection": curve.partition("@")[2]}
                row |= {"fraction_remaining": FRACTIONS[cycle], "units_remaining": 10 * FRACTIONS[cycle]}
                row |= {"test_accuracy": accuracy, "validation_accuracy": accuracy}
                rows.append(row | {"status": "collapsed" if accuracy < 0.2 else "ok"})
    return pd.DataFrame(rows, columns=RECORD_COLUMNS)


EXACT = [[0.9, 0.8, 0.1], [0.9, 0.7, 0.5]]
AUTHORS = [[0.9, 0.7, 0.4], [0.9, 0.7, 0.6]]
SELECTION = Departure(
    "Which units go", "departure-selection", "selection", "run", paper="", code="", default="",
    sides=(Side("exact", "trial", "{metric}@exact"), Side("authors", "trial", "{metric}@authors")),
)  # fmt: skip
RETURNED = Departure(
    "What a run returns", "departure-result", "stop", "run", paper="", code="", default="",
    sides=(Side("one_more", "trial", "{metric}@more", quantity="fraction_remaining"),
     Side("last_good", "trial", "{metric}@good", quantity="fraction_remaining")), returns=True,
)  # fmt: skip


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results with one experiment, "trial"; the table of experiments does not know it."""
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path))
    monkeypatch.setattr(Side, "file", property(lambda side: tmp_path / f"{side.name}.csv"))
    stop = "fraction 0.3"
    falling = [[0.9, 0.8, 0.1], [0.9, 0.89, 0.5]]
    curves = {"min@exact": (stop, EXACT), "min@authors": (stop, AUTHORS)}
    curves |= {"min@more": ("kappa 0.95 one_more", falling), "min@good": ("kappa 0.95 last_good", falling)}
    write_records(records_of_accuracies("trial", curves), tmp_path / "trial.csv")
    return tmp_path


def test_differences_are_those_of_the_seeds_at_the_nearest_cycle() -> None:
    table = effects.departure_differences(SELECTION, [0.5, 0.25, 0.31])
    assert table is not None
    assert table["fraction"].tolist() == [0.6, 0.3]  # 0.25 and 0.31 are one cycle
    assert table["difference"].tolist() == pytest.approx([0.05, -0.2])
    assert table["n"].tolist() == [2, 2]
    assert table["collapsed"].tolist() == [0, 0.5]
    assert table["collapsed_code"].tolist() == [0, 0]
    half = 12.7062 * 0.05  # Student's quantile for two seeds, and the standard error of 0.1 and 0
    assert table[["lower", "upper"]].to_numpy()[0].tolist() == pytest.approx([0.05 - half, 0.05 + half], abs=1e-4)


def test_returned_networks_are_compared_run_by_run() -> None:
    table = effects.departure_differences(RETURNED, [0.5])
    assert table is not None
    assert np.isnan(table["fraction"]).all()
    # seed 0 falls at 0.6, seed 1 at 0.3: one_more returns 0.3 and 0.3, last_good 1 and 0.6
    assert table["difference"].tolist() == pytest.approx([np.mean([0.3 - 1.0, 0.3 - 0.6])])


def test_the_largest_difference_stands_for_all() -> None:
    assert effects.effect(SELECTION, [0.5, 0.3]).startswith("`min` at 0.3: -0.200 (")
    assert effects.effect(SELECTION, [0.5, 0.3]).endswith("), n = 2")
    assert effects.effect(RETURNED, [0.5]).startswith("`min`: -0.500 (")


def test_without_records_nothing_is_measured(results: Path) -> None:
    (results / "trial.csv").unlink()
    assert effects.departure_differences(SELECTION, [0.5]) is None
    assert effects.effect(SELECTION, [0.5]) == "not yet run"
    for title in ("Which units go", "Batches and their order"):
        lines = effects.account(title, [0.5]).splitlines()
        assert lines[0] == "not yet run:" and lines[1].startswith("python -m dropnet_core run ")
        assert max(map(len, lines)) <= PAGE_WIDTH


def test_the_table_has_a_line_for_each_reading_and_the_same_number_of_cells() -> None:
    lines = effects.table([0.5]).splitlines()
    assert len(lines) == len(DEPARTURES) + 2
    assert {line.count("|") for line in lines} == {7}
    for departure, line in zip(DEPARTURES, lines[2:], strict=True):
        assert departure.title in line and departure.anchor in line


def test_an_account_fits_the_page_and_says_which_is_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "DEPARTURES", (SELECTION, RETURNED))
    first, header, *rows = effects.account("Which units go", [0.5, 0.3]).splitlines()
    assert first == "exact minus authors"
    assert header.split()[-3:] == ["n", "dead", "coded"]
    assert rows[1].split() == ["min", "0.3", "-0.2000", *rows[1].split()[3:5], "2", "0.50", "0.00"]
    assert max(map(len, [header, *rows])) <= PAGE_WIDTH
    assert "nan" not in effects.account("What a run returns", [0.5])
    with pytest.raises(InputError, match="did you mean 'Which units go'"):
        effects.account("Which unit goes", [0.5])
