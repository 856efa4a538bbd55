"""Many dense networks in one step, with a hand-written backward pass, for CPUs and GPUs.

Where nothing is shuffled, all networks of all seeds and metrics see the same batches in the same order, so a whole
experiment can walk through an epoch together. Three ideas make that fast:

* The first layer, nearly all of the work, is stored as blocks of 8 surviving units; a network owns as many blocks
  as it needs, and one batched product multiplies all blocks of all networks with the shared images.
* The later, small layers keep their full width, padded; rows and columns of dropped units are zero and stay zero.
* Biases are columns of the weight matrices, fed by a unit that is always 1.

Every product is a batch of equally shaped ones, and their shape depends on the network alone. So a network's
numbers do not depend on its place in the stack or on its neighbours, bit for bit.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.data import DataSet, Split
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.interface import Take, engines
from dropnet_core.engines.passes import statistics_of
from dropnet_core.errors import InputError
from dropnet_core.networks import Weights
from dropnet_core.precision import arithmetic, storage
from dropnet_core.runs import Job
from dropnet_core.training import EVALUATION_BATCH, History, Outcome, pixels

BLOCK = 8  # units of the first layer that are multiplied together
ROWS = 960  # units of the first layer in one stack; more no longer fits a CPU core's cache


def padded(number: int) -> int:
    return math.ceil(number / BLOCK) * BLOCK


def in_blocks(rows: Tensor) -> Tensor:
    """Rows (n, columns) as (n / 8, 8, columns); there may be none, where every first layer is empty."""
    return rows.view(len(rows) // BLOCK, BLOCK, rows.shape[1])


@dataclass(frozen=True)
class Inputs:
    """A split as the stack reads it: images (n, pixels), where the last columns are a constant 1 and padding."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Prepared:
    """The three splits, without the pixels that are zero in every image: their weights never matter nor move.

    live  indices of the pixels that are left
    """

    live: Tensor
    train: Inputs
    validation: Inputs
    test: Inputs

    @classmethod
    def of(cls, data: DataSet, dtype: torch.dtype) -> "Prepared":
        splits = (data.train, data.validation, data.test)
        lit = torch.stack([split.images.flatten(1).amax(dim=0) > 0 for split in splits]).any(dim=0)
        live = lit.nonzero().flatten()

        def inputs(split: Split) -> Inputs:
            images = torch.zeros(len(split.labels), padded(len(live) + 1), dtype=dtype, device=live.device)
            images[:, : len(live)] = pixels(split.images.flatten(1)[:, live], dtype)
            images[:, len(live)] = 1
            return Inputs(images, split.labels)

        return cls(live, *map(inputs, splits))


@dataclass
class Member:
    """One network in the stack. `layers[0]` is (rows, pixels), later ones (units, padded inputs)."""

    job: Job
    layers: list[Tensor]
    history: History = field(default_factory=History)
    best_test_accuracy: float = math.nan
    seconds: float = 0.0

    @classmethod
    def of(cls, job: Job, prepared: Prepared) -> "Member":
        weights, like = job.first_weights(), prepared.train.images
        kept = kept_units(job)
        live = prepared.live.cpu()
        rows = torch.zeros(padded(len(kept[0])), like.shape[1])
        rows[: len(kept[0]), : len(live)] = weights["0.weight"][kept[0]][:, live]
        rows[: len(kept[0]), len(live)] = weights["0.bias"][kept[0]]
        layers = [rows]
        for i in range(1, len(kept)):
            columns = weights[f"{i}.weight"].shape[1]
            height = padded(len(weights[f"{i}.bias"]) + 2) if i < len(kept) - 1 else len(weights[f"{i}.bias"])
            layer = torch.zeros(height, padded(columns + 2))
            layer[kept[i][:, None], kept[i - 1]] = weights[f"{i}.weight"][kept[i][:, None], kept[i - 1]]
            layer[kept[i], columns] = weights[f"{i}.bias"][kept[i]]
            if i < len(kept) - 1:
                layer[len(weights[f"{i}.bias"]), columns] = 1  # hands the constant 1 on to the next layer
            layers.append(layer)
        return cls(job, [layer.to(like.device, like.dtype) for layer in layers])

    def trained(self, live: Tensor) -> Weights:
        """The full network's weights as they are now."""
        first, kept = self.job.first_weights(), kept_units(self.job)
        layers = [layer.cpu() for layer in self.layers]
        full = {name: weight.to(layers[0].dtype) for name, weight in first.items()}
        rows, columns = kept[0], live.cpu()
        full["0.weight"][rows[:, None], columns] = layers[0][: len(rows), : len(columns)]
        full["0.bias"][rows] = layers[0][: len(rows), len(columns)]
        for i in range(1, len(kept)):
            width = full[f"{i}.weight"].shape[1]
            full[f"{i}.weight"][kept[i][:, None], kept[i - 1]] = layers[i][kept[i][:, None], kept[i - 1]]
            full[f"{i}.bias"][kept[i]] = layers[i][kept[i], width]
        return full


