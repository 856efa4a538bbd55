"""One process a core: each trains by an engine of its own and asks the board for jobs."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from threading import Thread

import torch.multiprocessing

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.provenance import outcome_provenance
from dropnet_core.basics.repeatable import repeatable
from dropnet_core.data import DataSet
from dropnet_core.data.shared import share_images
from dropnet_core.engines import engines
from dropnet_core.running.scheduler import Board
from dropnet_core.runs import Job
from dropnet_core.training import Outcome
from dropnet_core.unit_statistics import statistics


def train_here(board: Board, data: DataSet, engine: str) -> None:
    """Train the board's jobs in this process until none is open."""
    for job, outcome in engines[engine](data, board.take):
        board.deliver(job, with_provenance(outcome, job, engine, data))


def with_provenance(outcome: Outcome, job: Job, engine: str, data: DataSet) -> Outcome:
    """The outcome with its provenance."""
    made = outcome_provenance(engine, data.train.labels.device, job.recipe.augmented)
    return replace(outcome, provenance=made)


def train_for_parent(connection: Connection, data: DataSet, engine: str) -> None:
    """What a worker process does: ask for jobs, train them, send outcomes back."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the asking one decides
    Thread(target=exit_with_parent, args=(parent_process(),), daemon=True).start()

    def take(count: int) -> list[Job]:
        connection.send(count)
        jobs: list[Job] = connection.recv()
        for need in sorted({need for job in jobs for need in job.needs} - set(statistics)):
            raise InputError(
                f"another process does not know the statistic '{need}', which a notebook registered; use workers=1"
            )
        return jobs

    try:
        with repeatable():
            for job, outcome in engines[engine](data, take):
                connection.send((job, with_provenance(outcome, job, engine, data)))
    except (ConnectionError, EOFError):  # the asking process is gone; nobody waits for an answer
        os._exit(1)
    except Exception as error:
        connection.send(error)


def exit_with_parent(parent: BaseProcess | None) -> None:
    """End this process as soon as the asking one is gone, in the middle of a training too: nobody waits for it."""
    if parent is not None:
        parent.join()
        os._exit(1)


@dataclass
class Worker:
    """The near end of a worker process.

    holds      jobs that it has and has not delivered
    requested  jobs that it asks for; 0 while it waits for nothing
    """

    connection: Connection
    process: SpawnProcess
    holds: int = 0
    requested: int = 0


def train_in_processes(board: Board, data: DataSet, engine: str, workers: int) -> None:
    """Train the board's jobs in this many processes until none is open.

    A worker gets no more than its share of all unfinished jobs, lest an engine that takes many holds them all.
    Raises InputError if a worker dies, as the system kills one when memory runs out; what was delivered is
    kept.
    """
    context = torch.multiprocessing.get_context("spawn")
    staff: list[Worker] = []
    sent = share_images(data)
    with without_piped_script():
        for _ in range(workers):
            near, far = context.Pipe()
            process = context.Process(target=train_for_parent, args=(far, sent, engine), daemon=True)
            process.start()
            far.close()
            staff.append(Worker(near, process))
    try:
        while staff:
            for worker in list(staff):
                send_jobs(worker, board, staff)
            for connection in wait([worker.connection for worker in staff]):
                worker = next(w for w in staff if w.connection is connection)
                if not receive(worker, board):
                    staff.remove(worker)
    finally:
        for worker in staff:
            worker.process.terminate()


@contextmanager
def without_piped_script() -> Iterator[None]:
    """A new process imports the script that asks for it, unless that came by standard input or a pipe: it could not
    be read again, and a worker does without.
    """
    main = sys.modules["__main__"]
    script = getattr(main, "__file__", None)
    if script is None or os.path.isfile(script):
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = script


def send_jobs(worker: Worker, board: Board, staff: list[Worker]) -> None:
    """Reply to a worker that asked for jobs, unless it has nothing to do and jobs may still come."""
    if not worker.requested:
        return
    held = sum(w.holds for w in staff)
    share = -(-(board.open_jobs + held) // len(staff))
    jobs = board.take(min(worker.requested, max(0, share - worker.holds)))
    if not jobs and not worker.holds and held:
        return
    worker.requested, worker.holds = 0, worker.holds + len(jobs)
    with suppress(ConnectionError):  # it has died, which `receive` is about to notice
        worker.connection.send(jobs)


def receive(worker: Worker, board: Board) -> bool:
    """Take in one message. Returns False once the worker has left."""
    try:
        message = worker.connection.recv()
    except (EOFError, OSError):  # the end, in the middle of a message or with one of ours unread
        worker.process.join()
        if worker.process.exitcode == 0 and not worker.holds:
            return False
        if worker.process.exitcode == 1 and not worker.holds:
            raise InputError(
                "a worker process could not start, and says why above; a script that asks for workers must do so below "
                "'if __name__ == \"__main__\":', because every worker imports it"
            ) from None
        raise InputError(
            f"a worker process died (exit code {worker.process.exitcode}), perhaps for lack of memory; "
            "start again with fewer workers: what was trained is kept"
        ) from None
    if isinstance(message, Exception):
        raise message
    if isinstance(message, int):
        worker.requested = message
    else:
        worker.holds -= 1
        board.deliver(*message)
    return True
