"""Networks as their users write them, small enough to be followed, cut and proven in a moment."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropnet_core.masks import Mask
from dropnet_core.pruning.units import Units


def images(*shape: int) -> Tensor:
    """Some images, or whatever else a network takes, from a fixed seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(16 * 16, 30), nn.Linear(30, 20), nn.Linear(20, 10)

    def features(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.conv2(F.max_pool2d(self.conv1(x).relu(), 2)).relu(), 2)

    def flat(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(self.flat(self.features(x))).relu()
        return self.fc3(self.fc2(x).relu())


class LeNetWithSize(LeNet):
    def flat(self, x: Tensor) -> Tensor:
        return x.view(x.size(0), -1)


class LeNetWithNumber(LeNet):
    def flat(self, x: Tensor) -> Tensor:
        return x.view(-1, 16 * 4 * 4)


class FixedBatch(LeNet):
    def flat(self, x: Tensor) -> Tensor:
        return x.reshape(4, -1)


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Dropout(0.3), nn.Linear(20, 12), nn.Tanh(),
        nn.Dropout(0.3), nn.Linear(12, 5),
    )  # fmt: skip


def norm_behind_relu() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(), nn.BatchNorm2d(12), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5),
    )  # fmt: skip


class Residual(nn.Module):
    """Two blocks whose sums tie the stem to what is added to it, and a strided one with a branch of its own."""

    def __init__(self, width: int = 8, classes: int = 10, colours: int = 1) -> None:
        super().__init__()

        def block(inside: int, outside: int, stride: int = 1) -> nn.Module:
            return nn.Sequential(
                nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(),
                nn.Conv2d(outside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside),
            )  # fmt: skip

        self.stem = nn.Sequential(nn.Conv2d(colours, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.first, self.second = block(width, width), block(width, 2 * width, 2)
        self.branch = nn.Conv2d(width, 2 * width, 1, 2)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = F.relu(x + self.first(x))
        return self.head(F.relu(self.branch(x) + self.second(x)).mean((2, 3)))


class Gated(nn.Module):
    """An inverted bottleneck with a depthwise convolution and a gate, as mobile networks have it."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.depth = nn.Conv2d(3, 12, 1), nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.squeeze, self.gate = nn.Conv2d(12, 4, 1), nn.Conv2d(4, 12, 1)
        self.narrow, self.head = nn.Conv2d(12, 6, 1), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.hardswish(self.norm(self.depth(F.relu6(self.wide(x)))))
        x = x * torch.sigmoid(self.gate(F.silu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        return self.head(F.relu(self.narrow(x)).mean((2, 3)))


class Grouped(nn.Module):
    """Convolutions in groups of four channels, and a normalisation in groups of three."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.groups = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1, groups=4)
        self.last, self.norm = nn.Conv2d(32, 12, 1), nn.GroupNorm(4, 12)
        self.slope, self.head = nn.PReLU(12), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.groups(F.relu(self.first(x))))
        return self.head(self.slope(self.norm(self.last(x))).mean((2, 3)))


class Forked(nn.Module):
    """A small U-Net: what is read again later is joined to what comes back up."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.low = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 10, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(10, 6, 2, 2), nn.Conv2d(12, 2, 1)
        self.norm = nn.InstanceNorm2d(6, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.norm(self.down(x)))
        back = self.up(F.leaky_relu(self.low(F.max_pool2d(first, 2))))
        return self.out(torch.cat([F.relu(back), first], dim=1))


class Dense(nn.Module):
    """Each layer reads all that lie before it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 + 4 * i, 4, 3, padding=1) for i in range(3))
        self.head = nn.Linear(15, 5)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, F.relu(layer(x))], 1)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Twice(nn.Module):
    """One convolution and one norm that are called twice, and another that shares a weight with them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(n, 8, 3, padding=1) for n in (3, 8, 8))
        self.c.weight = self.b.weight
        self.norm, self.h, self.head = nn.BatchNorm2d(8), nn.Conv2d(8, 12, 1), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x))
        for _ in range(2):
            x = F.relu(self.norm(self.b(x)))
        return self.head(F.relu(self.h(self.c(x))).mean((2, 3)))


class Functional(nn.Module):
    """Parameters without modules."""

    def __init__(self) -> None:
        super().__init__()
        self.w1, self.b1 = nn.Parameter(images(8, 3, 3, 3)), nn.Parameter(images(8))
        self.scale, self.w2 = nn.Parameter(images(8, 1, 1)), nn.Parameter(images(5, 8))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.conv2d(x, self.w1, self.b1).mul(self.scale).relu().amax((2, 3)), self.w2)


class OtherPathInTraining(nn.Module):
    """What is read in training mode only ties, or keeps, units in evaluation mode as well."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 10), nn.Linear(10, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x))
        y = self.c(F.relu(self.b(x)))
        return y + x.softmax(1).amax(1, keepdim=True) if self.training else y


