"""The loop for those who have none."""

from pathlib import Path

import numpy as np
import pytest
import torch
from networks_to_prune import Residual, images
from PIL import Image
from pruning_tasks import small_network
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from dropnet_core import prune, training_loop
from dropnet_core.basics.errors import InputError
from dropnet_core.data import DataSet
from dropnet_core.stops import Stop


def test_from_whatever_a_user_has(tiny: DataSet) -> None:
    pairs = [(split.images / 255, split.labels) for split in (tiny.train, tiny.validation)]
    sets = [TensorDataset(*pair) for pair in pairs]
    loops = [
        training_loop(tiny, epochs=3, learning_rate=5e-3, batch_size=32),
        training_loop(*pairs, epochs=3, learning_rate=5e-3, batch_size=32),
        training_loop(*sets, epochs=3, learning_rate=5e-3, batch_size=32),
        training_loop(DataLoader(sets[0], 32, shuffle=True), DataLoader(sets[1], 32), epochs=3, learning_rate=5e-3),
    ]
    reached = []
    for loop in loops:
        network = small_network()
        before = loop.accuracy(network)
        torch.manual_seed(0)
        loop.fit(network)
        reached.append(loop.accuracy(network))
        assert reached[-1] > before + 0.1 and not network.training
    assert reached[0] == reached[1]  # bytes and numbers are the same images


def test_prune_by_the_loop(tiny: DataSet) -> None:
    result = prune(small_network(), *training_loop(tiny, epochs=8, learning_rate=5e-3), stop=Stop("cycles", 2), p=0.5)
    assert result.cycles[1].accuracy > 0.5 and result.cycles[1].mask.units_per_layer == (4, 6, 10)


def test_the_first_fit_draws_what_later_ones_draw(tiny: DataSet) -> None:
    loop = training_loop(tiny, epochs=1)
    ends = []
    for _ in range(2):
        network = small_network()
        torch.manual_seed(1)
        loop.fit(network)
        ends.append(network.out.weight)
    assert torch.equal(*ends)


def test_a_folder_of_images(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for name, level in (("bright", 200), ("dark", 20)):
        (tmp_path / name).mkdir()
        for i in range(20):
            noise = draw.integers(0, 40, (32, 32, 3))
            Image.fromarray((level + noise).astype(np.uint8)).save(tmp_path / name / f"{i}.png")
    loop = training_loop(tmp_path, epochs=2, batch_size=8)
    network = Residual(classes=2, colours=3)
    loop.fit(network)
    assert next(iter(loop.batches))[0].shape == (8, 3, 32, 32)
    assert 0 <= loop.accuracy(network) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train": "mnist5", "validation": None}, "unknown data set 'mnist5'; did you mean 'mnist5k'"),
        ({"validation": None}, "without validation data"),
        ({"train": [1, 2]}, "a torch Dataset or DataLoader, or a pair of tensors, images and classes, not list"),
        ({"train": (images(4, 1, 8, 8), torch.zeros(3))}, "one class for each image, not 3 for 4"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"learning_rate": 0.0}, "learning_rate must be a number above 0"),
    ],
)
def test_what_cannot_work_is_refused(arguments: dict, message: str) -> None:
    pair = images(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64)
    with pytest.raises(InputError, match=message):
        training_loop(**{"train": pair, "validation": pair} | arguments)


def test_a_data_set_with_validation_images_takes_no_others(tiny: DataSet) -> None:
    with pytest.raises(InputError, match="'tiny' has validation images of its own"):
        training_loop(tiny, tiny)


@pytest.mark.parametrize(
    ("network", "classes", "message"),
    [
        (small_network(), torch.arange(8), "a class 7, but the network's 3 outputs stand for classes 0 to 2"),
        (small_network(), torch.arange(8) - 7, "a class -7, but"),
        (small_network(), torch.zeros(8), r"whole numbers \(n,\), not torch.float32 \(8,\)"),
        (nn.Conv2d(1, 3, 3), torch.zeros(8, dtype=torch.int64), "one tensor .n, classes."),
    ],
)
def test_labels_that_do_not_fit_are_refused_before_training(
    network: nn.Module, classes: torch.Tensor, message: str
) -> None:
    before = [parameter.clone() for parameter in network.parameters()]
    loop = training_loop((images(8, 1, 8, 8), classes), (images(8, 1, 8, 8), classes))
    with pytest.raises(InputError, match=message):
        loop.fit(network)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
