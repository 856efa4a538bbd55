"""The paper's numbers: complete, joined to records by name, and refused when damaged."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dropnet_core.analysis import published, stats
from dropnet_core.basics import places
from dropnet_core.basics.errors import InputError

EXACT = "cifar10-conv64x2-conv128x2"


@pytest.fixture
def as_records() -> Callable[..., pd.DataFrame]:
    """Records whose every seed lies `offset` above the published curve, with a spread of `spread`."""

    def make(experiment: str, offset: float, spread: float = 0.0, seeds: int = 3) -> pd.DataFrame:
        table = published.curves(experiment)
        return pd.concat(
            table.assign(
                experiment=experiment,
                seed=seed,
                test_accuracy=table["value"] + offset + spread * (seed - 1),
                status="ok",
            ).drop(columns=["value", "lower", "upper", "figure"])
            for seed in range(seeds)
        )

    return make


def test_curves_of_figure_3() -> None:
    table = published.curves("mnist-fc40-fc40")
    assert list(table.columns) == list(published.CURVE_COLUMNS)
    assert set(table["figure"]) == {"Fig 3"}
    cycles = table.groupby("curve")["units_remaining"].agg(list).to_dict()
    assert cycles["min"] == [80, 64, 52, 42, 34, 28, 23, 19, 16, 13, 11, 9, 8, 7, 6, 5, 4]
    assert cycles["min_layer"] == [80, 64, 52, 42, 34, 28, 24, 20, 16, 14, 12, 10, 8, 6, 4]
    at = table.set_index(["curve", "fraction_remaining"])["value"]
    assert at["min", 23 / 80] == pytest.approx(0.933, abs=0.001)
    assert at["max", 23 / 80] == pytest.approx(0.532, abs=0.001)
    assert (table["lower"] <= table["upper"]).all()
    sixths = published.curves("mnist-fc20-fc40")["fraction_remaining"]
    assert 17 / 60 in set(sixths)  # not 0.283333


def test_nothing_where_the_paper_shows_nothing() -> None:
    for table in (published.curves("mnist-fc40-fc40", "epochs"), published.curves("unheard-of")):
        assert table.empty and list(table.columns) == list(published.CURVE_COLUMNS)
    assert published.seeds("mnist-fc40-fc40").empty


def test_the_whole_paper_is_there() -> None:
    file = pd.read_csv(places.results_folder() / "published" / "curves.csv")
    assert (len(file), file["experiment"].nunique(), file["figure"].nunique()) == (2464, 28, 37)
    assert file["value"].between(0, 1).all() and not file.isna().any().any()
    assert not file.duplicated(["experiment", "quantity", "curve", "cycle"]).any()


@pytest.mark.parametrize("quantity", ["test_accuracy", "train_accuracy"])
def test_stored_seeds_reproduce_the_printed_means_and_bars(quantity: str) -> None:
    records = published.seeds(EXACT).assign(status="ok", parameters=0, macs=0)
    assert len(records) == 1125
    drawn = published.curves(EXACT, quantity).set_index(["curve", "cycle"])
    exact = stats.summarise(records, quantity, "paper").set_index(["curve", "cycle"]).loc[drawn.index]
    assert len(drawn) == 75
    assert ((drawn["value"] - exact["mean"]).abs() <= drawn["reading_error"]).all()
    half = (exact["upper"] - exact["lower"]) / 2 - (drawn["upper"] - drawn["lower"]) / 2
    assert half.abs().max() < 0.004


def test_compare_and_its_summary(as_records: Callable[..., pd.DataFrame]) -> None:
    records = as_records("psweep-fc20-fc20", offset=0.01, spread=0.02)
    table = published.compare(records, "psweep-fc20-fc20")
    assert list(table.columns) == list(published.COMPARISON_COLUMNS)
    assert len(table) == len(published.curves("psweep-fc20-fc20"))
    np.testing.assert_allclose(table["difference"], 0.01)
    np.testing.assert_allclose(table["seed_noise"], 0.02 / np.sqrt(3))
    assert set(table["n"]) == {3}
    found = published.agreement(table).set_index("curve")
    assert list(found.index) == [*dict.fromkeys(table["curve"]), "all"]
    assert found.loc["all", "points"] == len(table)
    assert found.loc["min/p=0.9", "points"] == 2
    for column in ("mean_difference", "mean_absolute_difference", "largest_difference"):
        assert found.loc["all", column] == pytest.approx(0.01)
    assert found.loc["all", "reading_error"] == pytest.approx(table["reading_error"].mean())


def test_published_noise_of_the_stored_experiment_is_its_standard_error() -> None:
    records = published.seeds(EXACT).assign(status="ok")
    table = published.compare(records, EXACT)
    np.testing.assert_allclose(table["published_noise"], table["seed_noise"], atol=0.0025)
    ratio = table["published_noise"].sum() / table["seed_noise"].sum()
    assert ratio == pytest.approx(1, abs=0.02)  # without Bessel's correction it would be .966


def test_signs_of_differences_do_not_cancel(as_records: Callable[..., pd.DataFrame]) -> None:
    records = as_records("reinit-fc20-fc20", 0.0)
    records["test_accuracy"] += np.where(records["cycle"] % 2 == 0, 0.03, -0.03)
    row = published.agreement(published.compare(records, "reinit-fc20-fc20")).iloc[-1]
    assert abs(row["mean_difference"]) < 0.01
    assert row["mean_absolute_difference"] == pytest.approx(0.03)


def test_readings_join_the_published_curve_and_other_widths_do_not(
    as_records: Callable[..., pd.DataFrame],
) -> None:
    records = as_records("mnist-fc40-fc40", 0.0)
    exact = records.assign(curve=records["curve"] + "@exact")
    assert len(published.compare(exact, "mnist-fc40-fc40")) == 96
    narrow = records.assign(units_remaining=records["units_remaining"] * 2)
    assert published.compare(narrow, "mnist-fc40-fc40").empty
    nothing = published.compare(records, "unheard-of")
    assert nothing.empty and published.agreement(nothing).empty


def test_one_seed_has_no_noise(as_records: Callable[..., pd.DataFrame]) -> None:
    table = published.compare(as_records("reinit-fc20-fc20", 0.0, seeds=1), "reinit-fc20-fc20")
    assert table["seed_noise"].isna().all() and table["difference"].notna().all()


def test_results_are_found_by_variable_and_above_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = places.results_folder()
    (tmp_path / "results" / "published").mkdir(parents=True)
    below = tmp_path / "notebooks" / "deep"
    below.mkdir(parents=True)
    monkeypatch.delenv("DROPNET_RESULTS", raising=False)
    monkeypatch.chdir(below)
    assert places.results_folder() == tmp_path / "results"
    monkeypatch.setenv("DROPNET_RESULTS", str(home))
    assert places.results_folder() == home
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"nowhere.*correct or unset it"):
        places.results_folder()


def test_missing_results_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DROPNET_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(places, "__file__", str(tmp_path / "site" / "places.py"))
    with pytest.raises(InputError, match="set DROPNET_RESULTS"):
        places.results_folder()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: None, "there is no file"),
        (lambda text: text.replace("reading_error", "error", 1), "no column reading_error"),
        (lambda text: text.replace("0.9634", "O.9634", 1), "line 3"),
        (lambda text: text.replace("0.9634", "0.96,34", 1), "cannot be read"),
        (lambda text: "", "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_by_name(
    damage: Callable[[str], str | None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = damage((places.results_folder() / "published" / "curves.csv").read_text("utf-8"))
    (tmp_path / "published").mkdir()
    if text is not None:
        (tmp_path / "published" / "curves.csv").write_text(text, "utf-8")
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path))
    with pytest.raises(InputError, match=f"curves.csv.*{message}|{message}.*curves.csv"):
        published.curves("mnist-fc40-fc40")
