"""What a training holds in memory, and a refusal before training where that does not fit."""

import math
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.free_memory import free_bytes, left_to_process, size_in_words
from dropnet_core.basics.precision import storage
from dropnet_core.basics.provenance import KERNELS
from dropnet_core.basics.repeatable import gradients
from dropnet_core.data import DataSet
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork
from dropnet_core.networks.plain import Network
from dropnet_core.prunable import Weights
from dropnet_core.recipe import Recipe
from dropnet_core.training import large_batches
from dropnet_core.unit_statistics import measure

WORKER = 200_000_000  # bytes of a worker process before it trains: Python and torch
PAPER = Recipe()
SETS = 5  # of weights beside those of the network that scores: first, trained, gradients, put back, cut out again
MASKED_SETS = 2  # where the network that was trained scores itself: first, gradients

Course = frozenset[tuple[int, int]]
"""Bytes held at the moments of some work: a fixed part, and a part for each image."""


def step_bytes(network: Network, batch_size: int, recipe: Recipe = PAPER, *, masked: bool = False) -> int:
    """About how many bytes one step of training holds at its peak: a few tenths more or less, as the device has it.

    These are all tensors: weights and gradients, the first weights, and the values that the way back asks for. What a
    library needs inside a convolution is not among them. `masked`: in the network with masks.
    """
    return at_peak(step_course(network, recipe.precision, masked), batch_size)


def pass_bytes(network: Network, images: int, precision: str = "float32", *, masked: bool = False) -> int:
    """The same for so many images that go at once through the trained network which is scored.

    A pass without learning keeps no values for a way back, but it takes far more images than a step. `masked`: the
    network was trained with masks, as it is scored, so that there are fewer sets of weights.
    """
    return at_peak(pass_course(network, precision, masked), images)


def at_peak(course: Course, images: int) -> int:
    """The most bytes held at any moment, for so many images."""
    return max(fixed + images * each for fixed, each in course)


@lru_cache(maxsize=16)
def step_course(network: Network, precision: str, masked: bool) -> Course:
    """The course of a training step (see `step_bytes`)."""
    dtype = storage(precision)

    def work(images: int) -> None:
        weights = zeros(network, dtype)
        model = network.masked(weights, Mask.full(network.widths)) if masked else PlainNetwork(network, weights)
        for parameter in model.parameters():  # the gradients of the step before live until the way back
            parameter.grad = torch.empty_like(parameter)
        batch, labels = torch.zeros(images, *network.shape, dtype=dtype), torch.zeros(images, dtype=torch.int64)
        loss = F.cross_entropy(model(batch), labels)
        model.zero_grad(set_to_none=True)
        loss.backward()

    return course(work)


@lru_cache(maxsize=16)
def pass_course(network: Network, precision: str, masked: bool) -> Course:
    """The course of a pass that scores (see `pass_bytes`)."""
    dtype, sets = storage(precision), MASKED_SETS if masked else SETS

    def work(images: int) -> None:
        model = network.masked(zeros(network, dtype), Mask.full(network.widths))
        others = [torch.empty_like(parameter) for parameter in model.parameters() for _ in range(sets)]
        measure(model, [torch.zeros(images, *network.shape, dtype=dtype)])
        del others

    return course(work)


def zeros(network: Network, dtype: torch.dtype) -> Weights:
    """Weights of a network that are all 0."""
    return {name: torch.zeros(shape, dtype=dtype) for name, shape in network.weight_shapes().items()}


def course(work: Callable[[int], None]) -> Course:
    """What some work on a number of images holds in the course of its operations: it is done with two and with three.

    Both go the same way, so at each operation the difference is one image's. Which moment is the peak depends on the
    number of images, as some hold weights above all, others values.
    """
    two, three = Held(), Held()
    for images, held in ((2, two), (3, three)):
        with gradients(), held:
            work(images)
    return frozenset((a - 2 * (b - a), b - a) for a, b in zip(two.course, three.course, strict=True))


