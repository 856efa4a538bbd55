"""Plain convolutional networks on a GPU, where launching a step's kernels one by one takes longer than they do."""

from typing import Any

import torch
from torch import Tensor

from dropnet_core.engines.convolutions import Convolutions, judged
from dropnet_core.engines.replay import STEPS, Replay
from dropnet_core.engines.windows import Batch
from dropnet_core.training import large_batch


class Resident(Convolutions):
    """One network in training on a GPU: all images lie there, and several steps are one launch.

    A step picks its batch by the position in the data, a number on the device. On a CPU, which has no use for it, it
    does the same.
    """

    def __init__(self, *described: Any) -> None:
        """As for `Convolutions`."""
        super().__init__(*described)
        labels, size = self.data.train.labels, min(self.recipe.batch_size, len(self.data.train))
        self.large_batch = large_batch(self.data.train)
        self.whole = len(labels) - len(labels) % size  # images that fill batches
        self.wanted = self.answers()
        self.logits, self.out = torch.empty_like(self.wanted), torch.empty_like(self.wanted[:size])
        self.order, self.first = torch.arange(len(labels), device=labels.device), labels.new_tensor(0)
        self.batch = torch.arange(size, device=labels.device)
        self._launches: tuple[Replay, Replay] | None = None

    def next_batch(self) -> None:
        """One step with the batch at the position, which moves on and at the end returns to the first."""
        places = self.batch + self.first
        chosen = self.order.index_select(0, places)
        images, wanted = (of.index_select(0, chosen) for of in (self.data.train.images, self.wanted))
        self.step(len(self.batch)).learn(Batch(images), wanted, self.out, self.recipe.learning_rate)
        self.logits.index_copy_(0, places, self.out)
        self.first.add_(len(self.batch)).remainder_(self.whole)

    @torch.inference_mode()
    def epoch(self, order: Tensor | None) -> tuple[float, float]:
        if order is not None:
            self.order.copy_(order)
        if self._launches is None:
            changed = [self.first, self.logits, *(part for parts in self.parameters for part in parts)]
            several, one = (Replay(self.next_batch, changed, times) for times in (STEPS, 1))
            self._launches = several, one
        several, one = self._launches
        launches, left = divmod(self.whole // len(self.batch), STEPS)
        for launch in [several] * launches + [one] * left:
            launch()
        rest = self.order[self.whole :]
        if len(rest):
            batch = Batch(self.data.train.images[rest])
            self.step(len(rest)).learn(batch, self.wanted[rest], self.logits[self.whole :], self.recipe.learning_rate)
        return judged(self.logits, self.data.train.labels[self.order])
