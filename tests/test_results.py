"""A folder of results: merging into it, and what stands in it."""

import pytest
from tiny_runs import NETWORK, made_up_cycles, small

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.records import read_records, records, same_records, write_records
from dropnet_core.experiments.results import add_records, check_writable, results_summary, stored_records
from dropnet_core.running.store import Store


@pytest.fixture
def table(tiny, tmp_path):
    cycles = made_up_cycles(small(), tiny, Store(tmp_path / "store.sqlite"))
    return records(small(), cycles, NETWORK, tiny)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "results"


def test_records_are_filed_by_experiment(table, folder):
    other = table[:3].assign(experiment="other")
    first, second = add_records([table[:10], other, table[5:]], folder)
    assert (first.file.name, first.added, first.already, first.refused) == ("small.csv", 16, 5, 0)
    assert (second.file.name, second.added, second.already, second.refused) == ("other.csv", 3, 0, 0)
    assert (
        same_records(read_records(folder / "small.csv"), table).all() and len(read_records(folder / "other.csv")) == 3
    )
    assert "small.csv: 16 rows added, 5 already there, 0 refused" in str(first)


def test_what_stands_there_stays(table, folder):
    add_records([table[:4]], folder)
    before = (folder / "small.csv").stat().st_mtime_ns
    (again,) = add_records([table[:4]], folder)
    assert (again.added, again.already) == (0, 4) and (folder / "small.csv").stat().st_mtime_ns == before
    (changed,) = add_records([table.assign(test_loss=1.0)], folder)
    assert (changed.added, changed.already, changed.refused) == (12, 0, 4)
    assert same_records(stored_records("small", folder)[:4], table[:4]).all()


def test_all_or_nothing_is_written(table, folder):
    add_records([table[:4]], folder)
    with pytest.raises(InputError, match="differ in recipe"):
        add_records([table.assign(experiment="another"), table.assign(recipe="other")], folder)
    assert [file.name for file in folder.iterdir()] == ["small.csv"]
    (folder / "small.csv").write_text("damaged")
    with pytest.raises(InputError, match=r"small\.csv, line 1"):
        add_records([table], folder)


def test_a_folder_that_cannot_be_written(tmp_path, folder):
    check_writable(folder)
    assert list(folder.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/results cannot be written .*; choose another folder with --out"):
        check_writable(tmp_path / "file" / "results")
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(tmp_path / "file")


def test_a_summary_counts_each_training_once(table, folder):
    assert results_summary(folder).empty
    table["test_loss"] = [cycle and 1 + place for place, cycle in enumerate(table["cycle"])]
    table.loc[table["cycle"] == 1, "created"] = "2026-01-05T00:00:00+00:00"
    table.loc[table["cycle"] == 2, "hardware"] = "another processor"
    add_records([table[table["seed"] == 1], table[:3]], folder)
    write_records(table[:0], folder / "empty.csv")
    (row,) = results_summary(folder).to_dict("records")
    assert (row["experiment"], row["seeds"], row["cycles"], row["rows"]) == ("small", "0-1", 4, 11)
    assert (row["runs"], row["complete"], row["first"], row["last"]) == (3, 2, "2026-01-02", "2026-01-05")
    assert row["hardware"] == "a processor, another processor" and row["torch"] == "2.0"
    assert row["trainings"] == 7 + 3
    assert row["hours"] == pytest.approx(0.125 * (7 + 3) / 3600)  # seed 1 shares its unpruned network
