"""Networks by name: the one kind of network that the paper's experiments know."""

import re
from collections.abc import Sequence
from typing import Any

from dropnet_core.basics.errors import InputError
from dropnet_core.compaction import shrink
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.architecture import Architecture, Layer
from dropnet_core.networks.deep import deep_layers
from dropnet_core.networks.modules import glorot_bound, initial_weights
from dropnet_core.prunable import Weights

MOST_UNITS = 1_000_000  # of a layer; whether a network of fewer fits into the memory is asked before training
TOKEN = re.compile(r"(fc|conv|dense)(\d+)")
GRAMMAR = (
    "a network is layers joined by '-': fcN (dense, pruned), convN (convolution, pruned), "
    "denseN (dense, not pruned); for example fc40-fc40, conv64-conv32, conv64-conv64-conv128-conv128-dense256; "
    "or it is resnet18 or vgg19, or for example vgg19/8 with an eighth of all widths"
)


class Network(Architecture):
    """An architecture that Algorithm 1 can prune (see `Prunable`); `describe` makes it from a name."""

    @property
    def identity(self) -> Sequence[Any]:
        """The name says all of a network but the images and classes that it is meant for."""
        return self.name, self.shape, self.classes

    def first_weights(self, seed: int, small: Mask | None = None) -> Weights:
        """Those of `initial_weights`; `small` scales each matrix to the Glorot range of the fans that a mask leaves."""
        weights = initial_weights(self, seed)
        if small is not None:
            shapes = shrink(self, small).weight_shapes()
            for name, weight in weights.items():
                if name.endswith("weight"):
                    weights[name] = weight * (glorot_bound(shapes[name]) / glorot_bound(tuple(weight.shape)))
        return weights

    def masked(self, weights: Weights, mask: Mask) -> MaskedNetwork:
        """The masked network with these weights. Raises InputError if the mask does not fit."""
        return MaskedNetwork(self, weights, mask)


def describe(name: str, shape: tuple[int, int, int], classes: int) -> Network:
    """The network with this name for images of this shape (channels, height, width).

    Raises InputError for a name that does not fit the grammar, a layer of no units, a convolution behind a
    dense layer, a network without a layer to prune, or images too small for the number of poolings; for
    resnet18 and vgg19 images that cannot be halved as often as they are.
    """
    deep = deep_layers(name, classes)
    network = Network(name, shape, deep or stack(name), classes)
    if not network.masked_layers:
        raise InputError(f"network '{name}' has no layer to prune; {GRAMMAR}")
    size = f"{shape[1]}x{shape[2]}"
    step = 2 ** sum(layer.pool == "max" for layer in network.layers)
    if deep and (shape[1] % step or shape[2] % step):
        raise InputError(
            f"network '{name}' halves images {step.bit_length() - 1} times, which {size} pixels do not allow; "
            f"use images whose height and width are multiples of {step}"
        )
    if 0 in network.inputs()[-1]:
        raise InputError(
            f"network '{name}' pools images of {size} pixels down to nothing; use fewer convolutions or larger images"
        )
    return network


def stack(name: str) -> tuple[Layer, ...]:
    """The layers of Models A, B and C: dense ones and convolutions, each of which a 2x2 max-pool follows."""
    layers: list[Layer] = []
    for token in name.split("-"):
        match = TOKEN.fullmatch(token)
        if not match or not match[2].strip("0"):
            raise InputError(f"unknown network '{name}': '{token}' is no layer; {GRAMMAR}")
        if len(match[2]) > len(str(MOST_UNITS)) or int(match[2]) > MOST_UNITS:
            raise InputError(f"network '{name[:60]}': a layer has at most {MOST_UNITS:,} units")
        if match[1] == "conv":
            if layers and layers[-1].kind == "dense":
                raise InputError(f"network '{name}': a convolution cannot follow a dense layer; {GRAMMAR}")
            layers.append(Layer("conv", int(match[2]), pool="max"))
        else:
            layers.append(Layer("dense", int(match[2]), masked=match[1] == "fc"))
    return tuple(layers)
