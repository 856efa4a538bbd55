"""The greedy oracle's statistic: the training loss without each single unit (paper, section 5)."""

import numpy as np

from dropnet_core.prunable import MaskedModule
from dropnet_core.training import loss_and_accuracy
from dropnet_core.unit_statistics import Batches, statistic


@statistic("loss_without")
def loss_without(model: MaskedModule, batches: Batches) -> list[np.ndarray]:
    """Mean loss with one unit switched off, no retraining: one array (units,) a masked layer.

    Each unit that is left costs one pass over the batches; a dropped unit's entry is 0.
    """
    losses = [np.zeros(width) for width in model.mask.widths]
    for position, kept in enumerate(model.mask.layers):
        for unit in np.flatnonzero(kept):
            with model.without(position, int(unit)):
                losses[position][unit] = loss_and_accuracy(model, batches)[0]
    return losses
