import pytest
import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.compaction import counts
from dropnet_core.experiments.experiment import experiment, experiment_names
from dropnet_core.networks.modules import PlainNetwork, initial_weights
from dropnet_core.networks.plain import describe

MNIST, CIFAR = (1, 28, 28), (3, 32, 32)


@pytest.mark.parametrize(
    ("name", "shape", "parameters", "macs"),
    [
        ("fc40-fc40", MNIST, 33_450, 33_360),
        ("fc20-fc40", MNIST, 16_950, 16_880),
        ("fc40-fc20", MNIST, 32_430, 32_360),
        ("fc20-fc20", MNIST, 16_330, 16_280),
        ("conv64-conv64", MNIST, 68_938, 7_708_288),
        ("conv32-conv64", MNIST, 50_186, 3_869_824),
        ("conv64-conv32", MNIST, 34_794, 4_079_936),
        ("conv20-conv20", MNIST, 13_630, 856_520),
        ("conv64-conv64-conv128-conv128-dense256", CIFAR, 394_058, 18_418_176),
        ("conv128-conv128-conv256-conv256-dense256", CIFAR, 1_301_386, 69_863_936),
        ("conv128-conv128-conv128-conv128-dense256", CIFAR, 580_234, 53_217_792),
        ("conv128-conv128-conv64-conv64-dense256", CIFAR, 330_250, 46_664_192),
        ("conv64-conv64-conv128-conv128-dense256", MNIST, 294_602, 12_652_032),
    ],
)
def test_parameters_and_macs_are_those_of_the_paper(name, shape, parameters, macs):
    network = describe(name, shape, 10)
    assert (counts(network).parameters, counts(network).macs) == (parameters, macs)
    assert sum(p.numel() for p in PlainNetwork(network, initial_weights(network, 0)).parameters()) == parameters


def test_counts_are_given_layer_by_layer():
    network = describe("conv64-conv64-conv128-conv128-dense256", CIFAR, 10)
    assert counts(network).parameters_per_layer == (1_792, 36_928, 73_856, 147_584, 131_328, 2_570)


def test_every_network_of_the_table_is_known():
    for name in experiment_names():
        assert describe(experiment(name).network, CIFAR, 10).masked_layers


def test_hidden_dense_layer_is_not_masked():
    assert describe("conv4-conv5-dense256", MNIST, 10).widths == (4, 5)


def test_first_weights_are_glorot_uniform_with_zero_biases():
    weights = initial_weights(describe("conv64-conv32", MNIST, 10), 3)
    assert weights["1.weight"].shape == (32, 64, 3, 3)
    bound = (6 / (9 * 64 + 9 * 32)) ** 0.5
    assert weights["1.weight"].abs().max() <= bound
    assert weights["1.weight"].abs().max() > 0.99 * bound
    assert abs(weights["1.weight"].mean()) < 0.02 * bound
    assert not weights["1.bias"].any()
    assert weights["1.weight"].dtype == torch.float32


def test_first_weights_depend_on_the_seed_alone():
    network = describe("fc4-fc3", MNIST, 10)
    first, again, other = (initial_weights(network, seed) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])
    # A layer's stream is its own: the first layer of a network with another second layer is the same.
    assert torch.equal(first["0.weight"], initial_weights(describe("fc4-fc9", MNIST, 10), 5)["0.weight"])


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("fc40-cnv3", "'cnv3' is no layer"),
        ("fc0", "'fc0' is no layer"),
        ("fc40-conv3", "cannot follow a dense layer"),
        ("dense10", "no layer to prune"),
        ("conv1-conv1-conv1-conv1-conv1", "down to nothing"),
        ("", "is no layer"),
    ],
)
def test_bad_names_say_what_is_wrong(name, cause):
    with pytest.raises(InputError, match=cause):
        describe(name, MNIST, 10)
