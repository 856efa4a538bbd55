"""From a few measured epochs on a few images to the cost of a whole schedule: arithmetic, nothing is timed here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TrainingTime:
    """Seconds of one network on a machine whose cores all work: of an epoch, and of all that surrounds the epochs."""

    epoch: float
    around: float

    @classmethod
    def of(
        cls, one: float, three: float, *, networks: int, scale: float, at_once: int, compiles: bool = False
    ) -> "TrainingTime":
        """The cost from the seconds of trainings of one epoch and of three.

        networks  trained in each measurement
        scale     images of the data set / images of the measurement
        at_once   processes that measured at the same time, each a whole measurement
        compiles  what surrounds the epochs is mostly compiling, which takes as long for few images as for all: it is
                  counted as measured, and the pass over the images that scores the units is then counted short
        """
        epoch = max(three - one, one / 10) / 2  # noise must not make an epoch free
        factor = scale / networks / at_once
        return cls(epoch * factor, max(one - epoch, 0.0) * (factor / scale if compiles else factor))

    def training(self, epochs: int) -> float:
        """Seconds of a training of so many epochs."""
        return epochs * self.epoch + self.around


def training_seconds_along(costs: Mapping[int, TrainingTime], cycles: int, epochs: int) -> np.ndarray:
    """Seconds of one training in each of so many cycles: linear between the cycles that were measured."""
    measured = sorted(costs)
    return np.interp(range(cycles), measured, [costs[cycle].training(epochs) for cycle in measured])


def schedule_seconds(trainings: Sequence[float] | np.ndarray, metrics: int) -> float:
    """Seconds of one seed's schedule with so many metrics. The unpruned network is trained once for all of them."""
    return float(trainings[0] + metrics * sum(trainings[1:]))
