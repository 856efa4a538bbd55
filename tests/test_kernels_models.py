"""Whole networks in kernels beside the definition in float64: what an epoch teaches, losses, answers, statistics."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dropnet_core.data import DataSet, Split
from dropnet_core.engines.kernels.engine import kernel_model
from dropnet_core.engines.kernels.model import Model
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import Network, Weights, describe, initial_weights
from dropnet_core.recipe import Recipe
from dropnet_core.training import evaluate, large_batches, train_epoch
from dropnet_core.unit_statistics import measure

CASES = [
    ("fc5", (1, 17, 19), 32, 100),
    ("fc40-fc17", (1, 17, 19), 1, 9),
    ("fc40-fc17", (1, 17, 19), 7, 30),
    ("fc3-dense33-fc1", (3, 9, 11), 50, 120),
    ("fc8-fc100", (1, 8, 8), 500, 520),
    ("conv3", (1, 28, 28), 32, 100),
    ("conv5-conv1", (1, 9, 11), 1, 9),
    ("conv3-conv4-dense5", (3, 10, 9), 7, 40),
    ("conv13-conv7", (3, 13, 7), 50, 120),
    ("conv2-conv17-conv3-fc33-fc2", (1, 19, 23), 50, 135),
    ("conv6-conv9-conv5-conv11-fc37", (1, 28, 28), 32, 70),
    ("conv4-fc3", (2, 3, 2), 500, 520),
]


@dataclass
class Case:
    """A network, its first weights with biases that are not zero, and images for two to nine batches."""

    network: Network
    weights: Weights
    size: int
    data: DataSet

    def model(self, weights: Weights | None = None) -> tuple[Model, object]:
        """The network in kernels, and the images laid out for it."""
        model, lay_out = kernel_model(self.network, weights or self.weights, self.size)
        return model, lay_out(self.data.train.images.numpy(), self.data.train.labels.numpy(), self.size)

    def definition(self, dtype: torch.dtype = torch.float64) -> MaskedNetwork:
        return MaskedNetwork(self.network, self.weights, Mask.full(self.network.widths)).to(dtype)


def made(name: str, shape: tuple[int, int, int], size: int, count: int) -> Case:
    """Bright spots on black, of several brightnesses, so that rows of windows are dark at both ends."""
    draw, (height, width) = np.random.default_rng(size), shape[1:]
    images = draw.integers(0, 256, (count, *shape)) * (draw.random((count, *shape)) < 0.6)
    images[:, :, : height // 4], images[:, :, :, : width // 4], images[:, :, :, width - width // 5 :] = 0, 0, 0
    labels = torch.from_numpy(draw.integers(0, 5, count))
    split = Split(torch.from_numpy(images.astype(np.uint8)), labels)
    network = describe(name, shape, 5)
    weights = initial_weights(network, 0)
    for part in weights:
        if part.endswith("bias"):
            weights[part] = torch.from_numpy(draw.normal(0, 0.1, weights[part].shape).astype(np.float32))
    return Case(network, weights, size, DataSet.of("made", split, split, split, 5))


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]} by {case[2]}")
def case(request) -> Case:
    return made(*request.param)


def furthest(model: Model, weights: Weights) -> float:
    """The largest difference of any weight."""
    gaps = [0.0]
    for i in range(len(model.layers)):
        for own, part in ((model.weight(i), "weight"), (model.bias(i), "bias")):
            exact = weights[f"{i}.{part}"].numpy()
            gaps.append(abs(own.astype(np.float64) - exact.reshape(own.shape)).max())
    return max(gaps)


def test_an_epoch_teaches_what_autograd_does(case):
    """Within what float32 rounds. PyTorch's own float32 lies as far away: it is printed beside."""
    model, layout = case.model()
    told = model.epoch([layout], 0.1)
    exact, rounded = case.definition(), case.definition(torch.float32)
    recipe = Recipe(precision="float64", learning_rate=0.1, batch_size=case.size)
    expected = train_epoch(exact, case.data, recipe, None)
    train_epoch(rounded, case.data, Recipe(learning_rate=0.1, batch_size=case.size), None)
    moved = max((w - case.weights[n]).abs().max() for n, w in exact.trained().items())
    own, theirs = (
        furthest(model, exact.trained()),
        max((w - exact.trained()[n]).abs().max().item() for n, w in rounded.trained().items()),
    )
    print(f"{case.network.name}: moved {moved:.2g}, kernels off {own:.1e}, PyTorch off {theirs:.1e}")
    assert moved > 0.01 and own < 2e-7
    assert told[0] == pytest.approx(expected[0], abs=1e-6) and told[1] == expected[1]


