"""Compaction of ResNet18 and VGG19: one and the same function as the masked network, learning alike."""

import numpy as np
import pytest
import torch
from any_weights import any_weights
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet_core.basics.streams import stream
from dropnet_core.compaction import compact, counts, cut_off, expand, kept_channels, shrink
from dropnet_core.data import DataSet
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.architecture import Architecture, Layer, is_moving
from dropnet_core.networks.modules import PlainNetwork, initial_weights
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.training import batches, train

RESNET = describe("resnet18/16", (3, 16, 16), 3)
VGG = describe("vgg19/32", (3, 32, 32), 3)
FLOAT64 = Recipe(precision="float64", max_epochs=2)

# Positions among the masks. In ResNet18: the stem is 0, a stage's second convolutions are 2 4 | 6 9 | 11 14 | 16 19,
# the shortcuts' convolutions 7, 12, 17. In VGG19 batch norms stand behind 1, 3, 7, 11, 15.
BRANCHES = [(1,), (2,), (7,), (6,), (19,), (2, 4), (7, 12, 17), (6, 9, 11, 14, 16, 19)]  # a path is left
CUTS = [(0,), (5, 7), (6, 7), (16, 17)]  # none is: block 1 of a stage has lost both its ways
CUTS_OF_VGG = [(0,), (1,), (2, 3), (7,), (15,), tuple(range(16))]
EXTREME = [
    *((RESNET, empty, False) for empty in BRANCHES),
    *((RESNET, empty, True) for empty in CUTS),
    *((VGG, empty, True) for empty in CUTS_OF_VGG),
]


def emptied(network, layers, seed=0):
    """A random mask in which these layers have nothing left."""
    generator = np.random.default_rng(seed)
    return Mask(
        np.zeros(width) if i in layers else generator.random(width) < 0.7 for i, width in enumerate(network.widths)
    )


def assert_same_function(network, weights, mask):
    """Logits in training and evaluation mode, before and after statistics have moved, and all gradients."""
    images = torch.from_numpy(stream(0).random((6, *network.shape)))
    small, narrow = compact(network, mask, weights)
    masked, plain = MaskedNetwork(network, weights, mask).double(), PlainNetwork(small, narrow).double()
    for training in (False, True, False):
        for model in (masked, plain):
            model.train(training)
        ours, theirs = plain(images), masked(images)
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
        gradients = []
        for model, logits in ((masked, theirs), (plain, ours)):
            model.zero_grad()
            logits.square().sum().backward()
            missing = {name: torch.zeros_like(weight) for name, weight in model.trained().items()}
            given = {n.replace("_", "."): p.grad for n, p in model.weights.items() if p.grad is not None}
            gradients.append(missing | given)
        for name, expected in compact(network, mask, gradients[0])[1].items():
            scale = 1 + float(expected.abs().max()) if expected.numel() else 1
            torch.testing.assert_close(gradients[1][name], expected, rtol=0, atol=1e-8 * scale)


@settings(max_examples=12)
@given(st.sampled_from([RESNET, VGG]), st.integers(0, 10**6), st.lists(st.integers(0, 15), max_size=3))
def test_a_masked_network_and_its_compacted_one_are_the_same_function(network, seed, empty):
    assert_same_function(network, any_weights(network, seed), emptied(network, empty, seed))


@pytest.mark.parametrize(("network", "empty", "cut"), EXTREME)
def test_emptied_layers_and_branches_that_are_gone(network, empty, cut):
    mask = emptied(network, empty)
    assert_same_function(network, any_weights(network), mask)
    assert cut_off(network, mask) == cut
    model = PlainNetwork(*compact(network, mask, any_weights(network))).eval()
    logits = model(torch.from_numpy(stream(1).random((5, *network.shape))))
    assert bool((logits.std(dim=0) < 1e-12).all()) == cut


