"""Many dense networks in one step, with a hand-written backward pass, for CPUs and GPUs.

All networks of a stack see the same batches. Four ideas make a step fast:

* The first layer, most of the work, is cut into blocks of 8 surviving units, or fewer for the rest; a network owns as
  many as it needs, and one batched product multiplies all blocks of all networks with the shared images.
* In the later layers too only surviving units are left, padded to few different widths; the networks of one padded
  shape are a group, and are multiplied together.
* Biases are columns of the weight matrices, fed by a unit that is always 1.
* What only informs, the losses and right answers, can be counted for several steps at once (`walk`).

Every product is a batch of equally shaped ones, and their shape depends on the network alone. So a network's
numbers do not depend on its place in the stack or on its neighbours, bit for bit, if the library gives equal members of
a product equal bits (`products`, `probe`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise

import numpy as np
import torch
from torch import Tensor

from dropnet_core.engines.batches import EVALUATED, WHITE, Batches
from dropnet_core.engines.member import BLOCKS, Member, blocks
from dropnet_core.engines.products import add_product, multiply
from dropnet_core.engines.relu import through_relu
from dropnet_core.engines.tally import Tally
from dropnet_core.metrics import Statistics


@dataclass(frozen=True)
class Group:
    """Members of one padded shape, which stand side by side: `layers` (members, height, width), the first left out."""

    start: int
    stop: int
    widths: tuple[int, ...]
    layers: list[Tensor]

    @cached_property
    def turned(self) -> list[Tensor]:
        return [layer.mT for layer in self.layers]


class Stack:
    """The weights of members that share a network and a recipe, and the arithmetic on them.

    `members` are put into an order of its own.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = sorted(members, key=lambda member: member.widths)
        like, job = members[0].layers[0], members[0].job
        self.device, self.dtype, self.classes, self.recipe = like.device, like.dtype, job.network.classes, job.recipe
        self.groups: list[Group] = []
        for widths, together in groupby(self.members, key=lambda member: member.widths):
            same = list(together)
            layers = [torch.stack(layer) for layer in zip(*(member.layers[1:] for member in same), strict=True)]
            start = self.groups[-1].stop if self.groups else 0
            self.groups.append(Group(start, start + len(same), widths, layers))
        self._lay_out(like.shape[1])
        self._wire()
        self._spaces: dict[tuple[int, int], Space] = {}

    def _lay_out(self, pixels: int) -> None:
        """Give each member its rows (`places`) of the first layer's weights: all blocks of one size are together."""
        sizes = [blocks(len(member.layers[0])) for member in self.members]
        number = {size: sum(own.count(size) for own in sizes) for size in BLOCKS}
        free, self.rows = {}, 0
        for size in BLOCKS:
            free[size], self.rows = self.rows, self.rows + size * number[size]
        self.weights = torch.zeros(self.rows, pixels, dtype=self.dtype, device=self.device)
        self.cuts = [(free[size], number[size], size) for size in BLOCKS if number[size]]
        self.places = []
        for member, own in zip(self.members, sizes, strict=True):
            rows = [np.arange(0)]
            for size in own:
                rows.append(np.arange(free[size], free[size] + size))
                free[size] += size
            place = torch.from_numpy(np.concatenate(rows)[: len(member.layers[0])]).to(self.device)
            self.weights[place] = member.layers[0]
            self.places.append(place)
        self.first = self.in_blocks(self.weights)

    def in_blocks(self, rows: Tensor) -> list[Tensor]:
        """Rows (rows, columns) of the first layer as (blocks, size, columns) for each size of which there are any."""
        return [rows[at : at + n * size].view(n, size, rows.shape[1]) for at, n, size in self.cuts]

    def _wire(self) -> None:
        """Indices that lay the rows of the first layer out as the groups' (members, width), and back.

        Two rows follow the blocks: one of zeros, for units that are not there, and one of ones. Rows that belong to no
        unit may take any slope, which does not get through their ReLU.
        """
        self.inputs = sum((group.stop - group.start) * group.widths[0] for group in self.groups)
        spread = torch.full((self.inputs,), self.rows, device=self.device)
        gather = torch.zeros(self.rows, dtype=torch.int64, device=self.device)
        at = 0
        for member, place in zip(self.members, self.places, strict=True):
            spread[at : at + len(place)] = place
            gather[place] = torch.arange(at, at + len(place), device=self.device)
            at += member.widths[0]
            spread[at - 1] = self.rows + 1
        self.spread, self.gather = spread, gather

    def space(self, images: int, steps: int = 1) -> "Space":
        """The buffers for so many images, made once: asking the system for memory in each step would cost more than
        the arithmetic of the later layers."""
        if (images, steps) not in self._spaces:
            self._spaces[images, steps] = Space(self, images, steps)
        return self._spaces[images, steps]

    def forward(self, space: "Space", slot: int = 0) -> None:
        """Fill the buffers with the values of all layers for the images shown, and a slot with what comes out."""
        for layer, columns, value in zip(self.first, space.shared_columns, space.blocks, strict=True):
            multiply(layer, columns, value)
        space.first[: self.rows].relu_()
        torch.index_select(space.first, 0, self.spread, out=space.spread)
        for group, values, logits in zip(self.groups, space.values, space.outputs[slot], strict=True):
            for layer, (value, following) in zip(group.layers, pairwise(values), strict=False):
                multiply(layer, value, following)
                following.relu_()
            multiply(group.layers[-1], values[-1], logits)
        torch.log_softmax(space.logits[slot], 1, out=space.log_probabilities[slot])

    def step(self, space: "Space", onehot: Tensor, rate: float, slot: int = 0) -> None:
        """One step of stochastic gradient descent on the images shown, with onehot (classes, images)."""
        self.forward(space, slot)
        scale = -rate / space.images
        torch.exp(space.log_probabilities[slot], out=space.slope)
        space.slope.sub_(onehot)
        for group, values, slopes in zip(self.groups, space.values, space.slopes, strict=True):
            for i in range(len(group.layers) - 1, -1, -1):
                layer, before, slope = group.layers[i], slopes[i], slopes[i + 1]
                multiply(group.turned[i], slope, before)
                add_product(layer, slope, values[i].mT, scale)
                if i:
                    through_relu(before, values[i], out=before)
                    before[:, -1] = 0  # the constant is no weight to be learnt
        torch.index_select(space.spread_slope, 0, self.gather, out=space.first_slope)
        through_relu(space.first_slope, space.first[: self.rows], out=space.first_slope)
        for layer, slope, rows in zip(self.first, space.slope_blocks, space.shared_rows, strict=True):
            add_product(layer, slope, rows, scale / WHITE**2)

    @torch.inference_mode()
    def evaluate(self, batches: Batches) -> tuple[list[float], list[float]]:
        """Mean loss and accuracy of each member over a split."""
        tally = Tally(len(self.members), self.classes, self.device)
        for space, labels in self.passes(batches):
            tally.add(space.logits, space.log_probabilities, labels)
        return tally.means(batches.count)

    @torch.inference_mode()
    def statistics(self, batches: Batches) -> list[Statistics]:
        """What `metrics.measure` finds for each member, with its weights as they are in this stack."""
        totals = [
            [
                torch.zeros(2, group.stop - group.start, width, dtype=torch.float64, device=self.device)
                for width in group.widths
            ]
            for group in self.groups
        ]
        for space, _ in self.passes(batches):
            for layers, values in zip(totals, space.values, strict=True):
                for total, value in zip(layers, values, strict=True):
                    total[0] += value.sum(dim=2)
                    total[1] += value.shape[2] - value.sign().sum(dim=2)  # counts zeros in a tenth of the time of ==
        found = []
        for group, layers in zip(self.groups, totals, strict=True):
            shares = [(total / batches.count).cpu().numpy() for total in layers]
            for place, member in enumerate(self.members[group.start : group.stop]):
                found.append(member.statistics([share[:, place] for share in shares]))
        return found

    def passes(self, batches: Batches) -> Iterator[tuple["Space", Tensor]]:
        """The values of all layers for all images of a split, several batches at a time."""
        several, left = max(1, EVALUATED // batches.size), batches.count
        for start in range(0, len(batches), several):
            labels = batches.labels[start : start + several].flatten()[:left]
            columns = batches.columns[start : start + several].permute(1, 0, 2).flatten(1)[:, :left]
            space = self.space(len(labels))
            space.columns.copy_(columns)
            self.forward(space)
            left -= len(labels)
            yield space, labels[None]

    def hand_back(self) -> None:
        """Give every member its weights as they are now."""
        for member, place in zip(self.members, self.places, strict=True):
            member.layers[0] = self.weights[place]
        for group in self.groups:
            for k, member in enumerate(self.members[group.start : group.stop]):
                member.layers[1:] = [layer[k].clone() for layer in group.layers]


class Space:
    """Buffers for so many images: of each group the values of all layers (members, units, images), the first layer's
    also in its blocks; the loss's derivative by each of them, the slopes; and of several steps what comes out."""

    def __init__(self, stack: Stack, images: int, steps: int) -> None:
        def buffer(*shape: int) -> Tensor:
            return torch.zeros(*shape, images, dtype=stack.dtype, device=stack.device)

        self.images, members = images, len(stack.members)
        self.columns = buffer(stack.weights.shape[1])
        self.rows = torch.zeros_like(self.columns.t(), memory_format=torch.contiguous_format)
        self.shared_columns = [self.columns.expand(n, -1, -1) for _, n, _ in stack.cuts]
        self.shared_rows = [self.rows.expand(n, -1, -1) for _, n, _ in stack.cuts]
        self.first, self.first_slope = buffer(stack.rows + 2), buffer(stack.rows)
        self.first[-1] = 1
        self.blocks, self.slope_blocks = stack.in_blocks(self.first), stack.in_blocks(self.first_slope)
        self.spread, self.spread_slope = buffer(stack.inputs), buffer(stack.inputs)
        self.logits, self.log_probabilities = (buffer(steps, members, stack.classes) for _ in range(2))
        self.outputs = [[logits[group.start : group.stop] for group in stack.groups] for logits in self.logits]
        self.slope = buffer(members, stack.classes)
        self.values: list[list[Tensor]] = []
        self.slopes: list[list[Tensor]] = []
        at = 0
        for group in stack.groups:
            own, n = slice(group.start, group.stop), group.stop - group.start
            inputs = slice(at, at := at + n * group.widths[0])
            value, slope = (t[inputs].view(n, group.widths[0], images) for t in (self.spread, self.spread_slope))
            self.values.append([value, *(buffer(n, width) for width in group.widths[1:])])
            self.slopes.append([slope, *(buffer(n, width) for width in group.widths[1:]), self.slope[own]])

    def show(self, columns: Tensor, rows: Tensor) -> None:
        self.columns.copy_(columns)
        self.rows.copy_(rows)
