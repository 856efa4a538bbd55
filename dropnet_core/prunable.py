"""What Algorithm 1 asks of a network, and what "drop a unit" means in one that keeps its shape."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from dropnet_core.masks import Mask

Weights = dict[str, Tensor]
"""All that training changes, moving statistics included, by names that the network chooses."""

Hook = Callable[[int, Tensor, Tensor], None]
"""Is shown each masked layer: its place among the masks, its value, and its value before any batch norm. Both are
(n, units) or (n, units, height, width) and behind the mask."""


class MaskedModule(nn.Module):
    """A network with masks: images (n, C, H, W) in, logits (n, classes) out, and dropped units silent.

    Whoever derives from it calls `put_masks` at the end of the constructor and, in the forward pass, `masked` with
    the value of each masked layer: behind its activation, and behind its batch norm, so that a norm's shift goes
    with the unit; before any pooling (paper, Algorithm 1; placed as in the authors' code).
    """

    mask: Mask
    _hook: Hook | None

    def put_masks(self, mask: Mask) -> None:
        """Register a buffer (units,) of 0 and 1 for each masked layer, of the kind and place of the parameters."""
        like = next(self.parameters())
        self.mask, self._hook = mask, None
        for position, kept in enumerate(mask.layers):
            self.register_buffer(f"mask_{position}", like.new_tensor(kept.copy()))  # a copy: a Mask is read-only

    def masked(self, position: int, value: Tensor, before_norm: Tensor | None = None) -> Tensor:
        """A value (n, units) or (n, units, height, width) times its layer's mask, which spreads over the whole map.

        before_norm  of a layer with batch norm, the same before it; only statistics look at that
        """
        kept = self.get_buffer(f"mask_{position}").view(-1, *[1] * (value.dim() - 2))
        value = value * kept.to(value.dtype)
        if self._hook:
            self._hook(position, value, value if before_norm is None else before_norm * kept.to(before_norm.dtype))
        return value

    def show(self, images: Tensor, hook: Hook) -> None:
        """Pass images (n, C, H, W) through, and show each masked layer to `hook`."""
        self._hook = hook
        try:
            self(images)
        finally:
            self._hook = None

    def activations(self, images: Tensor) -> list[Tensor]:
        """Each masked layer's value before pooling, (n, units) or (n, units, height, width), of images (n, C, H, W)."""
        values: list[Tensor] = []
        self.show(images, lambda position, value, before_norm: values.append(value))
        return values

    @contextmanager
    def without(self, position: int, unit: int) -> Iterator[None]:
        """The network while one more unit of a layer is silent."""
        kept = self.get_buffer(f"mask_{position}")
        before = kept[unit].clone()
        kept[unit] = 0
        try:
            yield
        finally:
            kept[unit] = before


class Prunable(Protocol):
    """All that Algorithm 1, its jobs, metrics and selections ask of a network.

    `networks.plain.Network`, which has a name such as "fc40-fc40", is one kind. Another kind brings these four, can be
    compared, hashed and pickled, since jobs are, and is trained by the engine "reference"; or whoever drives
    Algorithm 1 answers its jobs in a way of their own.
    """

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each masked layer, in the order of the masks."""

    @property
    def identity(self) -> Sequence[Any]:
        """What tells this network from others, as plain values that JSON can write: part of every job's key. Two that
        train differently must differ in it: give it a number, and raise that when the class changes."""

    def first_weights(self, seed: int, small: Mask | None = None) -> Weights:
        """The first weights of the full network: float32, on the CPU, the same whenever a seed is given again.

        small  draw them from the range that a network of the kept units alone would have
        """

    def masked(self, weights: Weights, mask: Mask) -> MaskedModule:
        """A module of its own with these weights (copied) and this mask. InputError if the mask does not fit."""