class Held(TorchDispatchMode):
    """While it is entered, notes after each operation how many bytes the tensors hold that were made since."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch first imports its compiler, which takes a second

    def __init__(self) -> None:
        super().__init__()
        self.course: list[int] = []
        self._sizes: dict[int, int] = {}  # of storages, which views share
        self._bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Any:
        result = function(*arguments, **(named or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                self._note(tensor.untyped_storage())
        self.course.append(self._bytes)
        return result

    def _note(self, made: torch.UntypedStorage) -> None:
        place = made._cdata
        if place not in self._sizes:
            self._sizes[place] = made.nbytes()
            self._bytes += made.nbytes()
            weakref.finalize(made, self._gone, place)

    def _gone(self, place: int) -> None:
        self._bytes -= self._sizes.pop(place)


def images_bytes(engine: str, network: Network, recipe: Recipe, data: DataSet) -> int:
    """What an engine holds of images beside the data itself: the kernels lay them out in their own way."""
    if engine != KERNELS:
        return 0
    from dropnet_core.engines.kernels.presentation import bytes_of_images  # takes a second to import

    return bytes_of_images(network, recipe, data)


def kernels_bytes(network: Network, recipe: Recipe, data: DataSet) -> int:
    """What the engine "kernels" holds beside some sets of weights: a network's numbers, and the images laid out."""
    from dropnet_core.engines.kernels.engine import bytes_of_model  # takes a second to import

    batch = min(recipe.batch_size, len(data.train))
    return bytes_of_model(network, batch) + images_bytes(KERNELS, network, recipe, data)


def check_memory(
    network: Network,
    recipe: Recipe,
    data: DataSet,
    device: torch.device,
    workers: int = 1,
    engine: str = "compact",
) -> None:
    """Raise InputError where training, evaluating and scoring do not fit into the memory that is free on the device.

    The engine "reference" trains with masks, all others a compact network, which at first is the whole one. Every
    worker does that in a process of its own, and all of them may be at their peak at once.
    """
    own = left_to_process() if device.type == "cpu" else None
    known = (free_bytes(device), None if own is None else workers * own)
    free = min((bytes_ for bytes_ in known if bytes_ is not None), default=None)
    if free is None:
        return
    weights = SETS * storage(recipe.precision).itemsize * sum(map(math.prod, network.weight_shapes().values()))
    if weights > free:  # asked first, as what follows makes them
        raise InputError(
            f"training the network '{network.name}' needs more than {size_in_words(weights)} for its weights, and "
            f"{size_in_words(free)} are free on {device}; take a narrower network"
        )
    batch, fitting, remedy = min(recipe.batch_size, len(data.train)), 0, "take a narrower network, or smaller images"
    if engine == KERNELS:
        what, alone = f"training in the kernels with batches of {batch}", weights + kernels_bytes(network, recipe, data)
        remedy = "take smaller images, a narrower network, or the engine 'compact', which lays out no images"
    else:
        masked = engine == "reference"
        at_once = max(len(next(large_batches(split, storage(recipe.precision)))[1]) for split in data.parts.values())
        step = step_bytes(network, batch, recipe, masked=masked)
        scoring = pass_bytes(network, at_once, recipe.precision, masked=masked)
        what = f"a training step with {batch}" if step > scoring else f"scoring with {at_once}"
        alone = max(step, scoring)
        if scoring <= free < step:
            fitting = largest_batch(network, recipe, free, masked=masked)
    needed = alone if workers == 1 else workers * (WORKER + alone)
    if needed <= free:
        return
    total = f" ({size_in_words(needed)} for {workers} workers)" if workers > 1 else ""
    if workers > 1 and alone <= free:
        remedy = f"use workers={max(1, free // (WORKER + alone))}"
    elif fitting:
        remedy = f"set batch_size={fitting}, or take smaller images"
    _, height, width = network.shape
    raise InputError(
        f"{what} images of {height}x{width} pixels needs about {size_in_words(alone)}{total} for the network "
        f"'{network.name}', and {size_in_words(free)} are free on {device}; {remedy}"
    )


def largest_batch(network: Network, recipe: Recipe, free: int, *, masked: bool = False) -> int:
    """The largest power of two below the recipe's batch size with which a step fits; 0 if even one image does not."""
    batch = 1 << (recipe.batch_size.bit_length() - 1)
    while batch and step_bytes(network, batch, recipe, masked=masked) > free:
        batch //= 2
    return batch
