"""Records: their rows, their files, when two are the same, when a run is complete."""

import math

import numpy as np
import pandas as pd
import pytest
from tiny_runs import NETWORK, made_up_answer, made_up_cycles, small

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.records import (
    KEY_COLUMNS,
    PROVENANCE_COLUMNS,
    RECORD_COLUMNS,
    complete_runs,
    core_seconds,
    merge_tables,
    numeric_columns,
    read_records,
    records,
    returned_records,
    same_records,
    write_records,
)
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.running.store import Store
from dropnet_core.runs import Cycle, Job
from dropnet_core.stops import Stop


@pytest.fixture
def table_of(tiny, tmp_path):
    """From changed settings of the small experiment to its records."""

    def made(**changed):
        experiment = small(**changed)
        cycles = made_up_cycles(experiment, tiny, Store(tmp_path / "store.sqlite"))
        return records(experiment, cycles, NETWORK, tiny)

    return made


@pytest.fixture
def table(table_of):
    return table_of()


def test_a_row_for_each_run_and_cycle(table, tiny):
    assert list(table.columns) == RECORD_COLUMNS
    assert table.groupby(KEY_COLUMNS[:-1], dropna=False).ngroups == 4
    first = table.iloc[:4]
    assert first["units_per_layer"].tolist()[0] == "4+3" and first["units_remaining"].tolist() == [7, 5, 3, 2]
    assert first["cycle"].tolist() == [0, 1, 2, 3] and (first["fraction_remaining"] * 7).round(9).tolist() == [
        7,
        5,
        3,
        2,
    ]
    assert set(table["seed"]) == {0, 1} and set(table["curve"]) == {"min", "max_layer"}
    row = first.iloc[0]
    assert row["parameters"] == 64 * 4 + 4 + 4 * 3 + 3 + 3 * 3 + 3 and row["macs"] == 64 * 4 + 4 * 3 + 3 * 3
    assert row["recipe"] == Recipe(max_epochs=2, batch_size=16).digest and row["data_sha256"] == tiny.sha256
    assert (row["status"], row["stop"], row["p"], row["epochs"]) == ("ok", "fraction 0.3", 0.4, 1)
    assert (row["seconds"], row["engine"], row["created"][:4]) == (0.125, "reference", "2026")


@pytest.mark.parametrize(("empty", "expected"), [((7, 12, 17), "ok"), ((6, 7), "empty-layer")])
def test_a_residual_network_is_dead_only_where_no_path_is_left(tiny16, empty, expected):
    network = describe("resnet18/32", tiny16.shape, tiny16.classes)
    experiment = small().with_settings({"network": network.name})
    kept = [np.arange(width) < (0 if i in empty else width) for i, width in enumerate(network.widths)]
    run = experiment.runs()[0]
    job = Job(run.recipe, network, 0, 0, Mask(kept))
    table = records(experiment, {run: [Cycle(job.mask, made_up_answer(run, job))]}, network, tiny16)
    assert table["status"].tolist() == [expected]


def test_one_unit_schedules_have_no_p(table_of):
    table = table_of(schedule="one_unit", p=(None,))
    assert table["p"].isna().all() and complete_runs(table) == 4
    assert table["units_remaining"].tolist()[:4] == [7, 6, 5, 4]


def test_a_file_keeps_the_records(table_of, tmp_path):
    for changed in ({}, {"schedule": "one_unit", "p": (None,)}, {"p": (1.0,)}):
        table = table_of(**changed)
        write_records(table, tmp_path / "deep" / "a.csv")
        back = read_records(tmp_path / "deep" / "a.csv")
        assert same_records(table, back).all() and list(back.columns) == RECORD_COLUMNS
        assert all(pd.api.types.is_numeric_dtype(back[column]) for column in numeric_columns())
        write_records(back, tmp_path / "b.csv")
        assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "deep" / "a.csv").read_bytes()
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["a.csv"]


@pytest.mark.parametrize("column", [column for column in RECORD_COLUMNS if column not in PROVENANCE_COLUMNS])
def test_records_are_the_same_if_all_but_provenance_is(table, column):
    other = table.copy()
    other[PROVENANCE_COLUMNS] = "elsewhere"
    assert same_records(table, other).all()
    other[column] = other[column].astype(object)
    other.loc[2, column] = 99 if column in numeric_columns() else "other"
    assert same_records(table, other).tolist() == [i != 2 for i in range(len(table))]


def test_numbers_are_compared_by_the_digits_of_a_file(table):
    other = table.assign(test_loss=table["test_loss"] * (1 + 1e-12))
    assert same_records(table, other).all()
    assert not same_records(table, table.assign(test_loss=table["test_loss"] * (1 + 1e-7))).any()
    nothing = table.assign(test_loss=math.nan)
    assert same_records(nothing, nothing.copy()).all() and not same_records(nothing, table).any()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            lambda text: text.replace("test_accuracy", "accuracy", 1),
            "line 1: the column 'test_accuracy' is missing",
        ),
        (lambda text: text[:-30], "line 17: .* values instead of 36; the file is damaged"),
        (
            lambda text: text.replace(",0.736666667,", ",O.736666667,", 1),
            "line 2: 'O.7.*' is no number for test_accuracy",
        ),
        (lambda text: text + text.splitlines()[2] + "\n", "line 18: this run and cycle stands there already"),
        (lambda text: "", "line 1: the column 'experiment' is missing"),
        (lambda text: "\udcff", "cannot be read as a table of records"),
    ],
)
def test_a_damaged_file_is_refused_by_line(table, tmp_path, damage, words):
    write_records(table, tmp_path / "a.csv")
    text = damage((tmp_path / "a.csv").read_text("utf-8"))
    (tmp_path / "a.csv").write_text(text, "utf-8", errors="surrogateescape")
    with pytest.raises(InputError, match=words) as caught:
        read_records(tmp_path / "a.csv")
    assert "a.csv" in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.csv cannot be read"):
        read_records(tmp_path / "nothing.csv")


