"""What the committed records at the paper's scale must show."""

import re
from pathlib import Path

import pandas as pd
import pytest
from project_folders import RESULTS
from readme_tables import model_1, with_tables

from dropnet_core.analysis import published
from dropnet_core.analysis.stats import paired, paired_differences, summarise
from dropnet_core.experiments.records import read_records, returned_records
from dropnet_core.recipe import Recipe


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.csv")), ids=lambda path: path.stem)
def test_every_file_is_whole_and_of_one_making(file: Path) -> None:
    table = read_records(file)
    assert set(table["experiment"]) == {file.stem}
    assert table["recipe"].nunique() == table["data_sha256"].nunique() == 1


@pytest.fixture(scope="module")
def model1() -> pd.DataFrame:
    return read_records(RESULTS / "mnist-fc40-fc40.csv")


def mean_at(summary: pd.DataFrame, curve: str, units: int) -> float:
    (value,) = summary.loc[(summary["curve"] == curve) & (summary["units_remaining"] == units), "mean"]
    return float(value)


def test_model_1_lies_where_the_paper_has_it(model1: pd.DataFrame) -> None:
    summary = summarise(model1)
    assert model1["seed"].nunique() >= 5
    assert set(model1["recipe"]) == {Recipe().digest}
    assert mean_at(summary, "min", 80) == pytest.approx(0.966, abs=0.004)
    low, layered, high = (mean_at(summary, *at) for at in (("min", 23), ("min_layer", 24), ("max", 23)))
    assert low > 0.92
    assert layered > 0.92
    assert high < min(low, layered) - 0.2


def test_the_full_network_is_one_training_for_all_metrics(model1: pd.DataFrame) -> None:
    full = model1[model1["cycle"] == 0]
    assert (full.groupby("seed")["test_loss"].nunique() == 1).all()


def test_model_1_follows_the_published_curves(model1: pd.DataFrame) -> None:
    """Where networks are alive, the mean over the curves of DropNet's own metrics differs by less than 0.01."""
    table = published.compare(model1, "mnist-fc40-fc40")
    alive = table[table["curve"].isin(["min", "min_layer"]) & (table["fraction_remaining"] >= 0.2)]
    assert alive["difference"].abs().mean() < 0.01


def test_the_tables_of_the_readme_are_todays() -> None:
    """If this fails, results/ has changed: `make refresh` writes the tables."""
    assert with_tables(readme(), RESULTS) == readme()


def test_a_table_of_the_readme_is_written_from_the_records() -> None:
    rows = model_1(RESULTS)
    assert rows[2].startswith("| `min` | 80 | 0.96") and len(rows) == 9
    old = readme().replace(rows[2], "| `min` | 80 | 0.111 (0.000 to 0.222) | 0.333 |").replace(rows[4] + "\n", "")
    assert old != readme() and with_tables(old, RESULTS) == readme()
    with pytest.raises(ValueError, match="no table that begins with: . metric"):
        with_tables("nothing", RESULTS)


def test_worded_and_coded_selection_part_for_max_and_for_nothing_else() -> None:
    probe = read_records(RESULTS / "probe-selection-fc40-fc40.csv")
    dead = probe[(probe["curve"] == "max@exact") & (probe["units_remaining"] <= 23)]
    assert len(dead) and set(dead["status"]) <= {"collapsed", "empty-layer"}
    coded = probe[(probe["curve"] == "max@authors") & (probe["units_remaining"] == 23)]
    assert (coded["status"] == "ok").mean() > 0.5
    summary = summarise(probe)
    for units in (80, 64, 52, 42, 34, 28, 23, 19, 16, 13):
        assert mean_at(summary, "min@exact", units) == pytest.approx(mean_at(summary, "min@authors", units), abs=0.02)


def readme() -> str:
    return (RESULTS.parent / "README.md").read_text(encoding="utf-8")


def test_on_model_1_the_score_within_a_layer_shows_late() -> None:
    control = read_records(RESULTS / "control-fc40-fc40.csv")
    text = " ".join(readme().split())
    for fraction, words, ahead in (
        (0.5, "half of the nodes left `min` is ahead by", False),
        (0.3, "with three tenths by", False),
        (0.05, "With a twentieth it is clearly ahead, by", True),
    ):
        found = paired_differences(control, "min", "min_redraw", fraction)
        said = re.search(words + r" (\S+) \((\S+) to (\S+)\)", text)
        assert said
        numbers = [float(number) for number in said.groups()]
        assert numbers == pytest.approx([found.mean, found.lower, found.upper], abs=0.00051)
        assert (found.lower > 0) == ahead and found.upper > 0


def test_stopped_by_the_accuracy_random_returns_no_larger_a_network() -> None:
    last = returned_records(read_records(RESULTS / "kappa-fc40-fc40.csv"))
    kept = last[last["curve"].str.endswith("kappa 0.95 last_good")].pivot(
        index="seed", columns="metric", values="units_remaining"
    )
    for metric in ("min", "min_layer"):
        found = paired(kept["random"], kept[metric])
        assert found.n == 15
        assert found.lower < 0 < found.upper
