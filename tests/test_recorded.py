"""What pages show of recorded experiments: each with a results folder that holds nothing but what a test puts there."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from project_folders import RESULTS

from dropnet_core.analysis import published
from dropnet_core.analysis.stats import Paired
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import experiment
from dropnet_core.experiments.records import RECORD_COLUMNS, write_records
from dropnet_core.figures.charts import Chart
from dropnet_core.pages import recorded
from dropnet_core.pages.notebook import PAGE_WIDTH

UNITS = [40, 21, 12, 8, 4]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty results folder, but for the published numbers."""
    shutil.copytree(RESULTS / "published", tmp_path / "published")
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path))
    return tmp_path


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Chart]:
    """The charts that are displayed."""
    charts: list[Chart] = []
    monkeypatch.setattr(recorded, "display", charts.append)
    return charts


def records(name: str, seeds: int = 3, **of_curve: float) -> pd.DataFrame:
    """Rows of an experiment in the table, at some of its cycles.

    Accuracies fall with the cycle, by the same steps for all curves, and differ by what `of_curve` says of a
    curve and by 0.01 a seed.
    """
    planned = replace(experiment(name), seeds=tuple(range(seeds)))
    rows = []
    for run in planned.runs():
        if (curve := planned.curve(run)) not in of_curve:
            continue
        for cycle, units in enumerate(UNITS):
            accuracy = 0.9 - 0.1 * cycle + of_curve[curve] + 0.01 * run.seed
            rows.append(
                dict.fromkeys(RECORD_COLUMNS, 1)
                | {
                    "experiment": name, "data": run.data, "network": run.network, "metric": run.metric, "p": run.p,
                    "schedule": run.schedule, "selection": run.selection, "score": run.score,
                    "initial": run.initial, "stop": str(run.stop), "seed": run.seed, "curve": curve,
                    "cycle": {40: 0, 21: 3, 12: 6, 8: 8, 4: 12}[units], "units_remaining": units,
                    "fraction_remaining": units / 40, "units_per_layer": f"{units // 2}+{units // 2}",
                    "test_accuracy": accuracy, "status": "ok", "recipe": "a", "data_sha256": "b",
                    "created": f"2026-01-02T03:04:{run.seed:02d}+00:00", "hardware": "a processor",
                }
            )  # fmt: skip
    return pd.DataFrame(rows, columns=RECORD_COLUMNS)


def test_an_experiment_that_has_not_been_run_is_shown_as_such(folder, shown, capsys):
    recorded.show("reinit-fc20-fc20")
    said = capsys.readouterr().out
    assert "has not been run at the paper's scale yet" in said
    assert said.splitlines()[-1].strip() == "python -m dropnet_core run reinit-fc20-fc20"
    assert not shown
    assert all(len(line) <= PAGE_WIDTH for line in recorded.not_run("cifar10-conv128x2-conv256x2").splitlines())


def test_records_are_shown_with_their_origin_the_papers_curves_and_the_distance(folder, shown, capsys):
    table = records("reinit-fc20-fc20", min=0.0, min_reinit=-0.05)
    write_records(table, folder / "reinit-fc20-fc20.csv")
    recorded.show("reinit-fc20-fc20", "bootstrap")
    said = capsys.readouterr().out
    assert "3 seeds of fc20-fc20 on mnist" in said
    assert "So far 3 of 15 seeds." in said
    (chart,) = shown
    assert "bootstrap" in chart.legends[0].get_title().get_text()
    assert "Fig 15" in chart.alt_text
    agreement = published.agreement(published.compare(table, "reinit-fc20-fc20")).set_index("curve")
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith(("min", "all"))}
    assert set(rows) == {"min", "min_reinit", "all"}
    for curve, numbers in rows.items():
        expected = agreement.loc[curve, list(recorded.AGREEMENT.values())]
        assert [float(number) for number in numbers] == pytest.approx(expected.tolist(), abs=0.00006)
    assert all(len(line) <= PAGE_WIDTH for line in said.splitlines())


def test_all_seeds_need_no_remark_and_no_published_curve_no_table(folder, shown, capsys):
    write_records(records("control-fc20-fc20", 15, min=0.0, min_redraw=0.1), folder / "control-fc20-fc20.csv")
    recorded.show("control-fc20-fc20")
    said = capsys.readouterr().out
    assert "15 seeds of" in said and "So far" not in said and "absolute" not in said
    assert "paper" not in shown[0].alt_text and "paper" not in shown[0].legends[0].get_title().get_text()