def test_accuracy_and_statistics_are_as_defined(case):
    model, layout = case.model()
    before = model.memory[: model.end_of_weights].copy()
    exact = case.definition()
    expected = evaluate(exact, case.data.train, torch.float64)
    evaluated = model.evaluate(layout)
    assert evaluated[0] == pytest.approx(expected[0], abs=1e-6) and evaluated[1] == expected[1]
    statistics = measure(exact, (images for images, _ in large_batches(case.data.train, torch.float64)))
    found = model.statistics(layout)
    for position, i in enumerate(case.network.masked_layers):
        for name, layers in statistics.items():
            np.testing.assert_allclose(found[i][name], layers[position], rtol=1e-6, atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(model.memory[: model.end_of_weights], before)


def test_a_network_goes_on_in_parts_as_in_one(case):
    """What an epoch in an order of its own does: whole batches, some at a time."""
    (model, layout), (other, _) = case.model(), case.model()
    _, lay_out = kernel_model(case.network, case.weights, case.size)
    images, labels = case.data.train.images.numpy(), case.data.train.labels.numpy()
    cut = len(labels) // 2 // case.size * case.size or case.size
    parts = [lay_out(images[s], labels[s], case.size) for s in (slice(cut), slice(cut, None))]
    assert other.epoch(parts, 0.1) == pytest.approx(model.epoch([layout], 0.1), rel=1e-12)
    np.testing.assert_array_equal(model.memory[: model.end_of_weights], other.memory[: other.end_of_weights])


def test_a_network_without_a_unit_is_the_masked_one(case):
    """And the unit comes back."""
    model, layout = case.model()
    whole = model.evaluate(layout)
    for position, i in enumerate(case.network.masked_layers):
        for unit in {0, case.network.widths[position] - 1}:
            mask = Mask.full(case.network.widths).without(position, np.array([unit]))
            exact = MaskedNetwork(case.network, case.weights, mask).double()
            with model.without(i, unit):
                found = model.evaluate(layout)
            assert found[0] == pytest.approx(evaluate(exact, case.data.train, torch.float64)[0], abs=1e-6)
    assert model.evaluate(layout) == whole


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["fc5", "conv3-conv4"])
def test_a_weight_that_is_no_number_is_told_even_where_all_pixels_are_black(name, bad):
    case = made(name, (1, 17, 19), 32, 40)
    for i in (0, 1):
        model, layout = case.model()
        model.weight(i)[0, 0] = bad  # of the first pixel, which is black in all images
        assert np.isnan(model.evaluate(layout)[0]) and np.isnan(model.epoch([layout], 0.1)[0])


@pytest.mark.parametrize("name", ["fc5-fc9", "conv3-conv4"])
def test_bytes_and_the_floats_that_they_stand_for_teach_the_same_bits(name):
    """Augmented images are floats."""
    case = made(name, (1, 17, 19), 32, 100)
    images, labels = case.data.train.images.numpy(), case.data.train.labels.numpy()
    _, lay_out = kernel_model(case.network, case.weights, case.size)
    memories = []
    for own in (images, images.astype(np.float32) / np.float32(255)):
        model, _ = case.model()
        told = model.epoch([lay_out(own, labels, case.size)], 0.1), model.evaluate(lay_out(own, labels, case.size))
        memories.append((told, model.memory[: model.end_of_weights].tobytes()))
    assert memories[0] == memories[1]
