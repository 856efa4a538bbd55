"""The physically smaller network that computes the same function, and what it costs."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from dropnet_core.masks import Mask
from dropnet_core.networks import Network, Weights


def shrink(network: Network, mask: Mask) -> Network:
    """The description of the network without its dropped units. A layer may end up with none."""
    left = dict(zip(network.masked_layers, mask.units_per_layer, strict=True))
    layers = tuple(replace(layer, units=left.get(i, layer.units)) for i, layer in enumerate(network.layers))
    return replace(network, layers=layers)


def kept_rows_and_columns(network: Network, mask: Mask) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each layer and the output layer, the indices (rows = units, columns = inputs) that survive.

    Behind a flattening, one channel stands for height x width columns.
    """
    kept_of = dict(zip(network.masked_layers, mask.layers, strict=True))
    kept_inputs = np.ones(network.shape[0], dtype=bool)
    indices = []
    inputs = network.inputs()
    for i, (_, height, width) in enumerate(inputs):
        convolution = i < len(network.layers) and network.layers[i].kind == "conv"
        columns = kept_inputs if convolution else np.repeat(kept_inputs, height * width)
        units = network.layers[i].units if i < len(network.layers) else network.classes
        rows = kept_of.get(i, np.ones(units, dtype=bool))
        indices.append((np.flatnonzero(rows), np.flatnonzero(columns)))
        kept_inputs = rows
    return indices


def compact(network: Network, mask: Mask, weights: Weights) -> tuple[Network, Weights]:
    """The smaller network and its weights, cut out of the full ones.

    In exact arithmetic it computes and learns what the masked network does: dropped units output zero, pass no
    gradient, and take their biases with them. First weights keep the range of the full layer's fans.
    """
    small: Weights = {}
    for i, (rows, columns) in enumerate(kept_rows_and_columns(network, mask)):
        row, column = torch.from_numpy(rows), torch.from_numpy(columns)
        small[f"{i}.weight"] = weights[f"{i}.weight"][row][:, column].contiguous()
        small[f"{i}.bias"] = weights[f"{i}.bias"][row]
    return shrink(network, mask), small


def expand(network: Network, mask: Mask, weights: Weights, small: Weights) -> Weights:
    """The full weights with a compacted network's put back in their places."""
    full = {name: weight.to(next(iter(small.values())), copy=True) for name, weight in weights.items()}
    for i, (rows, columns) in enumerate(kept_rows_and_columns(network, mask)):
        row, column = torch.from_numpy(rows), torch.from_numpy(columns)
        full[f"{i}.weight"][row[:, None], column] = small[f"{i}.weight"]
        full[f"{i}.bias"][row] = small[f"{i}.bias"]
    return full


@dataclass(frozen=True)
class Counts:
    """Parameters, and multiply-accumulates for one image (convolutions and dense layers only), layer by layer."""

    parameters_per_layer: tuple[int, ...]
    macs_per_layer: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return sum(self.parameters_per_layer)

    @property
    def macs(self) -> int:
        return sum(self.macs_per_layer)


def counts(network: Network) -> Counts:
    """Count a network's parameters and multiply-accumulates."""
    shapes = network.weight_shapes()
    parameters, macs = [], []
    for i, (_, height, width) in enumerate(network.inputs()):
        weight, bias = shapes[f"{i}.weight"], shapes[f"{i}.bias"]
        positions = height * width if len(weight) == 4 else 1
        parameters.append(math.prod(weight) + bias[0])
        macs.append(math.prod(weight) * positions)
    return Counts(tuple(parameters), tuple(macs))
