"""Many runs at once: each one's next job is looked up, or handed to whoever trains."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dropnet_core.algorithm import Cycles, Pruning, pruning
from dropnet_core.basics.provenance import rounding_of
from dropnet_core.prunable import Prunable
from dropnet_core.running.store import Store
from dropnet_core.runs import Job, Run
from dropnet_core.training import Outcome


@dataclass
class Board:
    """Where runs post the jobs they wait for, and engines find them.

    Equal jobs are one: the unpruned network of a seed is trained once for all metrics. The `listener` is
    called with each outcome, looked up or delivered, and a run that it takes on. Outcomes of another `rounding` (see
    `provenance`) count as missing, unless it is empty. `store_engines` and `engines` hold, by job key, the engines that
    made the outcomes that were looked up and those that were delivered; `cycles` those of each run so far.
    """

    store: Store
    data_sha256: str
    deadline: float = float("inf")
    rounding: str = ""
    listener: Callable[[Run, Job, Outcome], None] = lambda run, job, outcome: None
    cycles: dict[Run, Cycles] = field(default_factory=dict)
    store_engines: dict[str, str] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)
    _prunings: dict[Run, Pruning] = field(default_factory=dict)
    _waiting: dict[str, list[Run]] = field(default_factory=dict)
    _open: deque[Job] = field(default_factory=deque)

    def start(self, runs: Iterable[Run], network: Prunable) -> None:
        """Begin these runs, and advance each at once as far as the store reaches."""
        for run in runs:
            self._prunings[run] = pruning(run, network)
            job, self.cycles[run] = next(self._prunings[run])
            self._follow(run, job)

    def key(self, job: Job) -> str:
        """What the outcome of a job is filed under."""
        return job.key(self.data_sha256, self.rounding)

    def look_up(self, job: Job) -> Outcome | None:
        """The outcome that the store has for a job, if it was rounded alike. Version 0.1.0 filed without rounding."""
        for key in dict.fromkeys((self.key(job), job.key(self.data_sha256))):
            outcome = self.store.get(key)
            if outcome is not None and self.rounding in ("", rounding_of(outcome.provenance)):
                return outcome
        return None

    def take(self, count: int) -> list[Job]:
        """At most this many open jobs; none after the deadline."""
        if time.monotonic() >= self.deadline:
            return []
        return [self._open.popleft() for _ in range(min(count, len(self._open)))]

    def deliver(self, job: Job, outcome: Outcome) -> None:
        """Keep an outcome and let every run that waited for it go on."""
        key = self.key(job)
        self.store.put(key, outcome)
        self.engines[key] = outcome.provenance.get("engine", "")
        for run in self._waiting.pop(key):
            self._follow(run, self._advance(run, job, outcome))

    @property
    def open_jobs(self) -> int:
        """How many jobs nobody has taken yet."""
        return len(self._open)

    @property
    def finished(self) -> set[Run]:
        """The runs that have reached their stop."""
        return set(self.cycles) - set(self._prunings)

    def _advance(self, run: Run, job: Job, outcome: Outcome) -> Job | None:
        """Send a run the outcome it waited for. Returns the job it wants next, or None at its stop."""
        self.listener(run, job, outcome)
        try:
            following, self.cycles[run] = self._prunings[run].send(outcome)
            return following
        except StopIteration as stop:
            self.cycles[run] = stop.value
            del self._prunings[run]
            return None

    def _follow(self, run: Run, job: Job | None) -> None:
        """Go on with a run as far as the store reaches, then post the job it waits for."""
        while job is not None:
            key = self.key(job)
            if key in self._waiting:
                self._waiting[key].append(run)
                return
            if (known := self.look_up(job)) is None:
                self._waiting[key] = [run]
                self._open.append(job)
                return
            if key not in self.engines:
                self.store_engines[key] = known.provenance.get("engine", "")
            job = self._advance(run, job, known)
