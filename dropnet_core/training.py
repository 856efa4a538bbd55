"""One plain training with early stopping. This is the definition that every faster engine must agree with."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropnet_core.basics.precision import arithmetic, storage
from dropnet_core.basics.streams import stream
from dropnet_core.data import DataSet, Split, pixels
from dropnet_core.data.augmentation import affine_maps, draws, warp_images
from dropnet_core.recipe import Recipe
from dropnet_core.unit_statistics import Batches, Statistics

EVALUATION_BATCH = 1000  # images a forward pass outside training; any number gives the same result but for rounding
EVALUATION_PIXELS = EVALUATION_BATCH * 32 * 32  # of larger images there are fewer in a pass, for the sake of memory
DEAD_MARGIN = 0.005  # a network at most this far above the share of the largest class has learnt nothing


@dataclass
class History:
    """What each epoch left behind, one number an epoch.

    Accuracies lie between 0 and 1, losses are mean cross-entropies. Training loss and accuracy are running means
    over the epoch while the weights move, as Keras reports them; validation is evaluated after the epoch.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many there were."""
        return len(self.validation_loss)

    @property
    def best_epoch(self) -> int:
        """Index of the first epoch with the lowest validation loss; the first epoch if no loss is a number."""
        return min(range(self.epochs), key=lambda i: (math.isnan(self.validation_loss[i]), self.validation_loss[i]))

    @property
    def diverged(self) -> bool:
        """Whether the last epoch's loss is no longer a finite number."""
        return not (math.isfinite(self.train_loss[-1]) and math.isfinite(self.validation_loss[-1]))

    def add(self, train: tuple[float, float], validation: tuple[float, float]) -> None:
        """Append an epoch's (loss, accuracy) of the training and the validation split."""
        self.train_loss.append(train[0])
        self.train_accuracy.append(train[1])
        self.validation_loss.append(validation[0])
        self.validation_accuracy.append(validation[1])

    def improved(self) -> bool:
        """Whether the last epoch has strictly the lowest validation loss so far."""
        return self.best_epoch == self.epochs - 1

    def finished(self, recipe: Recipe) -> bool:
        """Early stopping, as in the paper: out of epochs, out of patience, or no longer finite."""
        waited = self.epochs - 1 - self.best_epoch
        return self.epochs >= recipe.max_epochs or waited >= recipe.patience or self.diverged


@dataclass
class Outcome:
    """All that is kept of one training: its history, its test results, the statistics of its units.

    Test accuracy and loss are those of the last epoch's weights, which is what the paper plots; the best weights
    are not restored. `best_test_accuracy` belongs to the epoch with the lowest validation loss.

    seconds            that the training took by the clock
    processor_seconds  that its process had of the processor meanwhile; 0 if nobody measured
    """

    history: History
    test_loss: float
    test_accuracy: float
    best_test_accuracy: float
    statistics: Statistics
    seconds: float = 0.0
    processor_seconds: float = 0.0
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def validation_accuracy(self) -> float:
        """Of the last epoch."""
        return self.history.validation_accuracy[-1]


