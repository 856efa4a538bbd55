"""Jobs for engines, without a scheduler."""

from collections.abc import Iterable

from dropnet_core.data import DataSet
from dropnet_core.engines import Take, engines
from dropnet_core.runs import Job
from dropnet_core.training import Outcome


def taking(jobs: Iterable[Job]) -> Take:
    """The `take` of an engine, over a fixed list of jobs."""
    left = list(jobs)

    def take(count: int) -> list[Job]:
        taken = left[:count]
        del left[:count]
        return taken

    return take


def train_all(engine: str, data: DataSet, jobs: Iterable[Job]) -> dict[Job, Outcome]:
    """The outcome of each job by this engine."""
    return dict(engines[engine](data, taking(jobs)))