def kept_units(job: Job) -> list[Tensor]:
    """Indices of the surviving units of every layer, the output layer last."""
    masks = dict(zip(job.network.masked_layers, job.mask.layers, strict=True))
    widths = [*(layer.units for layer in job.network.layers), job.network.classes]
    return [
        torch.from_numpy(masks[i].nonzero()[0]) if i in masks else torch.arange(width) for i, width in enumerate(widths)
    ]


class Stack:
    """The members' weights side by side, and the arithmetic on them."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        first = torch.cat([member.layers[0] for member in members])
        self.rows, self.device = len(first), first.device
        self.layers = [in_blocks(first)]
        self.layers += [torch.stack([m.layers[i] for m in members]) for i in range(1, len(members[0].layers))]
        network = members[0].job.network
        self.constants = [layer.units for layer in network.layers]  # row that carries the constant 1, a layer
        self._spaces: dict[int, Space] = {}
        self._wire(network.layers[0].units)

    def _wire(self, width: int) -> None:
        """Indices that lay the blocks of the first layer out as (members, padded width), and back.

        Two rows follow the blocks in the buffer: one of zeros, for units that are not there, and one of ones.
        """
        zero, one = self.rows, self.rows + 1
        spread = torch.full((len(self.members), padded(width + 2)), zero)
        spread[:, width] = one
        # Padding rows of a block take their gradient from the column behind the constant, where it is always zero.
        gather = torch.full((self.rows,), width + 1)
        start = 0
        for place, member in enumerate(self.members):
            kept = kept_units(member.job)[0]
            own = start + torch.arange(len(kept))
            spread[place, kept] = own
            gather[own] = place * spread.shape[1] + kept
            start += len(member.layers[0])
        self.spread, self.gather, self.shape = (
            spread.flatten().to(self.device),
            gather.to(self.device),
            spread.shape,
        )

    def space(self, count: int) -> "Space":
        """The buffers for a batch of this many images, made once: asking the system for memory in each step
        would cost more than the arithmetic of the later layers."""
        if count not in self._spaces:
            self._spaces[count] = Space(self, count)
        return self._spaces[count]

    def forward(self, images: Tensor) -> "Space":
        """Fill the buffers with the values of all layers for images (b, pixels)."""
        space, first = self.space(len(images)), self.layers[0]
        torch.bmm(first, images.t().expand(len(first), -1, -1), out=space.blocks)
        space.first[: self.rows].clamp_(min=0)
        torch.index_select(space.first, 0, self.spread, out=space.values[0].view(-1, len(images)))
        for layer, (value, following) in zip(self.layers[1:], pairwise(space.values), strict=True):
            torch.bmm(layer, value, out=following)
            if following is not space.values[-1]:
                following.clamp_(min=0)
        return space

    def step(self, images: Tensor, labels: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """One step of stochastic gradient descent. Returns each member's summed loss and its right answers."""
        space = self.forward(images)
        loss, right, log_probability, answer = judge(space.values[-1], labels)
        slope = log_probability.exp_()
        slope.scatter_add_(1, answer, slope.new_full((1, 1, 1), -1.0).expand(answer.shape))
        scale = -rate / len(labels)
        for i in range(len(self.layers) - 1, 0, -1):
            layer, value, before = self.layers[i], space.values[i - 1], space.slopes[i - 1]
            torch.bmm(layer.transpose(1, 2), slope, out=before)
            layer.baddbmm_(slope, value.transpose(1, 2), alpha=scale)
            if i > 1:
                slope = through_relu(before, value)
                slope[:, self.constants[i - 1]] = 0  # the constant is no weight to be learnt
        torch.index_select(space.slopes[0].view(-1, len(labels)), 0, self.gather, out=space.first_slope)
        through_relu(space.first_slope, space.first[: self.rows])
        blocks = in_blocks(space.first_slope)
        self.layers[0].baddbmm_(blocks, images.expand(len(blocks), -1, -1), alpha=scale)
        return loss, right

    def epoch(self, inputs: Inputs, batch_size: int, rate: float) -> tuple[list[float], list[float]]:
        """One epoch. Returns the running mean loss and accuracy of each member."""
        loss = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        right = torch.zeros(len(self.members), dtype=torch.int64, device=self.device)
        for images, labels in zip(inputs.images.split(batch_size), inputs.labels.split(batch_size), strict=True):
            batch_loss, batch_right = self.step(images, labels, rate)
            loss += batch_loss
            right += batch_right
        return (loss / len(inputs.labels)).tolist(), (right.double() / len(inputs.labels)).tolist()

    def evaluate(self, inputs: Inputs) -> tuple[list[float], list[float]]:
        """Mean loss and accuracy of each member over a split."""
        loss = torch.zeros(len(self.members), dtype=torch.float64, device=self.device)
        right = torch.zeros(len(self.members), dtype=torch.int64, device=self.device)
        for images, labels in zip(
            inputs.images.split(EVALUATION_BATCH), inputs.labels.split(EVALUATION_BATCH), strict=True
        ):
            batch_loss, batch_right, *_ = judge(self.forward(images).values[-1], labels)
            loss += batch_loss
            right += batch_right
        return (loss / len(inputs.labels)).tolist(), (right.double() / len(inputs.labels)).tolist()

    def hand_back(self) -> None:
        """Give every member its weights as they are now."""
        rows = self.layers[0].flatten(0, 1)
        start = 0
        for place, member in enumerate(self.members):
            height = len(member.layers[0])
            member.layers = [rows[start : start + height], *(layer[place] for layer in self.layers[1:])]
            start += height


