"""The board: equal jobs are one, the store comes first, runs leave each other alone. Nothing is trained."""

import sqlite3
from dataclasses import replace

import pytest
from tiny_runs import NETWORK, finish, made_up_answer, small

from dropnet_core.running import scheduler
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store
from dropnet_core.training import History


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store.sqlite")


def board_of(experiment, store, **more):
    board = Board(store, "data", **more)
    board.start(experiment.runs(), NETWORK)
    return board


def masks(board):
    return {run: [cycle.mask for cycle in cycles] for run, cycles in board.cycles.items()}


def test_equal_jobs_are_one(store):
    board = board_of(small(), store)
    assert board.open_jobs == 2  # the unpruned network of each seed, for both metrics
    assert finish(board) == len(store) == 2 + 2 * 2 * 3
    assert board.finished == set(small().runs()) and all(len(cycles) == 4 for cycles in board.cycles.values())


def test_what_the_store_holds_is_not_asked_for(store):
    first = board_of(small(seeds=(0,)), store)
    finish(first)
    second = board_of(small(seeds=(0, 1)), store)
    assert second.finished == first.finished and second.open_jobs == 1
    finish(second)
    third = board_of(small(seeds=(0, 1)), store)
    assert third.open_jobs == 0 and masks(third) == masks(second) and third.take(9) == []


def test_an_interrupted_board_goes_on_from_the_store(store, tmp_path):
    whole = board_of(small(), Store(tmp_path / "other.sqlite"))
    finish(whole)
    for _ in range(20):  # each time, two outcomes reach the store and then the process is gone
        board = board_of(small(), store)
        for job in board.take(2):
            store.put(job.key("data"), made_up_answer(board._waiting[job.key("data")][0], job))
    assert board.finished and masks(board) == masks(whole)


@pytest.mark.parametrize("last_first", [False, True])
def test_the_order_of_answers_does_not_matter(store, tmp_path, last_first):
    usual = board_of(small(metrics=("min", "random", "apoz_layer")), Store(tmp_path / "other.sqlite"))
    finish(usual)
    board = board_of(small(metrics=("min", "random", "apoz_layer")), store)
    taken = board.take(99)
    while taken:
        job = taken.pop(-1 if last_first else 0)
        board.deliver(job, made_up_answer(board._waiting[job.key("data")][0], job))
        taken += board.take(99)
    assert masks(board) == masks(usual)


def test_no_job_is_handed_out_after_the_deadline(store, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: now[0])
    board = board_of(small(), store, deadline=10.0)
    assert len(board.take(1)) == 1
    now[0] = 10.0
    assert board.take(1) == [] and board.open_jobs == 1


def test_take_gives_no_more_than_asked(store):
    board = board_of(small(seeds=(0, 1, 2)), store)
    assert [len(board.take(2)) for _ in range(3)] == [2, 1, 0]


def test_a_run_that_diverges_ends_nothing_else(store):
    board = board_of(small(), store)
    while jobs := board.take(1):
        outcome = made_up_answer(board._waiting[jobs[0].key("data")][0], jobs[0])
        if jobs[0].seed == 1 and jobs[0].mask.units_remaining < 7:
            nan = float("nan")
            outcome = replace(outcome, history=History([nan], [0.1], [nan], [0.1]), statistics={})
        board.deliver(jobs[0], outcome)
    assert board.finished == set(small().runs())
    assert {run.seed: len(cycles) for run, cycles in board.cycles.items()} == {0: 4, 1: 2}


def test_a_listener_hears_every_outcome_with_its_run(store):
    heard = []
    board = board_of(small(seeds=(0,)), store)
    board.listener = lambda run, job, outcome: heard.append((run.metric, job.mask.units_remaining))
    finish(board)
    assert sorted(heard) == sorted([("min", n) for n in (7, 5, 3, 2)] + [("max_layer", n) for n in (7, 5, 3, 1)])


def test_a_damaged_entry_is_computed_again(store):
    experiment = small(seeds=(0,), metrics="min")
    board = board_of(experiment, store)
    finish(board)
    job = board_of(experiment, store).cycles[experiment.runs()[0]][1]
    with sqlite3.connect(store.place) as database:
        rows = database.execute("SELECT key FROM outcomes").fetchall()
        database.execute("UPDATE outcomes SET content = x'00' WHERE key = ?", rows[1])
    with pytest.warns(UserWarning, match=f"entry {rows[1][0]} .* is damaged"):
        again = board_of(experiment, store)
    assert again.open_jobs == 1 and finish(again) == 1
    assert masks(again) == masks(board) and again.cycles[experiment.runs()[0]][1].mask == job.mask
