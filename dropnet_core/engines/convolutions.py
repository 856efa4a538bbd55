"""Plain convolutional networks, the paper's Models B and C among them, trained by a step written by hand."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.architecture import Network
from dropnet_core.data import DataSet
from dropnet_core.engines.direct import Direct
from dropnet_core.engines.pooled import Seen, as_taps, from_taps, seen
from dropnet_core.engines.relu import through_relu
from dropnet_core.engines.tiled import Tiled
from dropnet_core.engines.windows import Batch, KeptBatches, Windowed
from dropnet_core.metrics import Statistics
from dropnet_core.networks import Weights
from dropnet_core.recipe import Recipe
from dropnet_core.training import large_batch

Parameters = list[tuple[Tensor, Tensor]]
"""The weight and the bias of each layer: taps of a convolution (see `pooled`); of a dense layer (out, in), the columns
of which follow (height, width, channels)."""

SMALL_MAP = 16  # up to this height or width a CPU is nearly always faster with tiles than with the libraries
LIVE_SHARE = 0.5  # up to this share of live windows it is faster with windows


def plain(network: Network) -> bool:
    """Whether a network is nothing but convolutions, each with a max-pool behind it, and dense layers, none empty."""
    return network.layers[0].kind == "conv" and all(
        layer.units and (layer.kind == "dense" or (layer.kind == "conv" and layer.pool == "max" and not layer.norm))
        for layer in network.layers
    )


def by_hand(network: Network, recipe: Recipe) -> bool:
    """Whether a network is trained by the step of this module; by autograd otherwise."""
    return plain(network) and recipe.augment == "none" and recipe.precision != "bf16"


class Dense:
    """A dense layer, with a ReLU behind all but the last."""

    def __init__(self, weight: Tensor, bias: Tensor, count: int, maps: tuple[int, int, int], last: bool) -> None:
        """`maps` is the (channels, height, width) that it reads."""
        self.weight, self.bias, self.last = weight, bias, last
        channels, height, width = maps
        self.input = self.inner = weight.new_zeros(count, height, width, channels)
        self.slope = torch.empty_like(self.input)
        self.input_flat, self.slope_flat, self.weight_t = self.input.flatten(1), self.slope.flatten(1), weight.t()
        self.slope_behind = weight.new_empty(count, len(bias))

    def forward(self, value: Tensor) -> None:
        self.value = torch.addmm(self.bias, self.input_flat, self.weight_t, out=value.flatten(1))
        if not self.last:
            self.value.clamp_(min=0)

    def backward(self, slope: Tensor, scale: float) -> Tensor:
        slope = slope.flatten(1)
        if not self.last:
            slope = through_relu(slope, self.value, self.slope_behind)
        torch.mm(slope, self.weight, out=self.slope_flat)
        self.weight.addmm_(slope.t(), self.input_flat, alpha=scale)
        self.bias.add_(slope.sum(0), alpha=scale)
        return self.slope

    def seen(self) -> Seen:
        return seen(self.value.clone().unsqueeze(1))


class Step:
    """The layers of a network for batches of one size, and the arithmetic of a step through them."""

    def __init__(
        self, network: Network, parameters: Parameters, count: int, windowed: bool, looking: bool = False
    ) -> None:
        """`windowed`: the first layer reads live windows. `looking`: the layers' values are asked for, which tiles do
        not give, nor windows of images with odd sides."""
        self.layers: list[Windowed | Tiled | Direct | Dense] = []
        for i, maps in reversed(list(enumerate(network.inputs()))):
            (weight, bias), (_, height, width) = parameters[i], maps
            here, even = weight.device.type == "cpu", height % 2 == width % 2 == 0
            small = min(height, width) <= SMALL_MAP
            layer: Windowed | Tiled | Direct | Dense
            if weight.dim() == 2:
                layer = Dense(weight, bias, count, maps, last=i == len(network.layers))
            elif i == 0 and windowed and (even or not looking):
                layer = Windowed(weight, bias, self.layers[0].input, self.layers[0].inner)
            elif i > 0 and here and small and not looking:
                layer = Tiled(weight, bias, count, height, width)
            else:
                layer = Direct(weight, bias, count, height, width, first=i == 0)
            self.layers.insert(0, layer)
        first = self.layers[0]
        assert isinstance(first, Windowed | Direct)
        self.first, self.values = first, [layer.inner for layer in self.layers[1:]]

    def forward(self, batch: Batch, logits: Tensor) -> None:
        """Fill `logits` (n, classes)."""
        self.first.read(batch)
        for layer, value in zip(self.layers, [*self.values, logits], strict=True):
            layer.forward(value)

    def look(self, batch: Batch, logits: Tensor) -> list[Seen]:
        """What is to be known of the values of every hidden layer, before they are pooled."""
        found = []
        self.first.read(batch)
        for layer, value in zip(self.layers, [*self.values, logits], strict=True):
            layer.forward(value)
            if layer is not self.layers[-1]:
                assert not isinstance(layer, Tiled)
                found.append(layer.seen())
        return found

    def learn(self, batch: Batch, answers: Tensor, logits: Tensor, rate: float) -> None:
        """One step of gradient descent. `answers` (n, classes) are 1 at an image's label and 0 elsewhere."""
        self.forward(batch, logits)
        slope = torch.softmax(logits, dim=1).sub_(answers)
        for layer in reversed(self.layers):
            slope = layer.backward(slope, -rate / len(answers))


