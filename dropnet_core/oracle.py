"""The greedy oracle's statistic: the training loss without each single unit (paper, section 5)."""

import numpy as np
import torch

from dropnet_core.data import Split
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import Network, Weights
from dropnet_core.training import evaluate


def loss_without(network: Network, weights: Weights, mask: Mask, split: Split, dtype: torch.dtype) -> list[np.ndarray]:
    """Mean loss over a split with one unit switched off, no retraining: one array (units,) a masked layer.

    Each unit that is left costs one pass over the split; a dropped unit's entry is 0.
    """
    losses = [np.zeros(width) for width in mask.widths]
    for position, kept in enumerate(mask.layers):
        for unit in np.flatnonzero(kept):
            model = MaskedNetwork(network, weights, mask.drop(position, np.array([unit])))
            losses[position][unit] = evaluate(model.to(split.labels.device, dtype), split, dtype)[0]
    return losses
