"""The units of a network: what can be dropped, layer by layer, and why the rest cannot."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.fx import Node

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.masks import Mask
from dropnet_core.pruning import layer_rules, shape_rules  # noqa: F401 - they fill the table of rules
from dropnet_core.pruning.graph import Graph
from dropnet_core.pruning.labels import WHOLE, Labels
from dropnet_core.pruning.tracing import Tracing

EXCLUDED = "`exclude`"
RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")


@dataclass(frozen=True, eq=False)
class Layer:
    """Units that are dropped together or beside each other: the outputs of a layer, and of all that are tied to it.

    name     of the first such layer in the network's code; `others` those of the others
    units    (units,), the label of each
    outputs  for each of these layers the units (channels,) that its channels belong to; -1 for channels that stay
    """

    name: str
    others: tuple[str, ...]
    units: np.ndarray
    outputs: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class Units:
    """All units of a network. A mask over them has one array for each of `layers`.

    evaluation, training  the network's graph in either mode, on labels; what one of them ties is tied in both
    """

    labels: Labels
    evaluation: Tracing
    training: Tracing
    layers: tuple[Layer, ...] = field(default=())

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer."""
        return tuple(len(layer.units) for layer in self.layers)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.layers)

    @cached_property
    def whole(self) -> dict[str, dict[str, int]]:
        """Layers with outputs that are never dropped: why, and how many channels that keeps."""
        found: dict[str, dict[str, int]] = {}
        for name, own in dict(self.evaluation.producers + self.training.producers).items():
            reasons = Counter(why for label in own.tolist() if (why := self.labels.why(label)))
            if reasons:
                found[name] = dict(reasons)
        return found

    @cached_property
    def roots(self) -> np.ndarray:
        return self.labels.units()

    def kept(self, mask: Mask) -> np.ndarray:
        """For each label whether its unit is kept: bool (labels,)."""
        dropped = np.zeros(len(self.roots), dtype=bool)
        for layer, keep in zip(self.layers, mask.layers, strict=True):
            dropped[layer.units[~keep]] = True
        return ~dropped[self.roots]

    def masks(self, mask: Mask, traced: Tracing) -> dict[Node, Tensor]:
        """For each reader of a graph the mask over its input, shaped to spread over it."""
        kept = self.kept(mask)
        return {
            reader.node: torch.from_numpy(kept[reader.labels]).view(
                [-1 if d == reader.dim else 1 for d in range(reader.node.all_input_nodes[0].meta["val"].dim())]
            )
            for reader in traced.readers
            if not kept[reader.labels].all()
        }


def find(network: nn.Module, example: Tensor, exclude: Iterable[str] = ()) -> Units:
    """The units of a network, from its graphs in both modes for images (n, ...) like the example, n >= 2.

    exclude  layers that stay whole, by name; a name with a dot behind it left out stands for all layers below it

    Raises InputError where a graph cannot be made, for an unknown name, and if no unit can be dropped.
    """
    labels, names = Labels(), set(dict(tensors(network)))
    training = Tracing(Graph.of(network, example, training=True), labels, names).run()
    evaluation = Tracing(Graph.of(network, example, training=False), labels, names).run()
    share_labels(network, labels)
    producers = evaluation.producers + training.producers
    freeze_excluded(labels, producers, exclude)
    units = Units(labels, evaluation, training)
    layers = joined(producers, units.roots, read(evaluation, units.roots) | read(training, units.roots))
    if not layers:
        raise InputError(f"no unit of this network can be dropped: {because(units)}")
    return Units(labels, evaluation, training, layers)


def share_labels(network: nn.Module, labels: Labels) -> None:
    """A weight with several names has the same units under each of them, whichever the graphs call it by."""
    names: dict[int, list[str]] = {}
    for name, tensor in tensors(network):
        names.setdefault(id(tensor), []).append(name)
    for aliases in names.values():
        used = next((name for name in aliases if name in labels.weights), "")
        for name in aliases if used else ():
            known = labels.weights[used]
            for own, other in zip(labels.of_weight(name, map(len, known)), known, strict=True):
                labels.tie(own, other, f"{name}, which is also {used}")
            if used in labels.blocks:
                labels.blocks[name] = labels.blocks[used]


def freeze_excluded(labels: Labels, producers: Iterable[tuple[str, np.ndarray]], exclude: Iterable[str]) -> None:
    known = {name for name, _ in producers}
    for wanted in exclude:
        found = [own for name, own in producers if name == wanted or name.startswith(f"{wanted}.")]
        if not found:
            raise unknown("layer", wanted, known)
        for own in found:
            labels.freeze(own, EXCLUDED)


def because(units: Units) -> str:
    """Why units are whole, in words, with what helps."""
    unknown_there = units.evaluation.unknown + units.training.unknown
    reasons = [f"{name} by {why}" for name, found in units.whole.items() for why in found]
    text = "; ".join(list(dict.fromkeys(unknown_there + reasons))[:5]) or "it has no convolution or dense layer"
    remedy = "units are dropped between two layers, so put a convolution or dense layer in front of what keeps them"
    recurrent = next(
        (name for name in RECURRENT if any(found.startswith(f"{name} at ") for found in unknown_there)), ""
    )
    if recurrent:
        remedy = f"the units of nn.{recurrent.split('_')[0].upper()} are read at every step and stay; {remedy}"
    return f"{text}. What helps: {remedy}"


def read(traced: Tracing, roots: np.ndarray) -> set[int]:
    """The units that some layer reads."""
    return {int(unit) for reader in traced.readers for unit in roots[reader.labels]} - {WHOLE}


def joined(producers: Iterable[tuple[str, np.ndarray]], roots: np.ndarray, readable: set[int]) -> tuple[Layer, ...]:
    """Producers by name, those that share a unit as one layer, in the order of the network's code."""
    made: dict[str, list[int]] = {}
    for name, own in producers:
        made.setdefault(name, [unit if unit in readable else -1 for unit in roots[own].tolist()])
    groups: list[list[str]] = []
    for name, found in made.items():
        live = set(found) - {-1}
        if live:
            meeting = [group for group in groups if any(live & set(made[other]) for other in group)]
            groups = [group for group in groups if group not in meeting] + [[*sum(meeting, []), name]]
    order = list(made)
    groups = sorted((sorted(group, key=order.index) for group in groups), key=lambda group: order.index(group[0]))
    layers = []
    for group in groups:
        outputs = tuple(np.array(made[name]) for name in group)
        units = np.array(list(dict.fromkeys(int(unit) for own in outputs for unit in own if unit >= 0)))
        layers.append(Layer(group[0], tuple(group[1:]), units, outputs))
    return tuple(layers)


def tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer by name; one that has several names comes with each of them."""
    yield from network.named_parameters(remove_duplicate=False)
    yield from network.named_buffers(remove_duplicate=False)
