"""The masked network: what "drop a unit" means in a network that keeps its shape."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from dropnet_core.basics.errors import InputError
from dropnet_core.masks import Mask
from dropnet_core.networks.architecture import Network
from dropnet_core.networks.plain import PlainNetwork, Weights, pool

See = Callable[[int, Tensor, Tensor], None]
"""Is shown each masked layer: its place among the masks, its value, and its value before any batch norm."""


class MaskedNetwork(PlainNetwork):
    """A network whose masked layers multiply their activations by a constant 0/1 mask.

    Dense: Dense -> ReLU -> mask. Convolution: Conv -> ReLU -> batch norm, if any -> mask -> max-pool, if any; the
    mask is broadcast over the whole map (paper, Algorithm 1; placed as in the authors' code, so that batch norm's
    shift goes with the filter, and that a residual sum adds what is behind the masks). No gradient reaches a
    dropped unit; only the moving statistics of its batch norm go on, which nothing reads.

    Raises InputError if the mask does not fit the network's masked layers.
    """

    def __init__(self, network: Network, weights: Weights, mask: Mask) -> None:
        super().__init__(network, weights)
        if mask.widths != network.widths:
            raise InputError(f"a mask of widths {mask.widths} does not fit {network.name}, widths {network.widths}")
        like = next(self.parameters())
        self._see: See | None = None
        for position, (layer, kept) in enumerate(zip(network.masked_layers, mask.layers, strict=True)):
            # A copy, because a Mask is read-only; shaped to spread over a map, or over nothing.
            shape = (-1, 1, 1) if network.layers[layer].kind == "conv" else (-1,)
            self.register_buffer(f"mask_{position}", like.new_tensor(kept.copy()).view(shape))
        self._position = {layer: position for position, layer in enumerate(network.masked_layers)}

    def activated(self, layer: int, value: Tensor) -> Tensor:
        rectified, norm = F.relu(value), self.network.layers[layer].norm
        value = self.masked(layer, self.normed(layer, rectified) if norm else rectified)
        if self._see and layer in self._position:
            self._see(self._position[layer], value, self.masked(layer, rectified) if norm else value)
        return pool(value, self.network.layers[layer].pool)

    def masked(self, layer: int, value: Tensor) -> Tensor:
        """A layer's value behind its mask, if it has one."""
        if layer not in self._position:
            return value
        return value * self.get_buffer(f"mask_{self._position[layer]}").to(value.dtype)

    def show(self, images: Tensor, see: See) -> None:
        """Pass images through, and show each masked layer's values to `see` before they are pooled.

        Both are (n, units) or (n, units, height, width) and behind the mask.
        """
        self._see = see
        try:
            self(images)
        finally:
            self._see = None

    def activations(self, images: Tensor) -> list[Tensor]:
        """Each masked layer's value before pooling: (n, units) or (n, units, height, width)."""
        values: list[Tensor] = []
        self.show(images, lambda position, value, rectified: values.append(value))
        return values
