"""Running a graph on labels instead of numbers: what each operator does to them is a rule of its own."""

import operator as python
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node
from torch.fx.node import map_arg

from dropnet_core.pruning.graph import Graph, number, operator, place, size
from dropnet_core.pruning.labels import Labels, along, spread, varying


@dataclass(frozen=True)
class Weight:
    """A parameter or buffer that no operator has changed yet."""

    name: str
    shape: tuple[int, ...]


class NotKnown(Exception):
    """No rule says what becomes of the units here, so they stay."""


Value = Any
"""Labels of a tensor, a Weight, a list of these, or whatever else an operator gives, which has no labels."""

Rule = Callable[["Tracing", Node, dict[str, Any]], Value]
"""From the node and its arguments by the names of the operator's schema, tensors replaced by their labels."""

RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Make a function the rule of operators."""

    def add(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(operators, function))
        return function

    return add


@dataclass(frozen=True)
class Reader:
    """An operator that sums over units, a convolution or dense layer: along `dim` its input has these labels."""

    node: Node
    dim: int
    labels: np.ndarray


@dataclass
class Tracing:
    """One graph run on labels, which may know what an earlier graph of the same network tied.

    readers    who sums over units
    producers  whose outputs are units: the name of each layer, and its labels (units,)
    positions  for each weight that is read, how many outputs of one image each of its numbers helps to make
    unknown    operators that no rule knows, and where they stand
    """

    graph: Graph
    labels: Labels
    names: set[str]
    values: dict[Node, Value] = field(default_factory=dict)
    readers: list[Reader] = field(default_factory=list)
    producers: list[tuple[str, np.ndarray]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def run(self) -> "Tracing":
        """Label every tensor of the graph."""
        for node in self.graph.nodes:
            if node.op == "get_attr" and node.target in self.names:
                self.values[node] = Weight(str(node.target), size(weight_of(self.graph, node)))
            elif node.op == "call_function":
                self.values[node] = self.called(node)
            elif node.op == "output":
                for last in node.all_input_nodes:
                    self.freeze(self.values[last], "the network's output")
            else:
                self.values[node] = whole(weight_of(self.graph, node) if node.op == "get_attr" else node.meta["val"])
        return self

    def called(self, node: Node) -> Value:
        """What the rule of a node's operator gives; without one its inputs stay whole."""
        result = node.meta.get("val")
        if not isinstance(result, Tensor | list | tuple):
            return None
        name = operator(node)
        # The tag comes first: torch.max of two tensors has the name of a reduction.
        tagged = torch.Tag.pointwise in getattr(node.target, "tags", ())
        found = RULES["pointwise"] if tagged else RULES.get(name)
        try:
            if found is None:
                raise NotKnown(name)
            value = found(self, node, self.arguments(node))
            if isinstance(value, Tensor) and isinstance(result, Tensor) and tuple(value.shape) != size(result):
                raise NotKnown(f"{name} in a form that is not followed")
        except (NotKnown, RuntimeError, LookupError, TypeError, ValueError) as error:  # of a form unlike the usual ones
            what = (str(error) if isinstance(error, NotKnown) else "") or name
            self.unknown.append(f"{what} at {place(node)}")
            for before in node.all_input_nodes:
                self.freeze(self.values[before], self.unknown[-1])
            return whole(result)
        return value

    def arguments(self, node: Node) -> dict[str, Any]:
        """A node's arguments by name, defaults included."""

        def known(before: Node) -> Any:
            result = before.meta.get("val")
            return number(result) if isinstance(result, torch.SymInt) else self.values[before]

        given = map_arg((node.args, node.kwargs), known)
        if node.target is python.getitem:
            return dict(zip(("input", "index"), given[0], strict=True))
        if not isinstance(node.target, torch._ops.OpOverload):
            raise NotKnown(operator(node))
        arguments = node.target._schema.arguments
        bound = dict(zip((a.name for a in arguments), given[0], strict=False)) | dict(given[1])
        return {a.name: bound[a.name] if a.name in bound else a.default_value for a in arguments}

    def of(self, value: Value) -> Tensor:
        """A value's labels. A weight's are kept if it has one dimension that counts, else it stays whole."""
        if isinstance(value, Tensor):
            return value
        if not isinstance(value, Weight):
            raise NotKnown("")
        long = [d for d, length in enumerate(value.shape) if length > 1]
        if len(long) == 1:
            return spread(self.labels.of_weight(value.name, value.shape)[long[0]], long[0], value.shape)
        self.freeze(value, f"{value.name}, which is used outside its layer")
        return torch.zeros(value.shape, dtype=torch.int64)

    def channels(self, value: Value, dim: int, node: Node) -> np.ndarray:
        """Labels along a dimension, which are the units' if they differ nowhere else; otherwise all are frozen."""
        labels = self.of(value)
        if any(d != dim % labels.dim() for d in varying(labels)):
            self.freeze(labels, f"{operator(node)} along another dimension than the units at {place(node)}")
            return np.zeros(labels.shape[dim], dtype=np.int64)
        return along(labels, dim)

    def freeze(self, value: Value, why: str) -> None:
        """Keep all units of a value whole."""
        if isinstance(value, Tensor):
            self.labels.freeze(torch.unique(value) if value.numel() else value, why)
        elif isinstance(value, Weight):
            for labels in self.labels.of_weight(value.name, value.shape):
                self.labels.freeze(labels, why)
        elif isinstance(value, list | tuple):
            for item in value:
                self.freeze(item, why)

    def tie_weight(self, weight: Value, labels: np.ndarray, node: Node, dim: int = 0) -> None:
        """A weight that a layer may lack has these units along a dimension."""
        if weight is None:
            return
        if not isinstance(weight, Weight):
            raise NotKnown(f"{operator(node)} with a computed weight")
        self.labels.tie(self.labels.of_weight(weight.name, weight.shape)[dim], labels, place(node))


def whole(result: Any) -> Value:
    """Labels of a result whose units are never dropped."""
    if isinstance(result, Tensor):
        return torch.zeros((), dtype=torch.int64).expand(size(result))
    if isinstance(result, list | tuple):
        return [whole(item) for item in result]
    return None


def weight_of(graph: Graph, node: Node) -> Tensor:
    """The tensor that a get_attr node stands for."""
    found: Any = graph.module
    for part in str(node.target).split("."):
        found = getattr(found, part)
    return found
