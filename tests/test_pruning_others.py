"""Networks and loops of other people's: torchvision, timm, Lightning. Slow, so only `make test-slow` runs them."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks_to_prune import half, images
from pruning_tasks import small_network
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dropnet_core import load, prune, training_loop
from dropnet_core.data import DataSet
from dropnet_core.data.vision import torchvision
from dropnet_core.masks import Mask
from dropnet_core.pruning.cut import cut
from dropnet_core.pruning.proof import prove, shaken
from dropnet_core.pruning.units import Units, find
from dropnet_core.pruning.widths import Widths
from dropnet_core.stops import Stop

pytestmark = pytest.mark.slow

TORCHVISION: dict[str, tuple[int, int, dict[str, Any]]] = {
    "resnet18": (12, 2880, {}),
    "vgg11_bn": (10, 10944, {}),
    "mobilenet_v3_small": (27, 4872, {}),
    "efficientnet_b0": (40, 11404, {}),
    "regnet_y_400mf": (37, 2323, {}),
    "shufflenet_v2_x0_5": (18, 1912, {}),
    "googlenet": (57, 7280, {"aux_logits": False, "init_weights": False}),
    "densenet121": (120, 10240, {}),
    "convnext_tiny": (18, 26496, {}),
    "vit_b_16": (12, 36864, {"image_size": 64}),
}
"""Layers and units that are found in images of 64x64 pixels, and what else the network is built with."""

TIMM = {
    "ghostnet_050": (31, 4064),
    "hrnet_w18_small": (45, 6384),
    "repvgg_a0": (5, 1664),
    "resnest14d": (11, 4448),
}


def imported(name: str) -> Any:
    """A package that imports torchvision, which may need help where its build is not torch's."""
    torchvision()
    return pytest.importorskip(name, reason="make test-slow installs it")


def equal(network: nn.Module, example: torch.Tensor) -> Units:
    """Half of each layer gone: masked is cut, and one unit more is noticed."""
    units = find(network, example)
    full = Mask.full(units.widths)
    mask = Widths().filled(units, half(units), full, [np.zeros(width) for width in units.widths])
    network = shaken(network)
    proof = prove(network, cut(network, units, mask), units, mask, example)
    assert max(proof.evaluation, proof.training) <= 1e-12 and proof.gradients <= 1e-11, str(proof)
    layer = int(np.argmax(mask.units_per_layer))
    fewer = mask.without(layer, np.flatnonzero(mask.layers[layer])[:1])
    assert not prove(network, cut(network, units, fewer), units, mask, example).holds
    return units


@pytest.mark.parametrize("name", TORCHVISION)
def test_networks_of_torchvision(name: str) -> None:
    layers, count, arguments = TORCHVISION[name]
    torch.manual_seed(0)
    units = equal(torchvision().models.get_model(name, num_classes=10, **arguments), images(3, 3, 64, 64))
    assert (len(units.layers), sum(units.widths)) == (layers, count)


@pytest.mark.parametrize("name", TIMM)
def test_networks_of_timm(name: str) -> None:
    timm = imported("timm")
    torch.manual_seed(0)
    units = equal(timm.create_model(name, num_classes=10), images(3, 3, 64, 64))
    assert (len(units.layers), sum(units.widths)) == TIMM[name]


def test_a_loop_of_lightning(tiny: DataSet) -> None:
    lightning = imported("lightning")
    base: Any = lightning.LightningModule
    train = TensorDataset(tiny.train.images / 255, tiny.train.labels)

    class Module(base):
        def __init__(self, model: nn.Module) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            return F.cross_entropy(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)

    def fit(model: nn.Module) -> None:
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        trainer = lightning.Trainer(max_epochs=6, accelerator="cpu", **quiet)
        trainer.fit(Module(model), DataLoader(train, 32, shuffle=True))

    loop = training_loop(tiny)
    result = prune(small_network(), fit, loop.accuracy, loop.batches, stop=Stop("cycles", 2), p=0.5)
    assert all(cycle.accuracy > 0.6 for cycle in result.cycles)
    assert result.cycle.mask.units_per_layer == (4, 6, 10)


class Own(nn.Module):
    """Two convolutions and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.norm2 = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.fc, self.out = nn.Linear(16 * 49, 64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.out(F.relu(self.fc(x.flatten(1))))


def test_kappa_on_digits_and_random_beside_min() -> None:
    """Half of an own network's parameters or more can go at 98 % of its accuracy, whichever of five seeds it has."""
    loop = training_loop(load("mnist5k"), epochs=3)
    shares: dict[str, list[float]] = {"min_layer": [], "random_layer": []}
    for metric, found in shares.items():
        for seed in range(5):
            torch.manual_seed(seed)
            result = prune(Own(), *loop, kappa=0.98, metric=metric, p=0.3, seed=seed)
            whole, best = result.cycles[0], result.cycle
            assert result.failed is not None and best.accuracy > 0.98 * whole.accuracy
            found.append(best.parameters / whole.parameters)
    print({metric: [round(share, 3) for share in found] for metric, found in shares.items()})
    assert max(shares["min_layer"]) <= 0.5
