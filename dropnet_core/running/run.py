"""From an experiment to its records."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.precision import check_precision
from dropnet_core.basics.progress import Bar
from dropnet_core.basics.provenance import KERNELS, hardware, rounding
from dropnet_core.basics.repeatable import repeatable
from dropnet_core.data import DataSet, load
from dropnet_core.engines import compile_kernels, engines, fastest
from dropnet_core.engines.memory import check_memory
from dropnet_core.engines.probe import check_products
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.experiments.records import records
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import Network, describe
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store
from dropnet_core.running.workers import train_here, train_in_processes
from dropnet_core.runs import Cycle, Job, Run
from dropnet_core.training import Outcome


@dataclass(frozen=True)
class PreparedExperiment:
    """An experiment whose names have been looked up and whose data has been read: it can only work now."""

    experiment: Experiment
    data: DataSet
    network: Network
    engine: str

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        engine: str = "auto",
        device: str = "auto",
        workers: int = 1,
        data: DataSet | None = None,
    ) -> "PreparedExperiment":
        """Look everything up; workers are those that the memory must suffice for; data, if they have been read already.

        Raises InputError for what cannot work, before any training.
        """
        place = find_device(device)
        if engine != "auto":
            _ = engines[engine]
        if data is None:
            data = load(experiment.data, size=experiment.size, colour=experiment.colour)
        network = describe(experiment.network, data.shape, data.classes)
        check_precision(experiment.recipe.precision, place)
        chosen = fastest(network, experiment.recipe, place) if engine == "auto" else engine
        check_memory(network, experiment.recipe, data, place, workers, chosen)
        return cls(experiment, data.to(place), network, chosen)

    @property
    def rounding(self) -> str:
        """Whose arithmetic this engine's outcomes are rounded by (see `provenance`)."""
        device = self.data.train.labels.device
        return rounding(self.engine, hardware(device), self.experiment.recipe.augmented)

    def board(self, store: Store, deadline: float = float("inf")) -> Board:
        """A board on which all runs have started, as far as the store reaches."""
        board = Board(store, self.data.sha256, deadline, self.rounding)
        board.start(self.experiment.runs(), self.network)
        return board

    def get_ready(self) -> None:
        """What is done once, before processes run side by side: compile the kernels, or probe PyTorch's products."""
        if self.engine == KERNELS:
            compile_kernels(self.experiment.recipe.augmented)
        else:
            check_products(self.data.train.labels.device)

    def train(self, board: Board, workers: int = 1) -> None:
        """Train what is open on the board, with a bar. What an interruption leaves on the board is sound.

        Raises InputError where the memory runs out all the same, or a worker dies.
        """
        if board.open_jobs:
            self.get_ready()
        with Bar(self.experiment.name, len(board.cycles)) as bar, repeatable():
            bar.finished(len(board.finished))

            def listener(run: Run, job: Job, outcome: Outcome) -> None:
                bar.cycle(len(board.cycles[run]), job.mask.fraction_remaining, outcome.test_accuracy)
                bar.finished(len(board.finished))

            board.listener = listener
            try:
                if workers == 1:
                    train_here(board, self.data, self.engine)
                else:
                    train_in_processes(board, self.data, self.engine, workers)
            except MemoryError as error:
                raise InputError(
                    "the memory ran out in a training; take fewer workers, smaller images or a narrower network, or "
                    "start again where more is free: what was trained is kept"
                ) from error
            bar.finished(len(board.finished))

    def cycles(
        self, store: Store | None, workers: int = 1, deadline: float = float("inf")
    ) -> dict[Run, tuple[Cycle, ...]]:
        """The cycles of all runs, trained as far as the store, or the default one, does not hold them."""
        board = self.board(Store() if store is None else store, deadline)
        self.train(board, workers)
        return board.cycles

    def from_store(self, board: Board) -> str:
        """How many outcomes of a board were found in its store, and which engines made them; "" if none was."""
        count, total = len(board.store_engines), len(board.store_engines | board.engines)
        if not count:
            return ""
        engines_then = sorted(set(board.store_engines.values()))
        made = " and ".join(f"'{name}'" for name in engines_then)
        other = f", not by '{self.engine}'" if engines_then != [self.engine] else ""
        share = f"all {total:,}" if count == total else f"{count:,} of {total:,}"
        return f"{share} outcomes were found in the store, made by the engine {made}{other}"

    def records(self, cycles: Mapping[Run, Sequence[Cycle]]) -> pd.DataFrame:
        """The rows of these cycles."""
        return records(self.experiment, cycles, self.network, self.data)


def run(
    experiment: Experiment,
    *,
    store: Store | None = None,
    engine: str = "auto",
    device: str = "auto",
    workers: int = 1,
    minutes: float | None = None,
) -> pd.DataFrame:
    """Run an experiment, or what of it the store does not hold yet, and return its records.

    engine   "auto", or a name in `dropnet_core.engines.engines`
    device   "auto", "cpu", "cuda" or "cuda:N"
    workers  processes, each with one thread; on a GPU, 1. A script that asks for more does so below
             `if __name__ == "__main__":`, because every worker imports it
    minutes  no training starts after this time; a later call goes on from there

    Raises InputError for anything that cannot work, before any training.
    """
    deadline = check_limits(workers, minutes)
    prepared = PreparedExperiment.of(experiment, engine, device, workers)
    return prepared.records(prepared.cycles(store, workers, deadline))


def masks_by_run(
    experiment: Experiment,
    *,
    store: Store | None = None,
    engine: str = "auto",
    device: str = "auto",
    workers: int = 1,
) -> dict[Run, list[Mask]]:
    """The masks that each run of an experiment trains, in the order of its cycles, the full one first.

    They follow from the trainings, so those that the store does not hold are done first: after `run` with the same
    store, engine and device there are none. The arguments, and the errors raised, are those of `run`.
    """
    check_limits(workers, None)
    prepared = PreparedExperiment.of(experiment, engine, device, workers)
    return {run: [cycle.mask for cycle in cycles] for run, cycles in prepared.cycles(store, workers).items()}


def check_limits(workers: int, minutes: float | None) -> float:
    """The time, by the monotonic clock, after which no training starts.

    Raises InputError for limits that cannot be.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise InputError(f"workers is a whole number of at least 1, not {workers!r}; one a core is a good choice")
    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes is a time budget above 0, not {minutes!r}; leave it out for no limit")
    return time.monotonic() + minutes * 60 if minutes is not None else float("inf")


def find_device(name: str) -> torch.device:
    """The device of this name; "auto" is the one that DROPNET_DEVICE names, else a GPU where there is one.

    Raises InputError for a device that is not there.
    """
    if name == "auto":
        name = os.environ.get("DROPNET_DEVICE") or "auto"
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda"):
        raise unknown("device", name, ("auto", "cpu", "cuda"))
    if kind == "cuda" and (number or "0").isdigit() and int(number or 0) >= torch.cuda.device_count():
        raise InputError(
            f"the device '{name}' is not there: torch sees {torch.cuda.device_count()} GPUs; use 'cpu' or 'auto'"
        )
    try:
        return torch.device(name)
    except RuntimeError:
        raise InputError(f"'{name}' is no device; use auto, cpu, cuda or cuda:N") from None