class Attention(nn.Module):
    """The attention and the stream beside it stay whole; the two dense layers of the block do not."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(x).mean(1))


class ChannelsLast(nn.Module):
    """Dense layers along the last dimension, a norm over units in front of them, and a scale behind."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 6, 2, 2), nn.LayerNorm(6)
        self.wide, self.narrow = nn.Linear(6, 20), nn.Linear(20, 6)
        self.scale, self.head = nn.Parameter(torch.full((6, 1, 1), 0.1)), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.narrow(F.gelu(self.wide(self.norm(x.permute(0, 2, 3, 1))))).permute(0, 3, 1, 2)
        return self.head((x + self.scale * y).mean((2, 3)))


class Shuffled(nn.Module):
    """Halves of the channels that swap places: they stay, what lies between them does not."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(6, 4, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.stem(x).chunk(2, dim=1)
        x = torch.cat([left, self.b(F.relu(self.a(right)))], dim=1)
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(F.relu(x).mean((2, 3)))


class Random(nn.Module):
    """A branch that is left out by chance in training, image by image, and noise of the network's own."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 6, 1)
        self.drop, self.head = nn.Dropout2d(0.5), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x))
        y = F.relu(self.b(x))
        if self.training:
            y = y * torch.empty(len(x), 1, 1, 1, dtype=x.dtype).bernoulli_(0.8) + torch.rand_like(y)
        return self.head(F.relu(self.c(self.drop(x + y))).mean((2, 3)))


class Constrained(nn.Module):
    """A convolution whose weight is computed at each step, from buffers that move; and unusual forms of operators."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3))
        self.b, self.c, self.head = nn.Conv2d(8, 10, 3), nn.Conv2d(10, 6, 1), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.b(F.relu(self.a(x))))
        x = self.c(torch.max(x, -x))
        return self.head(torch.roll(x.relu(), 1, 2).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(8, 12, batch_first=True), nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 12), nn.Linear(12, 12), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.a(x))
        if x.sum() > 0:
            x = F.relu(self.b(x))
        return self.c(x)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Tensor, dict[str, int]]] = {
    "LeNet": (LeNet, images(4, 1, 28, 28), {"conv1": 6, "conv2": 16, "fc1": 30, "fc2": 20}),
    "LeNet with x.size(0)": (LeNetWithSize, images(4, 1, 28, 28), {"conv1": 6, "conv2": 16, "fc1": 30, "fc2": 20}),
    "perceptron": (perceptron, images(6, 1, 4, 4), {"1": 20, "5": 12}),
    "norm behind ReLU": (norm_behind_relu, images(4, 3, 8, 8), {"0": 8, "4": 12}),
    "residual": (Residual, images(4, 1, 12, 12), {"stem.0": 8, "first.0": 8, "branch": 16, "second.0": 16}),
    "gated": (Gated, images(4, 3, 8, 8), {"wide": 12, "squeeze": 4, "narrow": 6}),
    "grouped": (Grouped, images(4, 3, 6, 6), {"first": 4, "last": 4}),
    "forked": (Forked, images(3, 3, 8, 8), {"down": 6, "low": 10, "up": 6}),
    "dense": (Dense, images(3, 3, 8, 8), {"layers.0": 4, "layers.1": 4, "layers.2": 4}),
    "twice": (Twice, images(3, 3, 8, 8), {"a": 8, "h": 12}),
    "functional": (Functional, images(3, 3, 8, 8), {"w1": 8}),
    "other path in training": (OtherPathInTraining, images(5, 6), {"b": 12}),
    "attention": (Attention, images(3, 5, 16), {"block.linear1": 24}),
    "channels last": (ChannelsLast, images(3, 3, 8, 8), {"wide": 20}),
    "shuffled": (Shuffled, images(3, 3, 8, 8), {"a": 6}),
    "constrained": (Constrained, images(4, 3, 8, 8), {"b": 10}),
    "random": (Random, images(4, 3, 8, 8), {"a": 8, "c": 6}),
}
"""How to make each, what it takes, and the units that are to be found: layer -> how many."""


def half(units: Units) -> Mask:
    """Every other unit of each layer."""
    return Mask([np.arange(width) % 2 == 0 for width in units.widths])
