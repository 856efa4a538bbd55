"""The networks that are measured, the widths that a schedule leaves of them, and the images they see."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from dropnet_core.data import DataSet, Split, load
from dropnet_core.data.facts import DATA_FACTS
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import Network, describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.schedules import fraction

METRIC_COUNT = 6  # the paper's min, max and random, each over the whole network and layer by layer
P = 0.2  # share of the units left that each cycle drops
MNIST_IMAGES = tuple(DATA_FACTS["mnist"].images.values())  # of the training, validation and test split
TRAINING_EPOCHS = 15  # of one training; what fc40-fc40 takes on MNIST, and alike for all ways
ENGINE = "kernels"  # what the project trains these networks with


@dataclass(frozen=True, kw_only=True)
class PaperModel:
    """A network of the paper on images of MNIST's shape.

    stop      fraction of the units at which its schedule ends
    images    training images of one measurement
    more      times as many of them for the engine, which would be through before a clock can tell
    together  networks in one measurement of the engine
    every     cycles from one measurement of the engine to the next
    """

    title: str
    name: str
    stop: float
    images: int
    more: int
    together: int
    every: int

    @property
    def network(self) -> Network:
        """The network as it is described by name."""
        return describe(self.name, (1, 28, 28), 10)

    @property
    def masks(self) -> list[Mask]:
        """The mask of each cycle where every layer loses the same share, which leaves the first units of each."""
        widths, masks = list(self.network.widths), [Mask.full(self.network.widths)]
        share = fraction(P)
        while masks[-1].fraction_remaining > self.stop:
            widths = [width - max(1, share(width)) if width else 0 for width in widths]
            full = self.network.widths
            masks.append(Mask(np.arange(of) < width for of, width in zip(full, widths, strict=True)))
        return masks

    @property
    def measured_cycles(self) -> list[int]:
        """Cycles at which the engine is measured: every so many, and the last."""
        last = len(self.masks) - 1
        return sorted({*range(0, last, self.every), last})

    def roughly(self) -> "PaperModel":
        """The same model, measured on few images, at its first and its last cycle."""
        return replace(self, images=self.images // 4, every=len(self.masks))

    def jobs(self, cycle: int, count: int) -> list[Job]:
        """So many trainings of the network that this cycle leaves, each from other first weights."""
        mask = self.masks[cycle]
        return [Job(Recipe(), self.network, seed, seed, mask) for seed in range(count)]


MODELS = {
    "model1": PaperModel(title="Model 1", name="fc40-fc40", stop=0.05, images=3200, more=4, together=8, every=2),
    "model2": PaperModel(title="Model 2", name="conv64-conv32", stop=0.05, images=640, more=4, together=2, every=2),
    "model3": PaperModel(
        title="Model 3",
        name="conv64-conv64-conv128-conv128-dense256",
        stop=0.1,
        images=320,
        more=4,
        together=2,
        every=3,
    ),
}


@cache
def digits(count: int) -> DataSet:
    """So many training images, and as many others as MNIST has for that: mnist5k, again and again if need be.

    The engines' time depends on how much of the images is black, and these are images of MNIST.
    """
    data = load("mnist5k")
    parts: list[Split] = []
    for split, share in zip(data.parts.values(), MNIST_IMAGES, strict=True):
        index = np.arange(max(1, round(count * share / MNIST_IMAGES[0]))) % len(split)
        parts.append(Split(split.images[index], split.labels[index]))
    train, validation, test = parts
    return DataSet.of("mnist5k", train, validation, test, classes=10)