def test_distances_are_those_of_the_agreement_under_the_names_of_the_page(folder):
    table = records("reinit-fc20-fc20", min=0.0)
    agreement = published.agreement(published.compare(table, "reinit-fc20-fc20")).set_index("curve")
    found = recorded.distances(table, "reinit-fc20-fc20")
    assert list(found) == ["mean", "absolute", "largest", "reading", "seed noise"]
    assert found["largest"].tolist() == agreement["largest_difference"].tolist()


def test_the_records_come_after_their_origin_or_the_command_that_makes_them(folder, capsys):
    assert recorded.with_provenance("control-fc20-fc20") is None
    assert "python -m dropnet_core run control-fc20-fc20" in capsys.readouterr().out
    recorded.print_differences("control-fc20-fc20", recorded.SPLIT)
    assert capsys.readouterr().out == ""
    write_records(records("control-fc20-fc20", min=0.0, min_redraw=-0.02), folder / "control-fc20-fc20.csv")
    found = recorded.with_provenance("control-fc20-fc20")
    assert found is not None and set(found["curve"]) == {"min", "min_redraw"}
    assert "3 seeds of fc20-fc20 on mnist" in capsys.readouterr().out
    recorded.print_differences("control-fc20-fc20", recorded.SPLIT)
    assert "+0.020 (+0.020 to +0.020)" in capsys.readouterr().out


def test_score_and_allocation_are_shown_if_the_control_has_been_run(folder, shown, capsys):
    recorded.show_score_and_allocation("fc40-fc40")
    assert "python -m dropnet_core run control-fc40-fc40" in capsys.readouterr().out and not shown
    write_records(records("control-fc40-fc40", min=0.0, min_redraw=-0.02), folder / "control-fc40-fc40.csv")
    write_records(records("mnist-fc40-fc40", random_layer=-0.05), folder / "mnist-fc40-fc40.csv")
    recorded.show_score_and_allocation("fc40-fc40", "bootstrap")
    (chart,) = shown
    assert "bootstrap" in chart.legends[0].get_title().get_text()
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["score", "allocation"] and "+0.030 (+0.030 to +0.030)" in rows[1]


def test_differences_are_paired_by_seed_interpolated_and_in_words():
    table = records("control-fc20-fc20", min=0.0, min_redraw=-0.03)
    table.loc[(table["curve"] == "min_redraw") & (table["seed"] == 2), "test_accuracy"] -= 0.03
    found = recorded.differences(table, {"score": ("min", "min_redraw"), "?": ("min", "oracle")}, [1.0, 0.25])
    # Differences of 0.03, 0.03 and 0.06: mean 0.04, and t(2) * 0.0173 / sqrt(3) = 0.0430.
    assert found.to_dict() == {"score": dict.fromkeys(["1", "0.25"], "+0.040 (-0.003 to +0.083)")}


def test_where_no_seed_reaches_there_is_nothing_to_say():
    table = records("control-fc20-fc20", min=0.0, min_redraw=-0.03)
    short = table[(table["curve"] == "min") | (table["units_remaining"] > 8)]
    found = recorded.differences(short, {"score": ("min", "min_redraw")}, [0.3, 0.1])
    assert found["score"].tolist() == ["+0.030 (+0.030 to +0.030)", ""]


def test_one_seed_is_called_one_seed():
    assert recorded.difference_in_words(Paired(-0.0124, float("nan"), float("nan"), 1.0, 1)) == "-0.012 (one seed)"


def test_the_control_is_joined_with_the_papers_random_layer(folder):
    assert recorded.score_and_allocation("fc40-fc40") is None
    write_records(records("control-fc40-fc40", min=0.0, min_redraw=-0.02), folder / "control-fc40-fc40.csv")
    alone = recorded.score_and_allocation("fc40-fc40")
    assert alone is not None and set(alone["curve"]) == {"min", "min_redraw"}
    paper = records("mnist-fc40-fc40", min=0.5, random_layer=-0.05)
    write_records(paper, folder / "mnist-fc40-fc40.csv")
    joined = recorded.score_and_allocation("fc40-fc40")
    assert joined is not None
    assert recorded.differences(joined, recorded.SPLIT, [0.3]).to_dict("list") == {
        "score": ["+0.020 (+0.020 to +0.020)"],  # not with the min of the other file
        "allocation": ["+0.030 (+0.030 to +0.030)"],
    }
    write_records(paper.assign(recipe="another"), folder / "mnist-fc40-fc40.csv")
    with pytest.raises(InputError, match="differ in recipe"):
        recorded.score_and_allocation("fc40-fc40")


def test_a_damaged_file_is_refused_by_name_and_line(folder):
    (folder / "reinit-fc20-fc20.csv").write_text("experiment,data\nreinit-fc20-fc20,mnist\n")
    with pytest.raises(InputError, match="reinit-fc20-fc20.csv, line 1"):
        recorded.show("reinit-fc20-fc20")
