"""Trains many dense networks together: they enter a stack, walk through the epochs, and leave when they stop.

Where nothing is shuffled, all networks of all seeds and metrics see the same batches in the same order, so a whole
experiment can walk through an epoch together (`stack`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

from dropnet_core.data import DataSet
from dropnet_core.engines.batches import Prepared
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.interface import Take, engines
from dropnet_core.engines.member import Member
from dropnet_core.engines.passes import statistics_of
from dropnet_core.engines.stack import Stack
from dropnet_core.errors import InputError
from dropnet_core.runs import Job
from dropnet_core.training import Outcome

ROWS = 960  # units of the first layer in one stack; more no longer fits a CPU core's cache


@dataclass
class Stacked:
    """The members at work, in groups that can share a stack: one network and one recipe each."""

    data: DataSet
    members: list[Member] = field(default_factory=list)
    prepared: dict[int, Prepared] = field(default_factory=dict)

    def add(self, job: Job) -> None:
        if not job.network.all_dense or job.recipe.seeded:
            raise InputError(
                "the engine 'stacked' trains dense networks without shuffling or augmentation; choose 'compact'"
            )
        size = job.recipe.batch_size
        if size not in self.prepared:
            self.prepared[size] = Prepared.of(self.data, size)
        self.members.append(Member.of(job, self.prepared[size]))

    @property
    def full(self) -> bool:
        return sum(len(member.layers[0]) for member in self.members) >= ROWS

    def epoch(self) -> None:
        """Train every member for one epoch and evaluate it."""
        groups: dict[tuple[object, ...], list[Member]] = {}
        for member in self.members:
            groups.setdefault((member.job.recipe, member.job.network), []).append(member)
        for group in groups.values():
            recipe, started = group[0].job.recipe, perf_counter()
            splits, stack = self.prepared[recipe.batch_size], Stack(group)
            train = stack.epoch(splits.train, recipe.learning_rate)
            stack.hand_back()
            for member, a, b in zip(
                stack.members,
                zip(*train, strict=True),
                zip(*stack.evaluate(splits.validation), strict=True),
                strict=True,
            ):
                member.history.add(a, b)
            improved = [member for member in group if member.history.improved()]
            if improved:
                better = Stack(improved)
                for member, accuracy in zip(better.members, better.evaluate(splits.test)[1], strict=True):
                    member.best_test_accuracy = accuracy
            for member in group:
                member.seconds += (perf_counter() - started) / len(group)

    def finished(self) -> list[Member]:
        """The members that have stopped; they leave."""
        gone = [member for member in self.members if member.history.finished(member.job.recipe)]
        self.members = [member for member in self.members if not member.history.finished(member.job.recipe)]
        return gone

    def outcome(self, member: Member) -> Outcome:
        """What is kept of a member that has stopped."""
        started, job = perf_counter(), member.job
        splits = self.prepared[job.recipe.batch_size]
        (loss,), (accuracy,) = Stack([member]).evaluate(splits.test)
        statistics = statistics_of(job, member.trained(splits.live), self.data)
        seconds = member.seconds + perf_counter() - started
        return Outcome(member.history, loss, accuracy, member.best_test_accuracy, statistics, seconds)


def stacked(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train as many jobs together as fit into a stack; a network that stops makes room for the next job.

    Raises InputError for a network with convolutions or a recipe that shuffles or augments.
    """
    emptied, at_work = Emptied(data), Stacked(data)
    while True:
        while not at_work.full and (jobs := take(1)):
            if emptied.applies(jobs[0]):
                yield jobs[0], emptied.outcome(jobs[0])
            else:
                at_work.add(jobs[0])
        if not at_work.members:
            return
        at_work.epoch()
        for member in at_work.finished():
            yield member.job, at_work.outcome(member)


engines.add("stacked", stacked)
