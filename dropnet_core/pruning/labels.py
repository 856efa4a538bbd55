"""Labels of units: which numbers in a network's tensors belong to one unit.

A label is a whole number. Each output channel of a layer gets a fresh one, and a tensor's labels have its shape. What
an operator ties becomes one unit; label 0 is whatever is never dropped.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

WHOLE = 0


class Labels:
    """All labels of a network, of its activations and of its weights.

    weights  for each parameter or buffer one array of labels a dimension
    blocks   for weights whose channels come in groups: the labels of the channels, and how many make a group
    """

    def __init__(self) -> None:
        self._parent = [WHOLE]
        self._why: dict[int, str] = {}  # by root
        self.weights: dict[str, list[np.ndarray]] = {}
        self.blocks: dict[str, tuple[np.ndarray, int]] = {}

    def fresh(self, count: int) -> np.ndarray:
        """New labels (count,). A single channel is never dropped: its layer would be empty."""
        if count == 1:
            return np.zeros(1, dtype=np.int64)
        start = len(self._parent)
        self._parent.extend(range(start, start + count))
        return np.arange(start, start + count)

    def root(self, label: int) -> int:
        """The label that stands for this one and all that are tied to it."""
        parent = self._parent
        while parent[label] != label:
            parent[label] = parent[parent[label]]
            label = parent[label]
        return label

    def units(self) -> np.ndarray:
        """What every label belongs to, as an array that labels index: its root, or WHOLE if that is never dropped."""
        roots = (self.root(label) for label in range(len(self._parent)))
        return np.array([WHOLE if root in self._why else root for root in roots])

    def why(self, label: int) -> str:
        """Why a label is never dropped; "" if it can be, or was whole from the beginning."""
        return self._why.get(self.root(label), "")

    def tie(self, one: np.ndarray | Tensor, other: np.ndarray | Tensor, why: str) -> None:
        """Make one unit of each pair of labels. Both arrays have one shape, or one of them spreads over the other.

        `why` is kept for units that become whole by it.
        """
        pairs = np.stack(np.broadcast_arrays(np.asarray(one), np.asarray(other))).reshape(2, -1)
        for a, b in np.unique(pairs, axis=1).T.tolist():
            a, b = sorted((self.root(a), self.root(b)))
            if a == b:
                continue
            if a == WHOLE:
                self._why.setdefault(b, why)
                continue
            self._parent[b] = a
            if b in self._why:
                self._why.setdefault(a, self._why[b])

    def freeze(self, labels: np.ndarray | Tensor, why: str) -> None:
        """Never drop these."""
        self.tie(labels, np.array(WHOLE), why)

    def of_weight(self, name: str, shape: Iterable[int]) -> list[np.ndarray]:
        """The labels of a parameter or buffer, one array for each of its dimensions."""
        if name not in self.weights:
            self.weights[name] = [self.fresh(size) for size in shape]
        return self.weights[name]


def varying(labels: Tensor) -> list[int]:
    """The dimensions along which labels differ."""
    return [
        d
        for d in range(labels.dim())
        if labels.shape[d] > 1 and labels.stride(d) and bool((labels != labels.narrow(d, 0, 1)).any())
    ]


def along(labels: Tensor, dim: int) -> np.ndarray:
    """The labels (size of dim,) along one dimension, at the first place of all others."""
    return labels.movedim(dim, -1).reshape(-1, labels.shape[dim])[0].numpy().copy()


def spread(labels: np.ndarray, dim: int, shape: Iterable[int]) -> Tensor:
    """A tensor of labels that differ along one dimension only. It takes no memory: all other strides are 0."""
    shape = list(shape)
    return torch.from_numpy(labels).view([-1 if d == dim % len(shape) else 1 for d in range(len(shape))]).expand(shape)


def where_they_differ(*tensors: Tensor) -> list[Tensor]:
    """Label tensors of one shape, reduced to one place along each dimension in which none of them differs."""
    dims = {d for labels in tensors for d in varying(labels)}
    return [labels[tuple(slice(None) if d in dims else slice(0, 1) for d in range(labels.dim()))] for labels in tensors]
