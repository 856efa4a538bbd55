"""What an experiment would still cost: trainings, minutes, memory."""

import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
import torch

from dropnet_core.algorithm import pruning
from dropnet_core.basics.repeatable import repeatable
from dropnet_core.basics.streams import stream
from dropnet_core.compaction import cut_off
from dropnet_core.data import DataSet, Split
from dropnet_core.engines import engines
from dropnet_core.engines.memory import images_bytes
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.networks.plain import Network
from dropnet_core.running.run import PreparedExperiment
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store
from dropnet_core.runs import Job, Run
from dropnet_core.training import History, Outcome
from dropnet_core.unit_statistics import USUAL

EPOCHS = 15  # of a training, while the store holds none to learn from: what fc40-fc40 takes on MNIST
TIMED = 3  # trainings, one after another
IMAGES = 1000  # of which there are more where a network is dense, because it is fast


@dataclass(frozen=True)
class Ahead:
    """The trainings of an experiment.

    known  outcomes that have been found, by job key
    jobs   trainings that are left, by job key; the masks of jobs behind an unknown outcome are made up
    exact  whether the number of jobs is exact, but for masks that two metrics happen to share: how many units
           are left follows from the schedule alone. Where a run stops by kappa follows from its accuracies,
           and then it is the most there can be
    """

    known: dict[str, Outcome]
    jobs: dict[str, Job]
    exact: bool


def ahead(experiment: Experiment, network: Network, board: Board | None = None) -> Ahead:
    """Follow every run with the outcomes that a board's store knows, then with made-up ones."""
    known: dict[str, Outcome] = {}
    jobs: dict[str, Job] = {}
    for run in experiment.runs():
        trainings = pruning(run, network)
        job, _ = next(trainings)
        while True:
            key = board.key(job) if board else job.key("")
            if key not in known and key not in jobs:
                if (found := board.look_up(job) if board else None) is None:
                    jobs[key] = job
                else:
                    known[key] = found
            try:
                job, _ = trainings.send(known.get(key) or made_up(run, job))
            except StopIteration:
                break
    return Ahead(known, jobs, all(stop.rule != "kappa" for stop in experiment.stops))


def made_up(run: Run, job: Job) -> Outcome:
    """An outcome whose unit statistics are drawn at random, alike for runs that differ in their stop only.

    Its accuracy rises when units go, so that no kappa ends a run.
    """
    draw = stream(run.seed, "made up", run.metric, str(run.p), run.selection, run.score, job.mask.text())
    ranks = [draw.random(width) for width in job.mask.widths]
    history = History([1.0], [0.5], [1.0], [2 - job.mask.fraction_remaining])
    return Outcome(history, 1.0, 0.5, 0.5, dict.fromkeys((*USUAL, *job.needs), ranks))


@dataclass(frozen=True)
class Cost:
    """What one training costs on average.

    epoch, around       seconds for an epoch, and for all that surrounds the epochs
    memory, gpu_memory  bytes of one process, and of the GPU if it uses one
    """

    epoch: float
    around: float
    memory: int
    gpu_memory: int


def cost_of(prepared: PreparedExperiment, jobs: Sequence[Job]) -> Cost:
    """Train some of these jobs, small and large, for an epoch and for three on a part of the data."""
    alive = [job for job in jobs if not cut_off(job.network, job.mask)] or jobs  # the others are hardly trained
    by_size = sorted(alive, key=lambda job: job.mask.units_remaining)
    chosen = [by_size[i] for i in np.linspace(0, len(by_size) - 1, TIMED).round().astype(int)]
    data, device = prepared.data, prepared.data.train.labels.device
    part = first_images(data, IMAGES * (10 if prepared.network.all_dense else 1))
    prepared.get_ready()
    with repeatable():
        seconds_for(1, chosen[-1:], first_images(data, 64), prepared.engine)  # the first call sets things up
        one, three = (seconds_for(epochs, chosen, part, prepared.engine) for epochs in (1, 3))
    whole = len(data.train) / len(part.train) / TIMED  # from the part and all jobs to the data and one job
    epoch = max(three - one, one / 10) / 2
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    held = images_bytes(prepared.engine, prepared.network, prepared.experiment.recipe, data)
    gpu = torch.cuda.max_memory_allocated(device) + held if device.type == "cuda" else 0
    return Cost(epoch * whole, max(one - epoch, 0) * whole, memory + (0 if gpu else held), gpu)


def seconds_for(epochs: int, jobs: Sequence[Job], data: DataSet, engine: str) -> float:
    """The time in which an engine trains these jobs for so many epochs."""
    waiting = [replace(job, recipe=replace(job.recipe, max_epochs=epochs, patience=epochs)) for job in jobs]

    def take(count: int) -> list[Job]:
        taken = waiting[:count]
        del waiting[:count]
        return taken

    started = perf_counter()
    for _ in engines[engine](data, take):
        pass
    return perf_counter() - started


def first_images(data: DataSet, count: int) -> DataSet:
    """A part of a data set: its first training images, and the same share of the other splits."""
    share = min(1.0, count / len(data.train))
    cut = (max(1, round(share * len(split))) for split in data.parts.values())
    train, validation, test = (
        Split(split.images[:n], split.labels[:n]) for split, n in zip(data.parts.values(), cut, strict=True)
    )
    return DataSet.of(data.name, train, validation, test, data.classes)


def forecast(prepared: PreparedExperiment, store: Store, workers: int) -> str:
    """Some lines for a reader: trainings, minutes and memory ahead on this machine."""
    experiment = prepared.experiment
    plan = ahead(experiment, prepared.network, Board(store, prepared.data.sha256, rounding=prepared.rounding))
    most = "" if plan.exact else "at most "
    runs, total = len(experiment.runs()), len(plan.known) + len(plan.jobs)
    if not plan.jobs:
        return f"{experiment.name}: {runs:,} runs; the store holds all their {total:,} trainings, none is ahead"
    lines = [
        f"{experiment.name}: {runs:,} runs, {most}{total:,} trainings; the store holds {len(plan.known):,} "
        f"of them, {most}{len(plan.jobs):,} are ahead"
    ]
    cost = cost_of(prepared, list(plan.jobs.values()))
    limit = experiment.recipe.max_epochs
    learnt = [outcome.history.epochs for outcome in plan.known.values()]
    epochs = float(np.mean(learnt)) if learnt else min(EPOCHS, limit)
    source = "as those in the store took on average" if learnt else "an assumption: the store holds none yet"

    def minutes(count: float) -> str:
        total = len(plan.jobs) * (count * cost.epoch + cost.around) / workers / 60
        return f"{total:,.0f}" if total >= 10 else f"{total:.1f}"

    share = f"{workers} workers" if workers > 1 else "1 worker"
    lines += [
        f"estimate for the engine '{prepared.engine}' with {share} on this machine, from a few epochs on a "
        "part of the data:",
        f"  about {minutes(epochs)} minutes if a training takes {epochs:.0f} epochs ({source}); "
        f"{minutes(limit)} if all take {limit}",
        f"  about {cost.memory * (workers + (workers > 1)) / 1e9:.1f} GB of memory"
        + (f" and {cost.gpu_memory * workers / 1e9:.1f} GB on the GPU" if cost.gpu_memory else ""),
    ]
    return "\n".join(lines)
