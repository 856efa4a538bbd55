"""Ways to train a list of jobs. All of them agree with `reference`, which is the definition.

An engine is a generator function: given the data and a function `take`, it asks for jobs whenever it has room,
and yields each job with its outcome as soon as that is known. `take(k)` returns at most k jobs; an empty list
means that none is open now. An engine that holds nothing and gets nothing is done.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from time import perf_counter, process_time

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.registry import Registry
from dropnet_core.data import DataSet
from dropnet_core.networks.plain import Network
from dropnet_core.runs import Job
from dropnet_core.training import Outcome

Take = Callable[[int], list[Job]]
Engine = Callable[[DataSet, Take], Iterator[tuple[Job, Outcome]]]

engines: Registry[Engine] = Registry("engine")


@dataclass(frozen=True)
class Watch:
    """Is started where the work on a job begins."""

    clock: float = field(default_factory=perf_counter)
    processor: float = field(default_factory=process_time)

    def on(self, outcome: Outcome) -> Outcome:
        """The outcome with the seconds that it took: by the clock, and of the processor's time."""
        clock, processor = perf_counter() - self.clock, process_time() - self.processor
        return replace(outcome, seconds=clock, processor_seconds=processor)


def by_name_only(job: Job, engine: str) -> Job[Network]:
    """The job, for an engine that knows how networks by name are built. Raises InputError for any other network."""
    if not isinstance(job.network, Network):
        raise InputError(
            f"the engine '{engine}' trains networks with a name, such as 'fc40-fc40', and {job.network!r} is of "
            "another kind; choose the engine 'reference'"
        )
    return job
