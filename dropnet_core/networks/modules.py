"""The PyTorch modules of a description: their first weights, and an ordinary network without masks."""

import math
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropnet_core.basics.streams import stream
from dropnet_core.networks.architecture import Architecture, is_moving
from dropnet_core.prunable import Weights

NORM_MOMENTUM, NORM_EPSILON = 0.01, 1e-3  # share of the newest batch in the moving statistics; Keras's defaults


def initial_weights(network: Architecture, seed: int) -> Weights:
    """Glorot-uniform weights and zero biases in float32 on the CPU, the same for every machine and metric.

    U(-a, a) with a = sqrt(6 / (fan_in + fan_out)) and, for a convolution, fans of 9 x channels. Each layer has
    a stream of its own. A batch norm starts with scale and variance 1, shift and mean 0.
    """
    weights: Weights = {}
    for name, size in network.weight_shapes().items():
        if not name.endswith("weight"):
            weights[name] = torch.ones(size) if name.endswith(("gamma", "variance")) else torch.zeros(size)
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

    A layer without units or without inputs works: it hands on its bias, or nothing. In training mode a batch norm
    uses the batch's own statistics and moves its averages; in evaluation mode it uses the averages.
    """

    def __init__(self, network: Architecture, weights: Weights) -> None:
        super().__init__()
        self.network = network
        learnt = {name: w for name, w in weights.items() if not is_moving(name)}
        self.weights = nn.ParameterDict({name.replace(".", "_"): nn.Parameter(w.clone()) for name, w in learnt.items()})
        for name, weight in weights.items():
            if is_moving(name):
                self.register_buffer(name.replace(".", "_"), weight.clone())
        for i, layer in enumerate(network.layers):
            for k, channels in enumerate(layer.places):
                self.register_buffer(f"{i}_place{k}", torch.tensor(channels, dtype=torch.int64))
        reading = [network.sources(i) for i in range(len(network.layers) + 1)]
        self._awaited = [{s for later in reading[i + 1 :] for s in later} for i in range(len(network.layers))]

    def parameter(self, layer: int, part: str) -> Tensor:
        """A layer's part, such as its "weight", in the shape that `Architecture.weight_shapes` gives."""
        name = f"{layer}_{part}"
        return self.get_buffer(name) if is_moving(name) else self.weights[name]

    def trained(self) -> Weights:
        """The weights as they are now, by their names in the description."""
        found = {}
        for name in self.network.weight_shapes():
            layer, part = name.split(".")
            found[name] = self.parameter(int(layer), part).detach().clone()
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, C, H, W)."""
        values = {-1: images}
        for i in range(len(self.network.layers)):
            values[i] = self.value(i, [values[source] for source in self.network.sources(i)])
            values = {k: value for k, value in values.items() if k in self._awaited[i]}  # the others' memory is free
        last = len(self.network.layers)
        return F.linear(values[last - 1].flatten(1), self.parameter(last, "weight"), self.parameter(last, "bias"))

    def value(self, i: int, inputs: list[Tensor]) -> Tensor:
        """What layer i hands on, (n, units) or (n, units, height, width), from the values that it reads."""
        layer = self.network.layers[i]
        if layer.kind == "sum":
            return pool(self.added(i, inputs), layer.pool)
        weight, bias = self.parameter(i, "weight"), self.parameter(i, "bias")
        if layer.kind == "conv":
            return self.activated(i, convolve(inputs[0], weight, bias))
        return self.activated(i, F.linear(inputs[0].flatten(1), weight, bias))

    def activated(self, i: int, value: Tensor) -> Tensor:
        """The value (n, units) or (n, units, height, width) behind ReLU, batch norm and pooling.

        A max-pool commutes with the ReLU, and pooling first leaves the ReLU a quarter of the work.
        """
        layer = self.network.layers[i]
        if layer.pool == "max" and not layer.norm:
            return F.relu(pool(value, "max"))
        value = F.relu(value)
        return pool(self.normed(i, value) if layer.norm else value, layer.pool)

    def normed(self, i: int, value: Tensor) -> Tensor:
        """The value (n, units, height, width) behind the layer's batch norm."""
        if not value.shape[1]:
            return value
        mean, variance, gamma, beta = (self.parameter(i, part) for part in ("mean", "variance", "gamma", "beta"))
        return F.batch_norm(value, mean, variance, gamma, beta, self.training, NORM_MOMENTUM, NORM_EPSILON)

    def added(self, i: int, inputs: list[Tensor]) -> Tensor:
        """The sum (n, units, height, width) of values, each added into its places among the channels.

        With channels last, as the engine "compact" lays values out, a place is a column and nothing is copied.
        """
        layer = self.network.layers[i]
        if not layer.places:
            return reduce(torch.add, inputs)
        n, _, height, width = inputs[0].shape
        total = inputs[0].new_zeros(n * height * width, layer.units)
        for k, value in enumerate(inputs):
            rows = value.permute(0, 2, 3, 1).flatten(0, 2).to(total.dtype)
            total = total.index_add(1, self.get_buffer(f"{i}_place{k}"), rows)
        return total.view(n, height, width, layer.units).permute(0, 3, 1, 2)


def convolve(value: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 3x3 convolution of the same size that also accepts no input channels and no filters.

    value (n, channels, height, width), weight (units, channels, 3, 3), bias (units,): (n, units, height, width)
    """
    if weight.numel():
        return F.conv2d(value, weight, bias, padding="same")
    return bias.to(value.dtype).view(1, -1, 1, 1).expand(len(value), -1, *value.shape[2:])


def pool(value: Tensor, kind: str) -> Tensor:
    """The value (n, units, height, width) behind a layer's pooling; there may be no units."""
    if kind == "average":
        return value.mean(dim=(2, 3))
    if kind == "max":
        half = (value.shape[2] // 2, value.shape[3] // 2)
        return F.max_pool2d(value, 2) if value.shape[1] else value[:, :, : half[0], : half[1]]
    return value