@dataclass
class Stacked:
    """The members at work, in groups that can share a stack: one network and one recipe each."""

    data: DataSet
    members: list[Member] = field(default_factory=list)
    prepared: dict[str, Prepared] = field(default_factory=dict)

    def add(self, job: Job) -> None:
        if not job.network.all_dense or job.recipe.seeded or job.recipe.precision == "bf16":
            raise InputError(
                "the engine 'stacked' trains dense networks without shuffling, augmentation or bf16; choose 'compact'"
            )
        precision = job.recipe.precision
        if precision not in self.prepared:
            self.prepared[precision] = Prepared.of(self.data, storage(precision))
        self.members.append(Member.of(job, self.prepared[precision]))

    @property
    def full(self) -> bool:
        return sum(len(member.layers[0]) for member in self.members) >= ROWS

    def epoch(self) -> None:
        """Train every member for one epoch and evaluate it."""
        groups: dict[tuple[object, ...], list[Member]] = {}
        for member in self.members:
            groups.setdefault((member.job.recipe, member.job.network), []).append(member)
        for group in by_precision(groups.values(), self.data.train.labels.device):
            recipe, started = group[0].job.recipe, perf_counter()
            splits, stack = self.prepared[recipe.precision], Stack(group)
            train = stack.epoch(splits.train, recipe.batch_size, recipe.learning_rate)
            stack.hand_back()
            for member, a, b in zip(
                group,
                zip(*train, strict=True),
                zip(*stack.evaluate(splits.validation), strict=True),
                strict=True,
            ):
                member.history.add(a, b)
            improved = [member for member in group if member.history.improved()]
            if improved:
                for member, accuracy in zip(improved, Stack(improved).evaluate(splits.test)[1], strict=True):
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
        splits = self.prepared[job.recipe.precision]
        with arithmetic(job.recipe.precision, self.data.train.labels.device):
            (loss,), (accuracy,) = Stack([member]).evaluate(splits.test)
        statistics = statistics_of(job, member.trained(splits.live), self.data)
        seconds = member.seconds + perf_counter() - started
        return Outcome(member.history, loss, accuracy, member.best_test_accuracy, statistics, seconds)


def by_precision(groups: Iterable[list[Member]], device: torch.device) -> Iterator[list[Member]]:
    """Each group, to be worked on in the arithmetic that its recipe names."""
    for group in groups:
        with arithmetic(group[0].job.recipe.precision, device):
            yield group


class Space:
    """Buffers of one batch size: `values` of all layers (members, units, images) with the first layer's in its
    blocks (`first`, of which `blocks` is another view), and `slopes`, the loss's derivative by each of them."""

    def __init__(self, stack: Stack, count: int) -> None:
        like, members = stack.layers[0], len(stack.members)
        self.first = like.new_zeros(stack.rows + 2, count)
        self.first[stack.rows + 1] = 1
        self.blocks = in_blocks(self.first[: stack.rows])
        heights = [stack.shape[1], *(layer.shape[1] for layer in stack.layers[1:])]
        self.values = [like.new_empty(members, height, count) for height in heights]
        self.slopes = [like.new_empty(members, height, count) for height in heights[:-1]]
        self.first_slope = like.new_empty(stack.rows, count)


def judge(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For logits (members, classes, b): summed loss and right answers of each member, the log probabilities, and
    the labels laid out as (members, 1, b)."""
    answer = labels.expand(len(logits), 1, -1)
    log_probability = F.log_softmax(logits, dim=1)
    loss = -log_probability.gather(1, answer).sum(dim=(1, 2))
    # max() names the first of equal logits, as argmax() does, in an eighth of the time
    right = (logits.max(dim=1, keepdim=True).indices == answer).sum(dim=(1, 2))
    return loss, right, log_probability, answer


def through_relu(slope: Tensor, value: Tensor) -> Tensor:
    """The derivative before a ReLU from that behind it, in place: zero where the value is."""
    return torch.ops.aten.threshold_backward.grad_input(slope, value, 0, grad_input=slope)


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