@pytest.mark.parametrize(
    ("network", "empty"),
    [(RESNET, ()), (RESNET, (7, 12)), (RESNET, (1, 6)), (RESNET, (19,)), (RESNET, (16, 17)), (VGG, ()), (VGG, (3,))],
)
def test_both_learn_alike(tiny16: DataSet, tiny32: DataSet, network, empty):
    data = tiny16 if network is RESNET else tiny32
    mask, weights = emptied(network, empty), initial_weights(network, 0)
    masked = MaskedNetwork(network, weights, mask).double()
    small = PlainNetwork(*compact(network, mask, weights)).double()
    (a, test_a, best_a), (b, test_b, best_b) = (train(model, data, FLOAT64, 0) for model in (masked, small))
    for history in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        np.testing.assert_allclose(getattr(a, history), getattr(b, history), rtol=0, atol=1e-9)
    np.testing.assert_allclose([*test_a, best_a], [*test_b, best_b], rtol=0, atol=1e-9)
    images = next(batches(data.test, 24, torch.float64))[0]
    for training in (False, True):
        torch.testing.assert_close(masked.train(training)(images), small.train(training)(images), rtol=0, atol=1e-9)
    # What was trained goes back into its places; a dropped filter has learnt nothing, though its statistics moved.
    ours, theirs = expand(network, mask, weights, small.trained()), masked.trained()
    for name, weight in theirs.items():
        if is_moving(name):
            kept = torch.tensor(kept_channels(network, mask)[int(name.split(".")[0])])
            torch.testing.assert_close(ours[name][kept], weight[kept], rtol=0, atol=1e-9)
        else:
            torch.testing.assert_close(ours[name], weight, rtol=0, atol=1e-9)
    assert any(not torch.equal(weights[name].double(), weight) for name, weight in theirs.items())


@pytest.mark.parametrize(("network", "layer"), [(RESNET, 3), (VGG, 7)])
def test_a_dropped_unit_is_silent_even_behind_batch_norm(network, layer):
    mask = Mask(np.arange(width) % 2 == 0 for width in network.widths)
    images = torch.from_numpy(stream(0).random((6, *network.shape)))
    for training in (False, True):
        model = MaskedNetwork(network, any_weights(network), mask).double().train(training)
        for value, kept in zip(model.activations(images), mask.layers, strict=True):
            assert not value[:, torch.tensor(~kept)].any()
        assert model.activations(images)[layer][:, ::2].any()


def bits(*layers):
    """A mask from texts such as "0101"."""
    return Mask([bit == "1" for bit in layer] for layer in layers)


def test_a_sum_keeps_the_channels_that_some_branch_still_feeds():
    layers = (
        Layer("conv", 5), Layer("conv", 5), Layer("conv", 5, inputs=(0,)), Layer("sum", 5, masked=False, inputs=(1, 2)),
        Layer("sum", 5, masked=False, pool="average", inputs=(3, 1)),
    )  # fmt: skip
    network = Architecture("own", (1, 4, 4), layers, 2)
    mask = bits("11111", "01010", "01001")
    small = shrink(network, mask)
    assert [layer.units for layer in small.layers] == [5, 2, 2, 3, 3]
    assert small.layers[3].places == ((0, 1), (0, 2))
    assert small.layers[4].places == ((0, 1, 2), (0, 1))
    assert small.weight_shapes()["5.weight"] == (2, 3)
    # A small network can be pruned further, and its places with it.
    assert shrink(small, bits("11111", "01", "01")) == shrink(network, bits("11111", "00010", "00001"))
    assert_same_function(network, any_weights(network), mask)
    once = compact(network, mask, any_weights(network))
    assert_same_function(*once, bits("10111", "01", "01"))


def test_a_shortcut_without_filters_costs_nothing():
    network = describe("resnet18", (3, 32, 32), 10)
    mask = Mask(np.zeros(width) if i in (7, 12, 17) else np.ones(width) for i, width in enumerate(network.widths))
    full, small = counts(network), counts(shrink(network, mask))
    for position in (7, 12, 17):
        assert small.parameters_per_layer[position] == small.macs_per_layer[position] == 0
    assert full.macs - small.macs == 3 * 4_718_592
    assert not cut_off(network, mask)


def test_a_full_mask_changes_nothing():
    for network in (RESNET, VGG):
        assert shrink(network, Mask.full(network.widths)) == network
