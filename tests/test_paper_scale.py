"""What the committed records at the paper's scale must show."""

import re
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import rows
from benchmarks.__main__ import FILE
from benchmarks.summary import summary
from dropnet_core import published
from dropnet_core.discrepancies import agreements, comparisons
from dropnet_core.recipe import Recipe
from dropnet_core.records import read, returned
from dropnet_core.stats import paired, paired_differences, summarise

RESULTS = Path(__file__).parent.parent / "results"


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.csv")), ids=lambda path: path.stem)
def test_every_file_is_whole_and_of_one_making(file: Path) -> None:
    table = read(file)
    assert set(table["experiment"]) == {file.stem}
    assert table["recipe"].nunique() == table["data_sha256"].nunique() == 1


@pytest.fixture(scope="module")
def model1() -> pd.DataFrame:
    return read(RESULTS / "mnist-fc40-fc40.csv")


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


def test_the_readme_says_what_the_records_say(model1: pd.DataFrame) -> None:
    readme = (RESULTS.parent / "README.md").read_text(encoding="utf-8")
    summary = summarise(model1)
    printed = published.curves("mnist-fc40-fc40").set_index(["curve", "units_remaining"])["value"]
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\S+) \((\S+) to (\S+)\) \| (\S+) \|$", readme, re.MULTILINE)
    assert len(rows) == 7
    for curve, units, *numbers in rows:
        (row,) = summary[(summary["curve"] == curve) & (summary["units_remaining"] == int(units))].to_dict("records")
        ours = [row["mean"], row["lower"], row["upper"], printed[curve, int(units)]]
        assert [float(number) for number in numbers] == pytest.approx(ours, abs=0.00051)


def test_worded_and_coded_selection_part_for_max_and_for_nothing_else() -> None:
    probe = read(RESULTS / "probe-selection-fc40-fc40.csv")
    dead = probe[(probe["curve"] == "max@exact") & (probe["units_remaining"] <= 23)]
    assert len(dead) and set(dead["status"]) <= {"collapsed", "empty-layer"}
    coded = probe[(probe["curve"] == "max@authors") & (probe["units_remaining"] == 23)]
    assert (coded["status"] == "ok").mean() > 0.5
    summary = summarise(probe)
    for units in (80, 64, 52, 42, 34, 28, 23, 19, 16, 13):
        assert mean_at(summary, "min@exact", units) == pytest.approx(mean_at(summary, "min@authors", units), abs=0.02)


def readme() -> str:
    return (RESULTS.parent / "README.md").read_text(encoding="utf-8")


def test_the_readme_says_how_far_each_experiment_lies_from_the_paper() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+)" + r" \| (\S+)" * 5 + r" \|$", readme(), re.MULTILINE)
    table = agreements(comparisons(RESULTS)).set_index(["experiment", "curve"]).xs("all", level="curve")
    assert {name for name, *_ in rows} == set(table.index)
    for name, figure, seeds, points, *numbers in rows:
        ours = table.loc[name]
        assert set(published.curves(name)["figure"]) == {f"Fig {figure}"}
        assert (int(seeds), int(points)) == (ours["n"], ours["points"])
        said = [float(number) if number != "–" else float("nan") for number in numbers]
        differences = ours[["mean_absolute_difference", "largest_difference", "seed_noise"]]
        assert said == pytest.approx(list(differences), abs=0.00051, nan_ok=True)


def test_the_readme_has_the_table_of_what_was_measured_on_each_processor() -> None:
    """If this fails, `python -m benchmarks` was run: it prints the table that belongs into README.md."""
    lines = summary(rows.read(FILE))
    assert readme().count(lines[0]) == 1
    table = readme().partition(lines[0])[2].partition("\n\n")[0]
    assert table.split("\n")[1:] == lines[1:]


def test_on_model_1_the_score_within_a_layer_shows_late() -> None:
    control = read(RESULTS / "control-fc40-fc40.csv")
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
    last = returned(read(RESULTS / "kappa-fc40-fc40.csv"))
    kept = last[last["curve"].str.endswith("kappa 0.95 last_good")].pivot(
        index="seed", columns="metric", values="units_remaining"
    )
    for metric in ("min", "min_layer"):
        found = paired(kept["random"], kept[metric])
        assert found.n == 15
        assert found.lower < 0 < found.upper
