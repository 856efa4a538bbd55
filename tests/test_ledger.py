"""What has been run and what it cost, for the pages that tell it."""

import re
from pathlib import Path

import pandas as pd
import pytest
from tiny_runs import NETWORK, made_up_cycles, small

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import experiment, experiment_names
from dropnet_core.experiments.records import records
from dropnet_core.experiments.results import add_records
from dropnet_core.pages import ledger as ledgers
from dropnet_core.pages.ledger import COMPLETE, IN_PART, NOT_RUN, STATES, cost, experiments_in_words, headline, ledger
from dropnet_core.running.store import Store


@pytest.fixture(scope="module")
def table(tiny, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The 16 records of the 4 runs of the experiment "small"; each took 0.125 seconds."""
    made = records(
        small(), made_up_cycles(small(), tiny, Store(tmp_path_factory.mktemp("store") / "s.sqlite")), NETWORK, tiny
    )
    return made.assign(test_loss=[1 + (place if cycle else 0) for place, cycle in enumerate(made["cycle"])])


@pytest.fixture(scope="module")
def folder(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of the table in part, one outside it whole, sharing all its trainings with the first."""
    made = tmp_path_factory.mktemp("results")
    add_records([table.assign(experiment="mnist-fc40-fc40"), table.assign(experiment="own")], made)
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> pd.DataFrame:
    return ledger(folder)


def state(found: pd.DataFrame, name: str) -> str:
    return str(found.set_index("experiment").loc[name, "state"])


def test_every_experiment_has_its_row(found: pd.DataFrame) -> None:
    assert found["experiment"].tolist() == [*experiment_names(), "own"]
    assert set(found["state"]) <= set(STATES)
    assert state(found, "mnist-fc40-fc40") == IN_PART and state(found, "own") == COMPLETE
    assert state(found, "mnist-fc20-fc40") == NOT_RUN and state(found, "tinyimagenet-vgg19") == NOT_RUN


def test_an_experiment_of_the_table_is_complete_with_all_its_runs(
    table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_records([table.assign(experiment="mnist-fc40-fc40")], tmp_path)
    planned = experiment("mnist-fc40-fc40").with_settings({"seeds": (0, 1), "metrics": ("min", "max_layer")})
    monkeypatch.setattr(ledgers, "experiment", lambda name: planned)
    assert state(ledger(tmp_path), "mnist-fc40-fc40") == COMPLETE


def test_each_state_is_told_in_its_own_way(found: pd.DataFrame) -> None:
    assert experiments_in_words(found, [IN_PART]) == (
        "- **mnist-fc40-fc40** (Fig 3): 4 of 90 runs, seeds 0-1, up to 4 cycles. 14 trainings in 0.0 hours of one "
        "core, 2026-01-02, a processor, torch 2.0. The rest: `python -m dropnet_core run mnist-fc40-fc40`"
    )
    assert experiments_in_words(found, [COMPLETE]).startswith("- **own**: all 4 runs, seeds 0-1")
    assert "The rest" not in experiments_in_words(found, [COMPLETE])
    waiting = experiments_in_words(found, [NOT_RUN]).splitlines()
    assert "- **mnist-fc20-fc40** (Fig 4): 1,275 trainings. `python -m dropnet_core run mnist-fc20-fc40`" in waiting
    assert experiments_in_words(found[:0], STATES) == "None."


def test_the_headline_adds_up_to_the_table(found: pd.DataFrame) -> None:
    total, *counts = map(int, re.findall(r"\d+", headline(found)))
    assert total == len(experiment_names()) == sum(counts)
    assert counts[:2] == [0, 1]  # the experiment outside the table does not count


def test_shared_trainings_are_paid_once(table: pd.DataFrame, folder: Path, tmp_path: Path) -> None:
    hour = table.assign(seconds=3600.0)
    add_records([hour.assign(experiment="one"), hour.assign(experiment="two")], tmp_path)
    assert cost(tmp_path) == (
        "**14 trainings in 14.0 hours** of one core were spent on all records under `results/`. "
        "On a processor (cpu, torch 2.0)."
    )
    other = hour[hour["seed"] == 1].assign(experiment="three", hardware="another", created="2026-02-01T00:00:00+00:00")
    add_records([other], tmp_path)
    assert cost(tmp_path).startswith("**21 trainings in 21.0 hours**")
    for sentence in ("On a processor (cpu, torch 2.0): 14 trainings in 14.0 hours.",
                     "On another (cpu, torch 2.0): 7 trainings in 7.0 hours."):  # fmt: skip
        assert sentence in cost(tmp_path)


def test_time_on_a_gpu_is_not_called_that_of_a_core(table: pd.DataFrame, tmp_path: Path) -> None:
    hour = table.assign(seconds=3600.0, experiment="own")
    gpu = hour.assign(device="cuda", hardware="a card")
    add_records([gpu], tmp_path / "gpu")
    assert cost(tmp_path / "gpu") == (
        "**14 trainings in 14.0 hours** of one GPU were spent on all records under `results/`. "
        "On a card (cuda, torch 2.0)."
    )
    assert "14 trainings in 14.0 hours of one GPU, 2026-01-02" in experiments_in_words(
        ledger(tmp_path / "gpu"), [COMPLETE]
    )
    second = hour["seed"] == 1
    add_records([pd.concat([hour[~second], gpu[second]])], tmp_path / "both")
    both = "7.0 hours of one core and 7.0 hours of one GPU"
    assert cost(tmp_path / "both").startswith(
        f"**14 trainings in 14.0 hours** were spent on all records under `results/`: {both}. On "
    )
    assert f"14 trainings in {both}, 2026" in experiments_in_words(ledger(tmp_path / "both"), [COMPLETE])


def test_nothing_run_is_said_and_damage_refused(tmp_path: Path) -> None:
    assert cost(tmp_path) == "Nothing has been run at the paper's scale yet."
    assert set(ledger(tmp_path)["state"]) == {NOT_RUN}
    (tmp_path / "own.csv").write_text("damaged")
    for call in (cost, ledger):
        with pytest.raises(InputError, match=r"own\.csv, line 1"):
            call(tmp_path)
