"""The ways to train that are compared. Each takes jobs and data and trains until the jobs' epochs are up."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import perf_counter, process_time
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.keras_way import keras_way
from dropnet_core.basics.repeatable import repeatable
from dropnet_core.data import DataSet, Split
from dropnet_core.engines import engines
from dropnet_core.runs import Job

Way = Callable[[Sequence[Job], DataSet], None]


class MaskLayer(nn.Module):
    """Multiplies activations by a constant 0/1 mask."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, value: Tensor) -> Tensor:
        """Activations (n, units) or (n, units, H, W) times the mask."""
        return value * self.get_buffer("mask")


def usual_model(job: Job) -> nn.Sequential:
    """A job's network as one writes it down in PyTorch, with its first weights."""
    network, weights = job.network, job.first_weights()
    masks = dict(zip(network.masked_layers, job.mask.layers, strict=True))
    modules: list[nn.Module] = []
    flat = False
    for i, (inputs, out) in enumerate(
        zip(network.inputs(), [*(layer.units for layer in network.layers), network.classes], strict=True)
    ):
        convolution = i < len(network.layers) and network.layers[i].kind == "conv"
        if not convolution and not flat:
            modules.append(nn.Flatten())
            flat = True
        channels, height, width = inputs
        layer: nn.Conv2d | nn.Linear
        if convolution:
            layer = nn.Conv2d(channels, out, 3, padding=1)
        else:
            layer = nn.Linear(channels * height * width, out)
        with torch.no_grad():
            layer.weight.copy_(weights[f"{i}.weight"])
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # a layer made like this has one
        modules.append(layer)
        if i < len(network.layers):
            modules.append(nn.ReLU())
        if i in masks:
            kept = torch.tensor(masks[i], dtype=torch.float32)
            modules.append(MaskLayer(kept.view(-1, 1, 1) if convolution else kept))
        if convolution:
            modules.append(nn.MaxPool2d(2))
    return nn.Sequential(*modules)


def loader(split: Split, size: int) -> "DataLoader[tuple[Tensor, ...]]":
    """A split as PyTorch's loader hands it out: images as floats from 0 to 1, in batches of `size`."""
    return DataLoader(TensorDataset(split.images.float() / 255, split.labels), batch_size=size)


def usual(jobs: Sequence[Job], data: DataSet) -> None:
    """The usual way: a DataLoader that collates samples, masks as layers, autograd and optim.SGD, one network after
    another, with as many threads as PyTorch takes by itself."""
    for job in jobs:
        model, recipe = usual_model(job), job.recipe
        optimiser = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate)
        train, validation, test = (
            loader(split, size)
            for split, size in zip(data.parts.values(), (recipe.batch_size, 1000, 1000), strict=True)
        )
        for _ in range(recipe.max_epochs):
            loss_sum, right = 0.0, 0
            for images, labels in train:
                optimiser.zero_grad()
                logits = model(images)
                loss = F.cross_entropy(logits, labels)
                loss.backward()
                optimiser.step()
                loss_sum += loss.item() * len(labels)
                right += int((logits.argmax(dim=1) == labels).sum())
            evaluate(model, validation)
            evaluate(model, test)
        scores(model, loader(data.train, 1000))


@torch.no_grad()
def evaluate(model: nn.Module, batches: "DataLoader[tuple[Tensor, ...]]") -> tuple[float, int]:
    """Summed loss and right answers."""
    loss, right = 0.0, 0
    for images, labels in batches:
        logits = model(images)
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        right += int((logits.argmax(dim=1) == labels).sum())
    return loss, right


@torch.no_grad()
def scores(model: nn.Sequential, batches: "DataLoader[tuple[Tensor, ...]]") -> list[Tensor]:
    """Summed absolute activation of each unit behind its mask."""
    sums: dict[int, Tensor] = {}
    for images, _ in batches:
        value = images
        for i, module in enumerate(model):
            value = module(value)
            if isinstance(module, MaskLayer):
                size = value.abs().flatten(2).mean(2) if value.dim() > 2 else value.abs()
                sums[i] = sums.get(i, torch.zeros(())) + size.sum(0)
    return list(sums.values())


def by_engine(name: str) -> Way:
    """The way of one of the project's engines, with the one thread that a worker has."""

    def way(jobs: Sequence[Job], data: DataSet) -> None:
        waiting = list(jobs)

        def take(count: int) -> list[Job]:
            taken = waiting[:count]
            del waiting[:count]
            return taken

        with repeatable():
            for _ in engines[name](data, take):
                pass

    return way


def usual_on_one_thread(jobs: Sequence[Job], data: DataSet) -> None:
    """The usual way with one thread, for one process a core: what somebody does who has measured."""
    with repeatable():
        usual(jobs, data)


WAYS: dict[str, Way] = {
    "usual": usual,
    "usual-1": usual_on_one_thread,
    "keras": keras_way,
    **{name: by_engine(name) for name in ("reference", "kernels", "compact")},
}


class Seconds(NamedTuple):
    """What something took by the clock on the wall, and of the processor's time in all threads.

    Where other programs run beside it, the first counts their turns, the second does not.
    """

    wall: float
    processor: float


def seconds(way: str, jobs: Sequence[Job], data: DataSet, epochs: int) -> Seconds:
    """The time in which a way trains these jobs for so many epochs, evaluation and scoring included."""
    limited = [replace(job, recipe=replace(job.recipe, max_epochs=epochs, patience=epochs)) for job in jobs]
    wall, processor = perf_counter(), process_time()
    WAYS[way](limited, data)
    return Seconds(perf_counter() - wall, process_time() - processor)
