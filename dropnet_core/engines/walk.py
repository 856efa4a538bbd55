"""The way of a stack through the batches of an epoch, on a CPU step by step, on a GPU several steps at once."""

from functools import cached_property

import torch

from dropnet_core.engines.batches import Batches
from dropnet_core.engines.replay import STEPS, Replay
from dropnet_core.engines.stack import Stack
from dropnet_core.engines.tally import Tally


class Walk:
    """A stack and the batches through which it goes in every epoch."""

    def __init__(self, stack: Stack, batches: Batches, rate: float) -> None:
        self.stack, self.batches, self.rate = stack, batches, rate
        self.tally = Tally(len(stack.members), stack.classes, stack.device)
        self.whole = batches.count // batches.size  # batches without the last one, if that is partial
        self.space = stack.space(batches.size, STEPS)

    @torch.inference_mode()
    def epoch(self) -> tuple[list[float], list[float]]:
        """One epoch. Returns the running mean loss and accuracy of each member."""
        self.tally.clear()
        done = self.by_position() if self.stack.device.type == "cuda" else 0
        self.one_by_one(done)
        return self.tally.means(self.batches.count)

    def one_by_one(self, done: int) -> None:
        """The steps of all batches behind the first `done`."""
        batches, space = self.batches, self.space
        each = list(zip(batches.columns.unbind(), batches.rows.unbind(), batches.onehot.unbind(), strict=True))
        for start in range(done, self.whole, STEPS):
            stop = min(start + STEPS, self.whole)
            for slot, (columns, rows, onehot) in enumerate(each[start:stop]):
                space.show(columns, rows)
                self.stack.step(space, onehot, self.rate, slot)
            self.tally.add(
                space.logits[: stop - start], space.log_probabilities[: stop - start], batches.labels[start:stop]
            )
        if rest := batches.count - self.whole * batches.size:
            space = self.stack.space(rest)
            space.show(batches.columns[-1, :, :rest], batches.rows[-1, :rest])
            self.stack.step(space, batches.onehot[-1, :, :rest], self.rate)
            self.tally.add(space.logits, space.log_probabilities, batches.labels[-1:, :rest])

    def by_position(self) -> int:
        """The steps of as many batches as can be done several at once, which are returned."""
        self.position.zero_()
        for _ in range(self.whole // STEPS):
            self.recorded()
        return self.whole // STEPS * STEPS

    @cached_property
    def position(self) -> torch.Tensor:
        return torch.zeros(1, dtype=torch.int64, device=self.stack.device)

    @cached_property
    def recorded(self) -> Replay:
        layers = [layer for group in self.stack.groups for layer in group.layers]
        changed = [self.position, self.stack.weights, *layers, self.tally.loss, self.tally.right]
        return Replay(self.several, changed)

    def several(self) -> None:
        """The steps at and behind the position, found on the device itself; the position moves on."""
        batches, ahead = self.batches, torch.arange(STEPS, device=self.position.device)
        places = (self.position + ahead).remainder(len(batches))  # recording runs a little ahead, even past the end
        for slot in range(STEPS):
            place = places[slot : slot + 1]
            columns, rows, onehot = (
                part.index_select(0, place)[0] for part in (batches.columns, batches.rows, batches.onehot)
            )
            self.space.show(columns, rows)
            self.stack.step(self.space, onehot, self.rate, slot)
        self.tally.add(self.space.logits, self.space.log_probabilities, batches.labels.index_select(0, places))
        self.position.add_(STEPS)
