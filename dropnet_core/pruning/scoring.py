"""The statistics that units are scored by, measured where a network's units are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from torch import Tensor
from torch.fx import Node

from dropnet_core.masks import Mask
from dropnet_core.prunable import Hook, MaskedModule
from dropnet_core.pruning.graph import operator
from dropnet_core.pruning.labels import along, varying
from dropnet_core.pruning.shape_rules import POOLS, VIEWS
from dropnet_core.pruning.units import Units
from dropnet_core.unit_statistics import Statistics, measure

BETWEEN = {
    *POOLS, *VIEWS, "mean", "amax", "permute", "transpose", "dropout", "feature_dropout", "alpha_dropout", "clone",
    "contiguous", "to", "detach", "alias",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Point:
    """A tensor of the evaluation graph whose units some layer reads: along `dim` lie `units` (channels,)."""

    node: Node
    dim: int
    units: np.ndarray


def points(units: Units) -> list[Point]:
    """Where units are looked at: the tensor behind each reader's pools, reshapes and dropout, once for all readers."""
    traced, found = units.evaluation, {}
    for reader in traced.readers:
        node = reader.node.all_input_nodes[0]
        while operator(node) in BETWEEN and one_dimension(traced.values.get(node.all_input_nodes[0])):
            node = node.all_input_nodes[0]
        labels = traced.values[node]
        if one_dimension(labels):
            (dim,) = varying(labels)
            found[node] = Point(node, dim, units.roots[along(labels, dim)])
    return list(found.values())


def one_dimension(labels: Any) -> bool:
    """Whether labels differ along one dimension and no other."""
    return isinstance(labels, Tensor) and len(varying(labels)) == 1


@dataclass
class Shown:
    """A masked network in evaluation mode as `measure` looks at it: it shows the value at each point."""

    units: Units
    weights: Mapping[str, Tensor]
    mask: Mask
    example: Tensor

    @cached_property
    def points(self) -> list[Point]:
        return points(self.units)

    def eval(self) -> None:
        """Nothing to do: the graph is that of evaluation mode."""

    def show(self, images: Tensor, hook: Hook) -> None:
        """Pass images through; behind a batch norm, what lies before it is shown beside."""
        numbers = {point.node: i for i, point in enumerate(self.points)}
        before = {point.node.all_input_nodes[0] for point in self.points if operator(point.node) == "batch_norm"}
        values: dict[Node, Tensor] = {}

        def keep(node: Node, value: Any) -> None:
            if node in numbers or node in before:
                values[node] = value

        images = images.to(self.example)
        masks = {
            node: keep.to(images.device) for node, keep in self.units.masks(self.mask, self.units.evaluation).items()
        }
        self.units.evaluation.graph.run(self.weights, images, masks=masks, watch=keep)
        for node, i in numbers.items():
            value, dim = values[node], self.points[i].dim
            rectified = values[node.all_input_nodes[0]] if node.all_input_nodes[0] in before else value
            hook(i, value.movedim(dim, 1), rectified.movedim(dim, 1))


def statistics(
    units: Units, weights: Mapping[str, Tensor], mask: Mask, batches: Iterable[Tensor], example: Tensor
) -> Statistics:
    """For each statistic of `measure` one array (units,) a layer: the mean over all points and channels of a unit.

    weights  the network's, by name, with those of the network cut out of it in their places
    """
    shown = Shown(units, weights, mask, example)
    # `measure` asks for no more of a MaskedModule than that it shows its values.
    measured = measure(cast(MaskedModule, shown), batches)
    result: Statistics = {}
    for name, at_points in measured.items():
        total, count = np.zeros(len(units.roots)), np.zeros(len(units.roots))
        for point, values in zip(shown.points, at_points, strict=True):
            np.add.at(total, point.units, values)
            np.add.at(count, point.units, 1)
        mean = total / np.maximum(count, 1)
        result[name] = [mean[layer.units] for layer in units.layers]
    return result
