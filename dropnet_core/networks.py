"""Every architecture as a plain description, its first weights, and an ordinary network of it."""

import math
import re
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropnet_core.errors import InputError
from dropnet_core.streams import stream

KERNEL = 3  # every convolution of the paper is 3x3, stride 1, zero-padded to the same size

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Layer:
    """A dense layer or a convolution (then followed by a 2x2 max-pool) with ReLU.

    kind    "dense" or "conv"
    units   nodes or filters
    masked  whether DropNet may drop its units
    """

    kind: str
    units: int
    masked: bool = True


@dataclass(frozen=True)
class Network:
    """A stack of layers and a dense output layer (paper, section 4: Models A, B and C).

    name    as in the table of experiments, for example "fc40-fc40" or "conv64-conv32"
    shape   one image, (channels, height, width)
    """

    name: str
    shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    classes: int

    @property
    def masked_layers(self) -> tuple[int, ...]:
        """Indices of the layers that DropNet may prune, in the order of the masks."""
        return tuple(i for i, layer in enumerate(self.layers) if layer.masked)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of the masked layers."""
        return tuple(self.layers[i].units for i in self.masked_layers)

    @property
    def all_dense(self) -> bool:
        return all(layer.kind == "dense" for layer in self.layers)

    def inputs(self) -> tuple[tuple[int, int, int], ...]:
        """The (channels, height, width) that enters each layer and, last, the output layer.

        A dense layer of u nodes hands on (u, 1, 1); 2x2 pooling rounds down.
        """
        shapes = [self.shape]
        for layer in self.layers:
            _, height, width = shapes[-1]
            shapes.append((layer.units, height // 2, width // 2) if layer.kind == "conv" else (layer.units, 1, 1))
        return tuple(shapes)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every parameter: dense (out, in), convolution (out, in, 3, 3), bias (out,)."""
        shapes: dict[str, tuple[int, ...]] = {}
        outputs = [*(layer.units for layer in self.layers), self.classes]
        for i, ((channels, height, width), out) in enumerate(zip(self.inputs(), outputs, strict=True)):
            convolution = i < len(self.layers) and self.layers[i].kind == "conv"
            shapes[f"{i}.weight"] = (out, channels, KERNEL, KERNEL) if convolution else (out, channels * height * width)
            shapes[f"{i}.bias"] = (out,)
        return shapes


TOKEN = re.compile(r"(fc|conv|dense)(\d+)")
GRAMMAR = (
    "a network is layers joined by '-': fcN (dense, pruned), convN (convolution, pruned), "
    "denseN (dense, not pruned); for example fc40-fc40, conv64-conv32, conv64-conv64-conv128-conv128-dense256"
)


def describe(name: str, shape: tuple[int, int, int], classes: int) -> Network:
    """The network with this name for images of this shape (channels, height, width).

    Raises InputError for a name that does not fit the grammar, a layer of no units, a convolution behind a
    dense layer, a network without a layer to prune, or images too small for the number of poolings.
    """
    layers: list[Layer] = []
    for token in name.split("-"):
        match = TOKEN.fullmatch(token)
        if not match or int(match[2]) < 1:
            raise InputError(f"unknown network '{name}': '{token}' is no layer; {GRAMMAR}")
        kind = "conv" if match[1] == "conv" else "dense"
        if kind == "conv" and layers and layers[-1].kind == "dense":
            raise InputError(f"network '{name}': a convolution cannot follow a dense layer; {GRAMMAR}")
        layers.append(Layer(kind, int(match[2]), masked=match[1] != "dense"))
    network = Network(name, shape, tuple(layers), classes)
    if not network.masked_layers:
        raise InputError(f"network '{name}' has no layer to prune; {GRAMMAR}")
    if 0 in network.inputs()[-1]:
        raise InputError(
            f"network '{name}' pools images of {shape[1]}x{shape[2]} pixels down to nothing; "
            "use fewer convolutions or larger images"
        )
    return network


def initial_weights(network: Network, seed: int) -> Weights:
    """Glorot-uniform weights and zero biases in float32 on the CPU, the same for every machine and metric.

    U(-a, a) with a = sqrt(6 / (fan_in + fan_out)) and, for a convolution, fans of 9 x channels. Each layer has
    a stream of its own.
    """
    weights: Weights = {}
    for name, size in network.weight_shapes().items():
        if name.endswith("bias"):
            weights[name] = torch.zeros(size)
            continue
        drawn = stream(seed, "weights", name).uniform(-1.0, 1.0, size) * glorot_bound(size)
        weights[name] = torch.from_numpy(drawn.astype(np.float32))
    return weights


def glorot_bound(size: tuple[int, ...]) -> float:
    """The half-width of the Glorot-uniform range for a weight of this shape (out, in, ...)."""
    field = math.prod(size[2:])
    fans = field * (size[0] + size[1])
    return math.sqrt(6.0 / fans) if fans else 0.0


class PlainNetwork(nn.Module):
    """The ordinary network of a description, without masks. Takes images (n, C, H, W), returns logits (n, classes).

    A layer without units or without inputs works: it hands on its bias, or nothing.
    """

    def __init__(self, network: Network, weights: Weights) -> None:
        super().__init__()
        self.network = network
        self.weights = nn.ParameterDict(
            {name.replace(".", "_"): nn.Parameter(w.clone()) for name, w in weights.items()}
        )

    def parameter(self, layer: int, part: str) -> Tensor:
        return self.weights[f"{layer}_{part}"]

    def trained(self) -> Weights:
        """The weights as they are now, by their names in the description."""
        return {name.replace("_", "."): weight.detach().clone() for name, weight in self.weights.items()}

    def activated(self, layer: int, value: Tensor) -> Tensor:
        """A layer's value behind its ReLU and, for a convolution, its max-pool.

        The two commute; pooling first leaves the ReLU a quarter of the work.
        """
        return F.relu(pool(value) if self.network.layers[layer].kind == "conv" else value)

    def forward(self, images: Tensor) -> Tensor:
        value = images
        for i, layer in enumerate(self.network.layers):
            weight, bias = self.parameter(i, "weight"), self.parameter(i, "bias")
            convolution = layer.kind == "conv"
            value = convolve(value, weight, bias) if convolution else F.linear(value.flatten(1), weight, bias)
            value = self.activated(i, value)
        last = len(self.network.layers)
        return F.linear(value.flatten(1), self.parameter(last, "weight"), self.parameter(last, "bias"))


def convolve(value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 3x3 convolution of the same size that also accepts no input channels and no filters."""
    if weight.numel():
        return F.conv2d(value, weight, bias, padding="same")
    return bias.view(1, -1, 1, 1).expand(len(value), -1, *value.shape[2:])


def pool(value: Tensor) -> Tensor:
    """A 2x2 max-pool that also accepts maps of no filters."""
    if value.shape[1]:
        return F.max_pool2d(value, 2)
    return value[:, :, : value.shape[2] // 2, : value.shape[3] // 2]
