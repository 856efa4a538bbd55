"""One cycle of Algorithm 1 on anybody's network: cut, prove, train, judge, measure."""

import copy
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.streams import stream
from dropnet_core.masks import Mask
from dropnet_core.metrics import Statistics
from dropnet_core.pruning.cut import cut, expanded
from dropnet_core.pruning.dropping import State, finite
from dropnet_core.pruning.proof import Proof, refuse_unless_equal, shaken
from dropnet_core.pruning.scoring import statistics
from dropnet_core.pruning.units import Units, tensors

Fit = Callable[[Any], object]
Accuracy = Callable[[Any], float]


@dataclass(frozen=True)
class Cycle:
    """What came of one network.

    state       the units that it has
    accuracy    what the user's `accuracy` said of it, after training
    statistics  of all units of the whole network; of no meaning for those it lacks
    proof       that it is the masked one
    parameters  how many numbers it learns; `macs` multiply-accumulates for one image, in convolutions and dense layers
    seconds     that `fit` took
    """

    state: State
    accuracy: float
    statistics: Statistics = field(repr=False)
    proof: Proof
    parameters: int
    macs: int
    seconds: float

    @property
    def mask(self) -> Mask:
        """The units that were trained."""
        return self.state.kept

    @property
    def fraction_remaining(self) -> float:
        return self.mask.fraction_remaining

    @property
    def validation_accuracy(self) -> float:
        """What a stop looks at."""
        return self.accuracy

    @property
    def diverged(self) -> bool:
        """Whether activations are no longer finite numbers."""
        return not finite(self.statistics)


@dataclass(frozen=True)
class Trainer:
    """What each cycle does with the units it is given.

    first  the network with its first weights, which every cycle starts from
    """

    first: nn.Module
    units: Units
    fit: Fit
    accuracy: Accuracy
    batches: Iterable[Any]
    example: Tensor
    seed: int

    def proof(self, mask: Mask) -> Proof:
        """That the network cut to a mask is the masked one. Raises InputError if it is not."""
        whole = shaken(self.first)
        return refuse_unless_equal(whole, cut(whole, self.units, mask), self.units, mask, self.example)

    def train(self, state: State) -> tuple[nn.Module, Cycle]:
        """Cut, prove, train from the first weights, judge and measure (paper, Algorithm 1, steps 1 to 3)."""
        proof = self.proof(state.kept)
        small = cut(self.first, self.units, state.kept).train()
        before = [parameter.detach().clone() for parameter in small.parameters()]
        set_generators(self.seed)
        start = time.perf_counter()
        self.fit(small)
        seconds = time.perf_counter() - start
        check_trained(small, before)
        small.to(self.example.device)  # `fit` may have moved it
        accuracy = number(self.accuracy(small.eval()))
        small.eval()
        weights = expanded(self.first, small, self.units, state.kept)
        measured = statistics(self.units, weights, state.kept, images(self.batches), self.example)
        parameters, macs = costs(small, self.units)
        return small, Cycle(state, accuracy, measured, proof, parameters, macs, seconds)


def set_generators(seed: int) -> None:
    """Seed the generators that loops use: those of torch, NumPy and Python."""
    number = int(stream(seed, "fit").integers(2**32))
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)


def check_trained(small: nn.Module, before: list[Tensor]) -> None:
    """Raise InputError unless `fit` has trained the network it was given."""
    after = list(small.parameters())
    if [p.shape for p in after] != [p.shape for p in before]:
        raise InputError("fit(model) changed the shapes of the network's parameters; it must train it as it is")
    if all(torch.equal(old, new.detach().to(old.device)) for old, new in zip(before, after, strict=True)):
        raise InputError(
            "fit(model) left the network as it was: it must train the very model that it is given, in place; if it "
            "trains a copy, end it with model.load_state_dict(trained.state_dict())"
        )


def number(value: Any) -> float:
    """What `accuracy` returned, as a number. Raises InputError if it is none, or not finite."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise InputError(f"accuracy(model) must return one number, larger for better, not {value!r:.80}") from None
    if not math.isfinite(found):
        raise InputError(f"accuracy(model) must return a finite number, not {found}")
    return found


def costs(small: nn.Module, units: Units) -> tuple[int, int]:
    """Parameters, and multiply-accumulates for one image."""
    named = dict(tensors(small))
    macs = sum(named[name].numel() * count for name, count in units.evaluation.positions.items())
    return sum(parameter.numel() for parameter in small.parameters()), macs


def images(batches: Iterable[Any]) -> Iterator[Tensor]:
    """The images of each batch: a tensor (n, ...), or a tuple or list that begins with one.

    Raises InputError for anything else, and if there is none.
    """
    empty = True
    for batch in batches:
        first = batch[0] if isinstance(batch, tuple | list) and batch else batch
        if not isinstance(first, Tensor) or first.dim() < 2:
            raise InputError(
                "batches must give tensors of images (n, ...), or tuples that begin with one, not "
                f"{type(batch).__name__}; give it a DataLoader or, for one tensor, images.split(256)"
            )
        empty = False
        yield first
    if empty:
        raise InputError("batches gave no batch; give training images that can be gone through several times")


def example_of(batches: Any, network: nn.Module) -> Tensor:
    """A few images to find units with, on the network's device. Raises InputError as `images` does."""
    if isinstance(batches, Tensor):
        raise InputError("batches is one tensor, whose items are single images; give it as batches: images.split(256)")
    if iter(batches) is batches:
        raise InputError("batches can be gone through only once, but each cycle does; give it a list or a DataLoader")
    first = next(images(batches))
    if len(first) < 2:
        raise InputError("the first of the batches must hold at least two images")
    device = next((parameter.device for parameter in network.parameters()), first.device)
    return first[:4].detach().to(device)


def first_weights(network: nn.Module) -> nn.Module:
    """A copy of a network without gradients. Raises InputError if it cannot be copied."""
    try:
        first = copy.deepcopy(network)
    except Exception as error:  # whatever a module's own parts raise
        raise InputError(f"this network cannot be copied: {error}; give a fresh one, built and not yet used") from error
    first.zero_grad(set_to_none=True)
    return first
