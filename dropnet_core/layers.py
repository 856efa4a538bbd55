"""The masked network of a description: where its layers' masks stand."""

import torch.nn.functional as F
from torch import Tensor

from dropnet_core.basics.errors import InputError
from dropnet_core.masks import Mask
from dropnet_core.networks.architecture import Architecture
from dropnet_core.networks.modules import PlainNetwork, pool
from dropnet_core.prunable import MaskedModule, Weights


class MaskedNetwork(PlainNetwork, MaskedModule):
    """A network whose masked layers multiply their activations by a constant 0/1 mask.

    Dense: Dense -> ReLU -> mask. Convolution: Conv -> ReLU -> batch norm, if any -> mask -> max-pool, if any (see
    `MaskedModule`). A residual sum adds what is behind the masks. No gradient reaches a dropped unit; only the moving
    statistics of its batch norm go on, which nothing reads.

    Raises InputError if the mask does not fit the network's masked layers.
    """

    def __init__(self, network: Architecture, weights: Weights, mask: Mask) -> None:
        if mask.widths != network.widths:
            raise InputError(f"a mask of widths {mask.widths} does not fit {network.name}, widths {network.widths}")
        super().__init__(network, weights)
        self.put_masks(mask)
        self._position = {layer: position for position, layer in enumerate(network.masked_layers)}

    def activated(self, i: int, value: Tensor) -> Tensor:
        """The value (n, units) or (n, units, height, width) behind ReLU, batch norm, mask and pooling."""
        layer, rectified = self.network.layers[i], F.relu(value)
        value = self.normed(i, rectified) if layer.norm else rectified
        if i in self._position:
            value = self.masked(self._position[i], value, rectified if layer.norm else None)
        return pool(value, layer.pool)
