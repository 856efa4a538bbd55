"""Small experiments and made-up outcomes that several tests share."""

from typing import Any

from dropnet_core.algorithm import Cycles
from dropnet_core.data import DataSet
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.running.forecast import made_up
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store
from dropnet_core.runs import Job, Run
from dropnet_core.stops import Stop
from dropnet_core.training import Outcome

NETWORK = describe("fc4-fc3", (1, 8, 8), 3)

PROVENANCE = {
    "engine": "reference",
    "device": "cpu",
    "hardware": "a processor",
    "torch": "2.0",
    "version": "0.1.0",
    "created": "2026-01-02T03:04:05+00:00",
}


def small(**changed: Any) -> Experiment:
    """Two metrics and two seeds on the data set "tiny", by default; four cycles a run, a few epochs each."""
    settings: dict[str, Any] = {
        "metrics": ("min", "max_layer"),
        "seeds": (0, 1),
        "selection": ("exact",),
        "p": (0.4,),
        "stops": (Stop("fraction", 0.3),),
        "recipe": Recipe(max_epochs=2, batch_size=16),
    }
    return Experiment("small", "tiny", **({"network": "fc4-fc3"} | settings | changed))


def made_up_answer(run: Run, job: Job) -> Outcome:
    """A made-up outcome with numbers of many digits and a provenance."""
    outcome = made_up(run, job)
    outcome.test_accuracy = 2 / 3 + 0.01 * job.mask.units_remaining + 1e-12
    outcome.test_loss, outcome.seconds, outcome.provenance = 2 / 3 + run.seed, 0.125, dict(PROVENANCE)
    return outcome


def finish(board: Board) -> int:
    """Answer all jobs of a board with made-up outcomes. Returns how many there were."""
    answered = 0
    while jobs := board.take(2):
        for job in jobs:
            board.deliver(job, made_up_answer(board._waiting[job.key(board.data_sha256)][0], job))
            answered += 1
    return answered


def made_up_cycles(experiment: Experiment, data: DataSet, store: Store) -> dict[Run, Cycles]:
    """All cycles of an experiment, without any training."""
    board = Board(store, data.sha256)
    board.start(experiment.runs(), NETWORK)
    finish(board)
    return board.cycles
