"""A loop for those who have none: `fit`, `accuracy` and `batches` for classes of images."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dropnet_core.basics.errors import InputError
from dropnet_core.data import DataSet, Split, load, pixels

Batch = tuple[Tensor, Tensor]


class Loop(NamedTuple):
    """The three things that `prune` asks for besides a network, in its order: `prune(network, *training_loop(...))`."""

    fit: Callable[[nn.Module], None]
    accuracy: Callable[[nn.Module], float]
    batches: Iterable[Batch]


def training_loop(
    train: Any, validation: Any = None, *, epochs: int = 5, learning_rate: float = 1e-3, batch_size: int = 64
) -> Loop:
    """A loop that trains a classifier by Adam on cross-entropy and judges it by the share of right answers.

    train, validation  each a torch Dataset or DataLoader of (image, class), or a pair of tensors, images (n, ...) and
                       classes (n,). For `train` alone also what holds both: a folder of images (PATH/CLASS/image.png),
                       the name of a data set such as "mnist5k", or a DataSet
    epochs             over the training data, in a new order each, drawn from torch's generator
    learning_rate      of Adam
    batch_size         images in a step; a DataLoader keeps its own

    Data go to the device that the model is on. Raises InputError for data of another kind and for settings outside
    their range; the loop itself for classes that the model has no output for, before it trains.
    """
    for name, number in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InputError(f"{name} must be a whole number of at least 1, not {number!r}")
    if not 0 < learning_rate < float("inf"):
        raise InputError(f"learning_rate must be a number above 0, not {learning_rate!r}; try 0.001")
    if isinstance(train, str | Path):
        train = load(f"imagefolder:{train}" if Path(train).expanduser().exists() else str(train))
    if isinstance(train, DataSet):
        if validation is not None:
            raise InputError(f"the data set '{train.name}' has validation images of its own; leave `validation` out")
        train, validation = train.train, train.validation
    if validation is None:
        raise InputError("without validation data nobody can say what accuracy is kept; give training_loop both")
    learnt, judged = batches_of(train, batch_size, shuffle=True), batches_of(validation, 256, shuffle=False)
    checked: list[int] = []

    def fit(model: nn.Module) -> None:
        if not checked:
            with generators_left_alone():
                checked.append(check_classes(model, learnt, judged))
        model.train()
        optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
        for _ in range(epochs):
            for images, classes in on_device_of(model, learnt):
                optimiser.zero_grad(set_to_none=True)
                F.cross_entropy(model(images), classes).backward()
                optimiser.step()

    @torch.no_grad()
    def accuracy(model: nn.Module) -> float:
        model.eval()
        right = seen = 0
        for images, classes in on_device_of(model, judged):
            right += int((model(images).argmax(dim=1) == classes).sum())
            seen += len(classes)
        return right / seen

    return Loop(fit, accuracy, learnt)


@dataclass(frozen=True)
class Pairs:
    """Batches of images and classes that lie in memory; bytes become numbers from 0 to 1."""

    images: Tensor
    classes: Tensor
    size: int
    shuffle: bool

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(len(self.classes)) if self.shuffle else torch.arange(len(self.classes))
        for chosen in order.split(self.size):
            images = self.images[chosen]
            yield pixels(images, torch.float32) if images.dtype == torch.uint8 else images, self.classes[chosen]


@contextmanager
def generators_left_alone() -> Iterator[None]:
    """Whatever is drawn inside, the generators of torch, NumPy and Python are afterwards what they were before."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    with torch.random.fork_rng():
        yield
    np.random.set_state(numpy_state)
    random.setstate(python_state)


def batches_of(data: Any, size: int, *, shuffle: bool) -> Iterable[Batch]:
    """Whatever a user has as batches (images, classes). Raises InputError for data of another kind."""
    if isinstance(data, Split):
        return Pairs(data.images, data.labels, size, shuffle)
    if isinstance(data, DataLoader):
        return data
    if isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, Tensor) for part in data):
        if len(data[0]) != len(data[1]) or not len(data[1]):
            raise InputError(f"there must be one class for each image, not {len(data[1])} for {len(data[0])}")
        return Pairs(*data, size, shuffle)
    if isinstance(data, Dataset):
        return DataLoader(data, size, shuffle=shuffle)
    raise InputError(
        "data must be a torch Dataset or DataLoader, or a pair of tensors, images and classes, not "
        f"{type(data).__name__}"
    )


def on_device_of(model: nn.Module, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches where the model is."""
    device = next(model.parameters()).device
    for images, classes in batches:
        yield images.to(device), classes.to(device)


@torch.no_grad()
def check_classes(model: nn.Module, *parts: Iterable[Batch]) -> int:
    """The number of classes of a model. Raises InputError unless all data are of these classes."""
    model.eval()
    outputs = 0
    for part in parts:
        for images, classes in on_device_of(model, part):
            if not outputs:
                logits = model(images[:2])
                if not isinstance(logits, Tensor) or logits.dim() != 2:
                    raise InputError(
                        "this loop trains classifiers, whose output is one tensor (n, classes); give prune a fit and "
                        "an accuracy of your own"
                    )
                outputs = logits.shape[1]
            if classes.dtype != torch.int64 or classes.dim() != 1:
                raise InputError(f"classes must be whole numbers (n,), not {classes.dtype} {tuple(classes.shape)}")
            low, high = int(classes.min()), int(classes.max())
            if low < 0 or high >= outputs:
                raise InputError(
                    f"the data have a class {low if low < 0 else high}, but the network's {outputs} outputs stand for "
                    f"classes 0 to {outputs - 1}; count classes from 0, or give the network more outputs"
                )
    return outputs
