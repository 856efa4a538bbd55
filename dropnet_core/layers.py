"""The masked network: what "drop a unit" means in a network that keeps its shape."""

import torch.nn.functional as F
from torch import Tensor

from dropnet_core.errors import InputError
from dropnet_core.masks import Mask
from dropnet_core.networks import Network, PlainNetwork, Weights, pool


class MaskedNetwork(PlainNetwork):
    """A network whose masked layers multiply their activations by a constant 0/1 mask.

    Dense: Dense -> ReLU -> mask. Convolution: Conv -> ReLU -> mask -> max-pool; the mask is broadcast over the
    whole map (paper, Algorithm 1; placed as in the authors' code). No gradient reaches a dropped unit.

    Raises InputError if the mask does not fit the network's masked layers.
    """

    def __init__(self, network: Network, weights: Weights, mask: Mask) -> None:
        super().__init__(network, weights)
        if mask.widths != network.widths:
            raise InputError(f"a mask of widths {mask.widths} does not fit {network.name}, widths {network.widths}")
        like = next(self.parameters())
        self.seen: list[Tensor] | None = None
        for position, (layer, kept) in enumerate(zip(network.masked_layers, mask.layers, strict=True)):
            # A copy, because a Mask is read-only; shaped to spread over a map, or over nothing.
            shape = (-1, 1, 1) if network.layers[layer].kind == "conv" else (-1,)
            self.register_buffer(f"mask_{position}", like.new_tensor(kept.copy()).view(shape))
        self._position = {layer: position for position, layer in enumerate(network.masked_layers)}

    def activated(self, layer: int, value: Tensor) -> Tensor:
        value = self.masked(layer, F.relu(value))
        return pool(value) if self.network.layers[layer].kind == "conv" else value

    def masked(self, layer: int, value: Tensor) -> Tensor:
        """A layer's value behind its mask, if it has one."""
        if layer not in self._position:
            return value
        value = value * self.get_buffer(f"mask_{self._position[layer]}")
        if self.seen is not None:
            self.seen.append(value)
        return value

    def activations(self, images: Tensor) -> list[Tensor]:
        """Each masked layer's value before pooling: (n, units) or (n, units, height, width)."""
        self.seen = []
        try:
            self(images)
            return self.seen
        finally:
            self.seen = None