class Convolutions:
    """One network in training, with batches from the memory of the CPU."""

    def __init__(
        self, network: Network, weights: Weights, recipe: Recipe, data: DataSet, batches: dict[str, KeptBatches]
    ) -> None:
        """`batches` are the splits of the data by name; they may be shared with the jobs before and after."""
        self.network, self.recipe, self.data, self.batches = network, recipe, data, batches
        self.windowed = weights["0.bias"].device.type == "cpu" and batches["train"].live_share <= LIVE_SHARE
        # Of passes that learn nothing: a small one stays in the cache.
        self.large_batch = min(recipe.batch_size, large_batch(data.train))
        self.parameters: Parameters = []
        for i, (channels, height, width) in enumerate(network.inputs()):
            weight, bias = weights[f"{i}.weight"], weights[f"{i}.bias"].clone()
            if weight.dim() == 2:
                weight = weight.unflatten(1, (channels, height, width)).permute(0, 2, 3, 1).flatten(1)
            self.parameters.append(
                (as_taps(weight) if weight.dim() == 4 else weight.clone(memory_format=torch.contiguous_format), bias)
            )
        self._steps: dict[tuple[int, bool], Step] = {}

    def trained(self) -> Weights:
        """The weights as they are now, by their names in the description."""
        found: Weights = {}
        for i, ((weight, bias), maps) in enumerate(zip(self.parameters, self.network.inputs(), strict=True)):
            channels, height, width = maps
            if weight.dim() == 2:
                weight = weight.unflatten(1, (height, width, channels)).permute(0, 3, 1, 2).flatten(1)
            found[f"{i}.weight"] = (from_taps(weight) if weight.dim() == 3 else weight).contiguous()
            found[f"{i}.bias"] = bias
        return found

    def step(self, count: int, looking: bool = False) -> Step:
        """The step for batches of this many images."""
        if (count, looking) not in self._steps:
            self._steps[count, looking] = Step(self.network, self.parameters, count, self.windowed, looking)
        return self._steps[count, looking]

    def answers(self) -> Tensor:
        """(n, classes), 1 at the label of a training image and 0 elsewhere."""
        return F.one_hot(self.data.train.labels, self.network.classes).to(self.parameters[0][0].dtype)

    @torch.inference_mode()
    def epoch(self, order: Tensor | None) -> tuple[float, float]:
        """One epoch in this order. Returns the running mean loss and accuracy."""
        answers, labels, size = self.answers(), self.data.train.labels, self.recipe.batch_size
        if order is not None:
            answers, labels = answers[order], labels[order]
        logits = torch.empty_like(answers)
        batches = self.batches["train"](size, order)
        for batch, wanted, out in zip(batches, answers.split(size), logits.split(size), strict=True):
            self.step(len(out)).learn(batch, wanted, out, self.recipe.learning_rate)
        return judged(logits, labels)

    @torch.inference_mode()
    def evaluate(self, part: str) -> tuple[float, float]:
        """Mean loss and accuracy over "validation" or "test"."""
        labels = self.data.parts[part].labels
        logits = self.parameters[0][0].new_empty(len(labels), self.network.classes)
        for batch, out in zip(self.batches[part](self.large_batch), logits.split(self.large_batch), strict=True):
            self.step(len(out)).forward(batch, out)
        return judged(logits, labels)

    @torch.inference_mode()
    def statistics(self) -> Statistics:
        """What `metrics.measure` finds on the training images, up to rounding."""
        logits = self.parameters[0][0].new_empty(self.large_batch, self.network.classes)
        found: list[Seen] = []
        for batch in self.batches["train"](self.large_batch):
            count = len(batch.images)
            now = self.step(count, looking=True).look(batch, logits[:count])
            found = [a + b for a, b in zip(found, now, strict=True)] if found else now
        statistics: Statistics = {name: [] for name in ("mean_of_abs", "abs_of_mean", "zeros", "zero_maps")}
        for i in self.network.masked_layers:
            _, height, width = self.network.inputs()[i] if self.network.layers[i].kind == "conv" else (1, 1, 1)
            whole, above, silent = (found[i] / len(self.data.train)).cpu().numpy()
            for name in ("mean_of_abs", "abs_of_mean"):  # the same where nothing is negative
                statistics[name].append(whole / (height * width))
            statistics["zeros"].append(1 - above / (height * width))
            statistics["zero_maps"].append(silent)
        return statistics


def judged(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy."""
    loss = F.cross_entropy(logits.double(), labels)
    return loss.item(), int((logits.argmax(dim=1) == labels).sum()) / len(labels)
