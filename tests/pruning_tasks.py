"""A small network, data and functions such as a user of `prune` may have, that several tests share."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dropnet_core import prune
from dropnet_core.data import DataSet
from dropnet_core.pruning.units import tensors


class Small(nn.Module):
    """What a user may have: convolutions with batch norm and a dense layer, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 12, 3)
        self.fc, self.out = nn.Linear(48, 20), nn.Linear(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.conv2(F.pad(x, (1, 1, 1, 1)))), 2)
        return self.out(F.relu(self.fc(F.dropout(x.flatten(1), 0.1, self.training))))


def small_network(seed: int = 0) -> Small:
    torch.manual_seed(seed)
    return Small()


class Task:
    """A user's data and functions, as far from this package as they may be."""

    def __init__(self, tiny: DataSet, epochs: int = 4) -> None:
        self.images, self.labels = tiny.train.images / 255, tiny.train.labels
        self.held_out, self.truth = tiny.validation.images / 255, tiny.validation.labels
        self.epochs, self.seen = epochs, []  # type: ignore[var-annotated]

    def fit(self, model: Any) -> None:
        self.seen.append({name: tensor.detach().clone() for name, tensor in tensors(model)})
        optimiser = torch.optim.AdamW(model.parameters(), 5e-3)
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(self.images)).split(32):
                optimiser.zero_grad()
                F.cross_entropy(model(self.images[chosen]), self.labels[chosen]).backward()
                optimiser.step()

    @torch.no_grad()
    def accuracy(self, model: Any) -> float:
        assert not model.training
        return float((model(self.held_out).argmax(1) == self.truth).double().mean())

    def prune(self, network: nn.Module, **settings: Any) -> Any:
        return prune(network, self.fit, self.accuracy, self.images.split(40), **settings)


def nudge(model: Any) -> None:
    """A fit that changes something and takes no time."""
    with torch.no_grad():
        next(iter(model.parameters())).mul_(1.01)
