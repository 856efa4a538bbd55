"""The physically smaller network that computes the same function, and what it costs."""

import math
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch

from dropnet_core.masks import Mask
from dropnet_core.networks.architecture import Architecture, is_moving
from dropnet_core.prunable import Weights

Kind = TypeVar("Kind", bound=Architecture)


def kept_channels(network: Architecture, mask: Mask) -> dict[int, np.ndarray]:
    """Which channels of each layer's value are left: bool (units,) by layer index, -1 for the images.

    Of a sum, those that at least one of its inputs still has.
    """
    masks = dict(zip(network.masked_layers, mask.layers, strict=True))
    kept = {-1: np.ones(network.shape[0], dtype=bool)}
    for i, layer in enumerate(network.layers):
        if layer.kind == "sum":
            kept[i] = anywhere(network, i, kept)
        else:
            kept[i] = masks.get(i, np.ones(layer.units, dtype=bool))
    return kept


def anywhere(network: Architecture, layer: int, channels: dict[int, np.ndarray]) -> np.ndarray:
    """For a sum, the channels (bool, (units,)) to which one of its inputs adds a channel that is true."""
    found = np.zeros(network.layers[layer].units, dtype=bool)
    for source, place in zip(network.sources(layer), places(network, layer), strict=True):
        found[place[channels[source]]] = True
    return found


def places(network: Architecture, layer: int) -> list[np.ndarray]:
    """For each input of a sum, the channels to which its channels are added."""
    units, inputs = network.layers[layer].units, network.layers[layer].inputs
    return [np.array(place, dtype=int) for place in network.layers[layer].places] or [np.arange(units) for _ in inputs]


def cut_off(network: Architecture, mask: Mask) -> bool:
    """Whether emptied layers leave no path from the images to the output, so that every image gets the same answer.

    In a stack one empty layer does that; a residual block may lose a branch.
    """
    reached = {-1: np.ones(network.shape[0], dtype=bool)}
    for i, kept in kept_channels(network, mask).items():
        if i >= 0 and network.layers[i].kind == "sum":
            reached[i] = anywhere(network, i, reached)
        elif i >= 0:
            reached[i] = kept & reached[network.sources(i)[0]].any()
    return not reached[len(network.layers) - 1].any()


def shrink(network: Kind, mask: Mask) -> Kind:
    """The description of the network without its dropped units. A layer may end up with none.

    A sum keeps the channels that one of its inputs still has, and each input is added into its places among them.
    """
    kept = kept_channels(network, mask)
    layers = []
    for i, layer in enumerate(network.layers):
        small = replace(layer, units=int(kept[i].sum()))
        if layer.kind == "sum":
            position = np.cumsum(kept[i]) - 1
            moved = zip(network.sources(i), places(network, i), strict=True)
            new = tuple(tuple(position[place[kept[source]]].tolist()) for source, place in moved)
            small = replace(small, places=() if all(len(place) == small.units for place in new) else new)
        layers.append(small)
    return replace(network, layers=tuple(layers))


def kept_rows_and_columns(network: Architecture, mask: Mask) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """For each layer with weights and the output layer, the indices (rows = units, columns = inputs) that survive.

    Behind a flattening, one channel stands for height x width columns.
    """
    kept, last = kept_channels(network, mask), len(network.layers)
    kept[last] = np.ones(network.classes, dtype=bool)
    indices = {}
    for i, (_, height, width) in enumerate(network.inputs()):
        kind = network.layers[i].kind if i < last else "dense"
        if kind != "sum":
            columns = np.repeat(kept[network.sources(i)[0]], height * width if kind == "dense" else 1)
            indices[i] = np.flatnonzero(kept[i]), np.flatnonzero(columns)
    return indices


def compact(network: Kind, mask: Mask, weights: Weights) -> tuple[Kind, Weights]:
    """The smaller network and its weights, cut out of the full ones.

    In exact arithmetic it computes and learns what the masked network does: dropped units output zero, pass no
    gradient, and take their biases and batch norms with them. First weights keep the range of the full layer's fans.
    """
    small: Weights = {}
    indices = kept_rows_and_columns(network, mask)
    for name, weight in weights.items():
        rows, columns = map(torch.from_numpy, indices[int(name.split(".")[0])])
        small[name] = weight[rows][:, columns].contiguous() if name.endswith("weight") else weight[rows]
    return shrink(network, mask), small


def expand(network: Architecture, mask: Mask, weights: Weights, small: Weights) -> Weights:
    """The full weights with a compacted network's put back in their places."""
    full = {name: weight.to(next(iter(small.values())), copy=True) for name, weight in weights.items()}
    indices = kept_rows_and_columns(network, mask)
    for name, weight in small.items():
        rows, columns = map(torch.from_numpy, indices[int(name.split(".")[0])])
        if name.endswith("weight"):
            full[name][rows[:, None], columns] = weight
        else:
            full[name][rows] = weight
    return full


@dataclass(frozen=True)
class Counts:
    """Parameters, and multiply-accumulates for one image (convolutions and dense layers only).

    One number for each layer with weights, the output layer last; sums have none. A batch norm's scale and shift
    are parameters of its layer, its moving statistics are not.
    """

    parameters_per_layer: tuple[int, ...]
    macs_per_layer: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """Of all layers together."""
        return sum(self.parameters_per_layer)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers together, for one image."""
        return sum(self.macs_per_layer)


def counts(network: Architecture) -> Counts:
    """Count a network's parameters and multiply-accumulates."""
    parameters: dict[str, int] = {}
    macs = []
    inputs = network.inputs()
    for name, shape in network.weight_shapes().items():
        layer, part = name.split(".")
        parameters[layer] = parameters.get(layer, 0) + (0 if is_moving(name) else math.prod(shape))
        if part == "weight":
            _, height, width = inputs[int(layer)]
            macs.append(math.prod(shape) * (height * width if len(shape) == 4 else 1))
    return Counts(tuple(parameters.values()), tuple(macs))