def batches(
    split: Split, size: int, dtype: torch.dtype, order: Tensor | None = None, maps: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (b, C, H, W) and labels (b,), in stored order unless another is given; the last batch may be partial.

    With `maps` (n, 2, 3), one for each image of the split, the images are augmented, and those that fill no whole
    batch are left out, as in the authors' Tiny ImageNet code; a split smaller than a batch is one.
    """
    count = len(split.labels)
    if maps is not None:
        size = min(size, count)
        count -= count % size
    for start in range(0, count, size):
        chosen: slice | Tensor = slice(start, start + size) if order is None else order[start : start + size]
        images = pixels(split.images[chosen], dtype)
        yield images if maps is None else warp_images(images, maps[chosen]), split.labels[chosen]


def large_batches(split: Split, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (b, C, H, W) and labels (b,) in stored order, for passes that learn nothing."""
    return batches(split, large_batch(split), dtype)


def large_batch(split: Split) -> int:
    """How many images there are in a pass that learns nothing."""
    fitting = EVALUATION_PIXELS // math.prod(split.images.shape[2:])
    return max(1, min(EVALUATION_BATCH, fitting))


@dataclass(frozen=True)
class LargeBatches:
    """The `large_batches` of a split, as often as one goes through them."""

    split: Split
    dtype: torch.dtype

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return large_batches(self.split, self.dtype)


def evaluate(model: nn.Module, split: Split, dtype: torch.dtype) -> tuple[float, float]:
    """Mean loss and accuracy of a model over a split. Leaves the model in evaluation mode."""
    return loss_and_accuracy(model, large_batches(split, dtype))


@torch.no_grad()
def loss_and_accuracy(model: nn.Module, batches: Batches) -> tuple[float, float]:
    """Mean loss and accuracy of a model over images (n, C, H, W) with labels (n,). Leaves it in evaluation mode."""
    model.eval()
    loss, right, count = 0.0, 0, 0
    for images, labels in batches:
        logits = model(images).to(images.dtype)
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        right += int((logits.argmax(dim=1) == labels).sum())
        count += len(labels)
    return loss / count, right / count


def train_epoch(
    model: nn.Module, data: DataSet, recipe: Recipe, order: Tensor | None, maps: Tensor | None = None
) -> tuple[float, float]:
    """One epoch of plain stochastic gradient descent. Returns the running mean loss and accuracy."""
    model.train()
    dtype = storage(recipe.precision)
    loss_sum, right, images_seen = 0.0, 0, 0
    for images, labels in batches(data.train, recipe.batch_size, dtype, order, maps):
        logits = model(images).to(dtype)
        loss = F.cross_entropy(logits, labels)
        model.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(recipe.learning_rate * parameter.grad)
        loss_sum += loss.item() * len(labels)
        right += int((logits.argmax(dim=1) == labels).sum())
        images_seen += len(labels)
    return loss_sum / images_seen, right / images_seen


def train(model: nn.Module, data: DataSet, recipe: Recipe, seed: int) -> tuple[History, tuple[float, float], float]:
    """Train a model in place until early stopping. Returns what `until_stopped` does."""
    dtype = storage(recipe.precision)
    return until_stopped(
        lambda order, maps: train_epoch(model, data, recipe, order, maps),
        lambda part: evaluate(model, data.parts[part], dtype),
        data,
        recipe,
        seed,
    )


def until_stopped(
    learn: Callable[[Tensor | None, Tensor | None], tuple[float, float]],
    judge: Callable[[str], tuple[float, float]],
    data: DataSet,
    recipe: Recipe,
    seed: int,
) -> tuple[History, tuple[float, float], float]:
    """Epoch after epoch until early stopping.

    learn  trains for one epoch with the order and the maps of its plan; returns its running mean loss and accuracy
    judge  loss and accuracy of the weights as they are, over "validation" or "test"
    seed   names the order of the images where the recipe shuffles, and what augmentation makes of them

    Returns the history, the test (loss, accuracy) of the last weights, and the test accuracy at the epoch with
    the lowest validation loss.
    """
    history, best_test_accuracy = History(), math.nan
    with arithmetic(recipe.precision, data.train.labels.device):
        while not (history.epochs and history.finished(recipe)):
            order, maps = epoch_plan(data.train, recipe, seed, history.epochs)
            history.add(learn(order, maps), judge("validation"))
            if history.improved():
                best_test_accuracy = judge("test")[1]
        return history, judge("test"), best_test_accuracy


def epoch_plan(split: Split, recipe: Recipe, seed: int, epoch: int) -> tuple[Tensor | None, Tensor | None]:
    """The order of the images in an epoch and the map of each, as far as the recipe wants them, on their device."""
    device, count = split.labels.device, len(split.labels)
    order = maps = None
    if recipe.shuffle:
        order = torch.from_numpy(stream(seed, "order", epoch).permutation(count)).to(device)
    if recipe.augment == "affine":
        maps = affine_maps(draws(seed, epoch, count), *split.images.shape[2:]).to(device)
    return order, maps


def status(outcome: Outcome, chance: float, cut_off: bool) -> str:
    """ "ok", or why a network is none: "diverged", "empty-layer" (its output is cut off from the images by layers
    that have no unit left), "collapsed" (at the share of the largest class)."""
    if outcome.history.diverged:
        return "diverged"
    if cut_off:
        return "empty-layer"
    return "collapsed" if outcome.test_accuracy <= chance + DEAD_MARGIN else "ok"
