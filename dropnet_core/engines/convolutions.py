"""Plain convolutional networks, Models B and C, trained by a step written by hand: no autograd, buffers used again."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.data import DataSet, Split
from dropnet_core.engines.direct import Direct
from dropnet_core.engines.pooled import Layer, as_taps, from_taps, through_relu
from dropnet_core.engines.tiled import Tiled
from dropnet_core.engines.windows import LiveBatches, Windowed
from dropnet_core.networks import Network, Weights
from dropnet_core.recipe import Recipe

LARGE_MAP, FEW_CHANNELS = 8, 32  # on larger maps with fewer channels PyTorch's convolution is faster than tiles


def plain(network: Network) -> bool:
    """Whether a network is convolutions with max-pools and dense layers behind them, none of them emptied."""
    pools = [layer.pool for layer in network.layers if layer.kind == "conv"]
    return (
        network.layers[0].kind == "conv"
        and all(layer.kind in ("conv", "dense") and layer.units and not layer.norm for layer in network.layers)
        and set(pools) == {"max"}
    )


class Dense:
    """A dense layer, with a ReLU behind all but the last."""

    def __init__(self, weight: Tensor, bias: Tensor, count: int, maps: tuple[int, int, int], last: bool) -> None:
        self.weight, self.bias, self.last = weight, bias, last
        channels, height, width = maps
        self.input = self.inner = weight.new_zeros(count, height, width, channels)
        self.flat = self.input.flatten(1)
        self.slope = torch.empty_like(self.input)
        self.after = weight.new_empty(count, len(bias))

    def forward(self, value: Tensor) -> None:
        self.value = torch.addmm(self.bias, self.flat, self.weight.t(), out=value.flatten(1))
        if not self.last:
            self.value.clamp_(min=0)

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        slope = slope.flatten(1)
        if not self.last:
            slope = through_relu(slope, self.value, self.after)
        torch.mm(slope, self.weight, out=self.slope.flatten(1))
        self.weight.addmm_(slope.t(), self.flat, alpha=scale)
        self.bias.add_(slope.sum(0), alpha=scale)
        return self.slope


class Step:
    """The layers of a network for batches of one size, and the arithmetic of a step through them."""

    def __init__(self, network: Network, parts: Sequence[tuple[Tensor, Tensor]], count: int) -> None:
        last = len(network.layers)
        self.layers: list[Layer] = []
        for i, ((weight, bias), maps) in reversed(list(enumerate(zip(parts, network.inputs(), strict=True)))):
            _, height, width = maps
            layer: Layer
            if weight.dim() == 2:
                layer = Dense(weight, bias, count, maps, last=i == last)
            elif i == 0 and weight.device.type == "cpu":
                layer = Windowed(weight, bias, height, width, self.layers[0].input, self.layers[0].inner)
            elif weight.device.type == "cpu" and (min(height, width) < LARGE_MAP or min(weight.shape[1:]) >= FEW_CHANNELS):
                layer = Tiled(weight, bias, count, height, width)
            else:
                layer = Direct(weight, bias, count, height, width, first=i == 0)
            self.layers.insert(0, layer)

    def forward(self, batch, logits: Tensor) -> None:
        """Fill `logits` (n, classes) for a batch of images as the first layer reads it."""
        self.layers[0].read(batch)
        for layer, following in zip(self.layers, [*(layer.inner for layer in self.layers[1:]), logits], strict=True):
            layer.forward(following)

    def learn(self, batch, answers: Tensor, logits: Tensor, rate: float) -> None:
        """One step of gradient descent towards answers (n, classes), which are 1 at the label and 0 elsewhere."""
        self.forward(batch, logits)
        slope = torch.softmax(logits, dim=1).sub_(answers)
        for layer in reversed(self.layers):
            slope = layer.backward(slope, -rate / len(answers))


def judge(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy."""
    loss = F.cross_entropy(logits.double(), labels)
    return loss.item(), int((logits.argmax(dim=1) == labels).sum()) / len(labels)


class Convolutions:
    """One network in training."""

    def __init__(self, network: Network, weights: Weights, recipe: Recipe, live: dict[str, LiveBatches]) -> None:
        self.network, self.recipe, self.live = network, recipe, live
        self.parts = []
        for i, maps in enumerate(network.inputs()):
            weight, bias = weights[f"{i}.weight"], weights[f"{i}.bias"].clone()
            self.parts.append((as_taps(weight) if weight.dim() == 4 else in_maps(weight, maps), bias))
        self.steps: dict[int, Step] = {}

    def step(self, count: int) -> Step:
        if count not in self.steps:
            self.steps[count] = Step(self.network, self.parts, count)
        return self.steps[count]

    @torch.no_grad()
    def epoch(self, data: DataSet, order: Tensor | None) -> tuple[float, float]:
        labels = data.train.labels if order is None else data.train.labels[order]
        dtype = self.parts[0][0].dtype
        answers, size = F.one_hot(labels, data.classes).to(dtype), self.recipe.batch_size
        logits = torch.empty_like(answers)
        for batch, right, out in zip(self.live["train"](size, order), answers.split(size), logits.split(size), strict=True):
            self.step(len(right)).learn(batch, right, out, self.recipe.learning_rate)
        return judge(logits, labels)

    @torch.no_grad()
    def evaluate(self, part: str, split: Split) -> tuple[float, float]:
        size = self.recipe.batch_size
        logits = self.parts[-1][0].new_empty(len(split), self.network.classes)
        for batch, out in zip(self.live[part](size), logits.split(size), strict=True):
            self.step(len(out)).forward(batch, out)
        return judge(logits, split.labels)

    def trained(self) -> Weights:
        found: Weights = {}
        for i, ((weight, bias), maps) in enumerate(zip(self.parts, self.network.inputs(), strict=True)):
            found[f"{i}.weight"] = from_taps(weight) if weight.dim() == 3 else from_maps(weight, maps)
            found[f"{i}.bias"] = bias
        return {name: weight.clone(memory_format=torch.contiguous_format) for name, weight in found.items()}


def in_maps(weight: Tensor, maps: tuple[int, int, int]) -> Tensor:
    """A dense weight whose columns follow (channels, height, width), with columns by (height, width, channels)."""
    return weight.unflatten(1, maps).permute(0, 2, 3, 1).flatten(1).contiguous()


def from_maps(weight: Tensor, maps: tuple[int, int, int]) -> Tensor:
    channels, height, width = maps
    return weight.unflatten(1, (height, width, channels)).permute(0, 3, 1, 2).flatten(1)
