"""Trains many dense networks together: they enter a stack, walk through the epochs, and leave when they stop.

Where nothing is shuffled, all networks of all seeds and metrics see the same batches in the same order, so a whole
experiment can walk through an epoch together (`stack`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter

from dropnet_core.data import DataSet
from dropnet_core.engines.batches import Prepared
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.interface import Take, engines
from dropnet_core.engines.member import Member
from dropnet_core.engines.probe import check_products
from dropnet_core.engines.stack import Stack
from dropnet_core.engines.walk import Walk
from dropnet_core.errors import InputError
from dropnet_core.metrics import Statistics
from dropnet_core.oracle import loss_without
from dropnet_core.precision import arithmetic, storage
from dropnet_core.runs import Job
from dropnet_core.training import Outcome

ROWS, MEMBERS = 960, 96  # units of the first layer and networks in one stack; more leave a CPU core's cache


@dataclass
class Stacked:
    """The members at work, in stacks of those that share a network and a recipe.

    A stack and its walk last as long as its members do: in it are the weights as they are now.
    """

    data: DataSet
    members: list[Member] = field(default_factory=list)
    walks: list[Walk] = field(default_factory=list)
    prepared: dict[int, Prepared] = field(default_factory=dict)

    def add(self, job: Job) -> None:
        """Raises InputError for a job that no stack can train."""
        if not job.network.all_dense or job.recipe.seeded or job.recipe.precision == "bf16":
            raise InputError(
                "the engine 'stacked' trains dense networks without shuffling, augmentation or bf16; choose 'compact'"
            )
        size = job.recipe.batch_size
        if size not in self.prepared:
            self.prepared[size] = Prepared.of(self.data, size)
        self._break_up()
        self.members.append(Member.of(job, self.prepared[size]))

    @property
    def full(self) -> bool:
        return len(self.members) >= MEMBERS or sum(len(member.layers[0]) for member in self.members) >= ROWS

    def epoch(self) -> None:
        """Train every member for one epoch and evaluate it."""
        self.walks = self.walks or [
            Walk(stack, self._splits(stack).train, stack.recipe.learning_rate) for stack in stacks(self.members)
        ]
        for walk in self.walks:
            started, members = perf_counter(), walk.stack.members
            with arithmetic(walk.stack.recipe.precision, walk.stack.device):
                self._epoch(walk)
            for member in members:
                member.seconds += (perf_counter() - started) / len(members)

    def _epoch(self, walk: Walk) -> None:
        stack, splits = walk.stack, self._splits(walk.stack)
        train, validation = walk.epoch(), stack.evaluate(splits.validation)
        for member, a, b in zip(stack.members, zip(*train, strict=True), zip(*validation, strict=True), strict=True):
            member.history.add(a, b)
        improved = [member for member in stack.members if member.history.improved()]
        if improved:
            stack.hand_back()
            better = stack if len(improved) == len(stack.members) else Stack(improved)
            for member, accuracy in zip(better.members, better.evaluate(splits.test)[1], strict=True):
                member.best_test_accuracy = accuracy

    def finished(self) -> Iterator[tuple[Job, Outcome]]:
        """The outcomes of the members that have stopped; they leave."""
        gone = [member for member in self.members if member.history.finished(member.job.recipe)]
        if not gone:
            return
        self._break_up()
        self.members = [member for member in self.members if not member.history.finished(member.job.recipe)]
        for stack in stacks(gone):
            splits, started = self._splits(stack), perf_counter()
            with arithmetic(stack.recipe.precision, stack.device):
                test, statistics = stack.evaluate(splits.test), stack.statistics(splits.train)
            seconds = (perf_counter() - started) / len(stack.members)
            for member, loss, accuracy, found in zip(stack.members, *test, statistics, strict=True):
                yield member.job, self._outcome(member, loss, accuracy, found, seconds)

    def _outcome(self, member: Member, loss: float, accuracy: float, found: Statistics, seconds: float) -> Outcome:
        """What is kept of a member; the statistic that a stack does not give is measured here."""
        started, job = perf_counter(), member.job
        if "loss_without" in job.needs:
            weights = member.trained(self.prepared[job.recipe.batch_size].live)
            dtype = storage(job.recipe.precision)
            with arithmetic(job.recipe.precision, self.data.train.labels.device):
                found["loss_without"] = loss_without(job.network, weights, job.mask, self.data.train, dtype)
        seconds += member.seconds + perf_counter() - started
        return Outcome(member.history, loss, accuracy, member.best_test_accuracy, found, seconds)

    def _break_up(self) -> None:
        """Take the members out of their stacks."""
        for walk in self.walks:
            walk.stack.hand_back()
        self.walks = []

    def _splits(self, stack: Stack) -> Prepared:
        return self.prepared[stack.recipe.batch_size]


def stacks(members: Iterable[Member]) -> list[Stack]:
    """The members side by side: a stack for each network and recipe."""
    alike: dict[tuple[object, ...], list[Member]] = {}
    for member in members:
        alike.setdefault((member.job.recipe, member.job.network), []).append(member)
    return [Stack(together) for together in alike.values()]


def stacked(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train as many jobs together as fit into a stack; a network that stops makes room for the next job.

    Raises InputError for a network with convolutions or a recipe that shuffles or augments.
    """
    check_products(data.train.labels.device)
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
        yield from at_work.finished()


engines.add("stacked", stacked)