def test_a_folder_that_cannot_be_written(table, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written .* choose another folder with --out"):
        write_records(table, tmp_path / "file" / "a.csv")


def test_shards_merge_to_the_whole(table_of, tmp_path):
    for changed in ({}, {"schedule": "one_unit", "p": (None,)}, {"p": (1.0,)}):
        table = table_of(**changed)
        write_records(table[table["seed"] == 1], tmp_path / "shard.csv")
        shard = read_records(tmp_path / "shard.csv")
        merged, refused = merge_tables(table[:0], [shard, table[table["seed"] == 0], table])
        assert refused == 0 and len(merged) == len(table)
        assert len(merge_tables(shard, [table[table["seed"] == 1]])[0]) == len(shard)
        assert same_records(merged.sort_values(KEY_COLUMNS), table.sort_values(KEY_COLUMNS)).all()


def test_of_two_unequal_rows_the_old_one_stays(table):
    new = table.copy()
    new.loc[[1, 3], "test_accuracy"] = 0.5
    merged, refused = merge_tables(table[:3], [new])
    assert refused == 1 and len(merged) == len(table)
    assert merged["test_accuracy"].tolist()[:4] == [*table["test_accuracy"][:3], 0.5]


@pytest.mark.parametrize("column", ["recipe", "data_sha256"])
def test_records_of_another_making_are_refused(table, column):
    with pytest.raises(InputError, match=f"records of 'small' differ in {column} .* another folder"):
        merge_tables(table, [table.assign(**{column: "other"})])
    merge_tables(table, [table.assign(**{column: "other", "experiment": "another"})])


def test_a_run_is_complete_when_it_reached_its_stop(table):
    assert complete_runs(table) == 4
    assert complete_runs(table.iloc[:-1]) == 3
    assert complete_runs(table.drop(index=1)) == 3  # a hole
    assert complete_runs(table.sample(frac=1, random_state=0)) == 4
    assert complete_runs(table[:0]) == 0


def test_runs_end_early_without_units_or_finite_losses(table, table_of):
    assert complete_runs(table.assign(status="diverged")[:1]) == 1 and complete_runs(table[:1]) == 0
    assert complete_runs(table_of(p=(1.0,), stops=(Stop("cycles", 9),))) == 4
    control = table_of(initial=("redraw",), metrics="min", seeds=0)
    assert complete_runs(control) == 1
    assert complete_runs(control.assign(status="diverged")[:1]) == 0  # it goes on as long as the rewound run does


def test_completeness_by_kappa(table_of):
    kappa = table_of(metrics="min", stops=(Stop("kappa", 0.9, "one_more"),))
    falling = kappa.assign(validation_accuracy=1 - 0.06 * kappa["cycle"])  # 0.88 in cycle 2
    assert complete_runs(falling[falling["cycle"] <= 3]) == 2
    assert complete_runs(falling[falling["cycle"] <= 2]) == 0


@pytest.mark.parametrize(("stop", "cycle"), [("last_good", 1), ("already_trained", 2), ("one_more", 3)])
def test_the_cycle_that_a_run_returns_follows_the_reading_of_kappa(stop, cycle):
    rows = [dict.fromkeys(RECORD_COLUMNS, "x") | {"seed": 0, "cycle": i, "stop": f"kappa 0.9 {stop}"} for i in range(4)]
    for row, fraction, accuracy in zip(rows, (1, 0.8, 0.6, 0.5), (0.9, 0.89, 0.7, 0.5), strict=True):
        row |= {"fraction_remaining": fraction, "validation_accuracy": accuracy}
    other = [row | {"seed": 1, "stop": "fraction 0.5"} for row in rows]
    assert returned_records(pd.DataFrame(rows[::-1] + other))["cycle"].tolist() == [cycle, 3]


def test_the_time_of_a_processor_is_kept_where_it_is_known(table, tmp_path):
    """A file without any, as version 0.1.0 wrote it, has no such column and is written as it was."""
    assert table["processor_seconds"].isna().all()
    write_records(table, tmp_path / "old.csv")
    assert "processor_seconds" not in (tmp_path / "old.csv").read_text().splitlines()[0]
    write_records(read_records(tmp_path / "old.csv"), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "old.csv").read_bytes()
    newer = table.copy()
    newer.loc[0, "processor_seconds"] = 0.1
    write_records(newer, tmp_path / "new.csv")
    assert read_records(tmp_path / "new.csv")["processor_seconds"].tolist()[0] == 0.1
    assert core_seconds(newer).tolist() == [0.1] + [0.125] * (len(table) - 1)
    assert core_seconds(newer.assign(device="cuda")).tolist() == [0.125] * len(table)
