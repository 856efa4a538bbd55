"""A masked network and the smaller network cut out of it are one and the same function, and learn alike."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from dropnet_core.basics.errors import InputError
from dropnet_core.compaction import compact, expand, shrink
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork, initial_weights
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.training import batches, train, train_epoch

DENSE = st.lists(st.integers(1, 7), min_size=1, max_size=3).map(lambda ws: "-".join(f"fc{w}" for w in ws))
CONV = st.tuples(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.sampled_from(["", "-dense6"])).map(
    lambda n: "-".join(f"conv{w}" for w in n[0]) + n[1]
)


def random_mask(widths, seed):
    generator = np.random.default_rng(seed)
    return Mask(generator.random(width) < generator.choice([0.2, 0.5, 0.9]) for width in widths)


def trained_both_ways(name, mask, tiny, seed=0, epochs=2):
    network = describe(name, tiny.shape, tiny.classes)
    weights = initial_weights(network, seed)
    recipe = Recipe(precision="float64", max_epochs=epochs)
    masked = MaskedNetwork(network, weights, mask).double()
    small = PlainNetwork(*compact(network, mask, weights)).double()
    results = [train(model, tiny, recipe, seed) for model in (masked, small)]
    return network, weights, masked, small, results


def assert_alike(results):
    (a, test_a, best_a), (b, test_b, best_b) = results
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0, atol=1e-10)
    np.testing.assert_allclose([*test_a, best_a], [*test_b, best_b], rtol=0, atol=1e-10)


@settings(max_examples=15)
@given(name=DENSE | CONV, seed=st.integers(0, 10**6))
def test_masked_and_compacted_training_agree(tiny, name, seed):
    network = describe(name, tiny.shape, tiny.classes)
    mask = random_mask(network.widths, seed)
    network, weights, masked, small, results = trained_both_ways(name, mask, tiny, seed)
    assert_alike(results)
    images = next(batches(tiny.test, 50, torch.float64))[0]
    torch.testing.assert_close(masked(images), small(images), rtol=0, atol=1e-10)
    full = expand(network, mask, weights, small.trained())
    for key, weight in masked.trained().items():
        torch.testing.assert_close(full[key], weight, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["fc5-fc4", "conv4-conv3-dense6"])
@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_layer_with_one_unit_and_with_none(tiny, name, left, layer):
    widths = describe(name, tiny.shape, tiny.classes).widths
    mask = Mask(np.arange(width) < (left if i == layer else width) for i, width in enumerate(widths))
    *_, results = trained_both_ways(name, mask, tiny)
    assert_alike(results)


@pytest.mark.parametrize("name", ["fc6-fc5", "conv5-conv4"])
def test_dropped_units_stay_silent_at_every_step(tiny, name):
    network = describe(name, tiny.shape, tiny.classes)
    mask = Mask(np.arange(width) % 2 == 0 for width in network.widths)
    first = initial_weights(network, 0)
    model = MaskedNetwork(network, first, mask).double()
    for images, labels in batches(tiny.train, 32, torch.float64):
        for values, kept in zip(model.activations(images), mask.layers, strict=True):
            assert not values[:, torch.from_numpy(~kept)].any()
        model.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter.sub_(0.1 * parameter.grad)
    # Nothing reached them either: a unit that came back would find its first weights unchanged.
    for layer, kept in enumerate(mask.layers):
        trained = model.trained()[f"{layer}.weight"]
        dropped, before = torch.from_numpy(~kept), first[f"{layer}.weight"].double()
        assert torch.equal(trained[dropped], before[dropped])
        assert not torch.equal(trained[~dropped], before[~dropped])


def test_a_full_mask_changes_nothing(tiny):
    network = describe("conv3-conv2", tiny.shape, tiny.classes)
    weights = initial_weights(network, 0)
    assert shrink(network, Mask.full(network.widths)) == network
    recipe, order = Recipe(max_epochs=1), None
    masked = MaskedNetwork(network, weights, Mask.full(network.widths))
    plain = PlainNetwork(network, weights)
    assert train_epoch(masked, tiny, recipe, order) == train_epoch(plain, tiny, recipe, order)


def test_a_mask_of_other_widths_is_refused(tiny):
    network = describe("fc3-fc2", tiny.shape, tiny.classes)
    with pytest.raises(InputError, match="does not fit"):
        MaskedNetwork(network, initial_weights(network, 0), Mask.full((3, 3)))
