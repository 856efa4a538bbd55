"""Trainings in one process or in several: the same records, and what happens when a process dies."""

import multiprocessing
import threading
import time
from multiprocessing.connection import Pipe
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tiny_runs import NETWORK, made_up_answer, small

from dropnet_core.basics.errors import InputError
from dropnet_core.engines import engines
from dropnet_core.experiments.records import same_records
from dropnet_core.running import workers
from dropnet_core.running.run import PreparedExperiment
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store


@pytest.fixture
def prepare(tiny):
    """From changed settings of the small experiment to a prepared one and a board on a store of that name."""

    def made(place, engine="compact", **changed):
        experiment = small(**changed)
        prepared = PreparedExperiment(experiment, tiny, NETWORK, engine)
        return prepared, prepared.board(Store(place))

    return made


@pytest.mark.parametrize("engine", ["kernels", "compact"])
def test_two_workers_make_the_records_of_one(prepare, tmp_path, engine):
    tables = []
    for count in (1, 2):
        prepared, board = prepare(tmp_path / f"{count}.sqlite", engine, metrics=("min", "max_layer", "random"))
        prepared.train(board, count)
        assert board.finished == set(prepared.experiment.runs())
        tables.append(prepared.records(board.cycles))
    assert len(tables[0]) == 24 and same_records(*tables).all()
    assert set(tables[1]["engine"]) == {engine} and (tables[1]["seconds"] > 0).all()


def test_a_worker_that_is_killed_is_told_and_loses_nothing_else(prepare, tmp_path):
    """As when memory runs out. It falls into the first delivery, while the worker asks for its next job."""
    prepared, board = prepare(tmp_path / "killed.sqlite")

    def kill(*_):
        for child in multiprocessing.active_children():
            child.kill()

    board.listener = kill
    with pytest.raises(InputError, match=r"a worker process died \(exit code -9\).* what was trained is kept"):
        workers.train_in_processes(board, prepared.data, "compact", 1)
    assert len(board.store) == 1
    _, again = prepare(tmp_path / "killed.sqlite")
    prepared.train(again)
    _, alone = prepare(tmp_path / "alone.sqlite")
    prepared.train(alone)
    assert same_records(prepared.records(again.cycles), prepared.records(alone.cycles)).all()


def endless_worker(connection):
    """A worker in a training without end."""

    def endless(data, take):
        connection.send("at work")
        time.sleep(600)
        yield

    engines.add("endless", endless)
    workers.train_for_parent(connection, cast(Any, None), "endless")


def boss(connection):
    multiprocessing.get_context("spawn").Process(target=endless_worker, args=(connection,)).start()
    connection.close()
    time.sleep(600)


def test_a_worker_leaves_with_the_process_that_asked():
    near, far = Pipe()
    process = multiprocessing.get_context("spawn").Process(target=boss, args=(far,))
    process.start()
    far.close()
    assert near.poll(120) and near.recv() == "at work"
    process.kill()
    assert near.poll(120)  # its end is closed
    with pytest.raises(EOFError):
        near.recv()


def ended(exitcode: int) -> Any:
    """A process that is over."""
    return SimpleNamespace(join=lambda: None, exitcode=exitcode)


@pytest.fixture
def pair():
    """A worker's near end and the far end of its connection, without a process."""
    near, far = Pipe()
    yield workers.Worker(near, ended(0)), far
    near.close()
    far.close()


@pytest.fixture
def board(tmp_path):
    board = Board(Store(tmp_path / "store.sqlite"), "data")
    board.start(small().runs(), NETWORK)
    return board


def test_a_worker_gets_no_more_than_its_share(pair, board):
    worker, far = pair
    other = workers.Worker(worker.connection, worker.process)
    far.send(5)
    assert workers.receive(worker, board)
    workers.send_jobs(worker, board, [worker, other])
    assert len(far.recv()) == 1 == worker.holds  # two are open
    workers.send_jobs(worker, board, [worker, other])
    assert not far.poll()  # it has not asked again


def test_a_worker_without_work_waits_while_others_may_bring_some(pair, board):
    worker, far = pair
    busy = workers.Worker(worker.connection, worker.process, holds=1)
    board.take(99)
    worker.requested = 1
    workers.send_jobs(worker, board, [worker, busy])
    assert not far.poll()
    busy.holds = 0
    workers.send_jobs(worker, board, [worker, busy])
    assert far.recv() == []


def test_outcomes_and_errors_are_heard(pair, board):
    worker, far = pair
    (job,) = board.take(1)
    worker.holds = 1
    far.send((job, made_up_answer(board._waiting[job.key("data")][0], job)))
    assert workers.receive(worker, board) and worker.holds == 0 and len(board.store) == 1
    far.send(InputError("no such engine"))
    with pytest.raises(InputError, match="no such engine"):
        workers.receive(worker, board)


def test_a_worker_leaves_in_peace_or_not(pair, board):
    worker, far = pair
    far.close()
    assert not workers.receive(worker, board)
    worker.holds = 1
    with pytest.raises(InputError, match="a worker process died"):
        workers.receive(worker, board)


def test_a_worker_that_died_with_a_message_unread_or_half_sent(board):
    for end_badly in (lambda near, far: near.send([]), lambda near, far: far._send(b"\x00\x00\x00\x09half")):
        near, far = Pipe()
        worker = workers.Worker(near, ended(-9), holds=1, requested=1)
        end_badly(near, far)
        far.close()
        workers.send_jobs(worker, board, [worker])  # writes to nobody
        with pytest.raises(InputError, match="a worker process died"):
            workers.receive(worker, board)


def test_a_worker_stops_when_nobody_listens(tiny, board, monkeypatch):
    """The far side of a pipe whose near side is gone: the process must not train on for nobody."""
    left: list[int] = []
    monkeypatch.setattr(workers.os, "_exit", left.append)
    monkeypatch.setattr(workers.signal, "signal", lambda *_: None)
    near, far = Pipe()
    near.close()
    thread = threading.Thread(target=workers.train_for_parent, args=(far, tiny, "compact"))
    thread.start()
    thread.join()
    assert left == [1]
