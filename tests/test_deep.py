"""ResNet18 and VGG19: what is connected to what, how wide it is, and what it costs."""

import pytest
import torch
import torch.nn.functional as F
from any_weights import any_weights
from torch import nn

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.streams import stream
from dropnet_core.compaction import counts
from dropnet_core.networks.modules import PlainNetwork, initial_weights
from dropnet_core.networks.plain import describe

CIFAR, TINY_IMAGENET = (3, 32, 32), (3, 64, 64)

K = 147_456  # weights of a 3x3 convolution from 128 to 128 channels; the other layers have 1/4 to 16 times as many
RESNET18 = [  # units, parameters, multiply-accumulates for an image of 32x32 pixels
    (64, 1_792, 1_769_472),
    *[(64, 36_928, 64 * K)] * 4,
    (128, 73_856, 32 * K), (128, 147_584, 64 * K), (128, 73_856, 32 * K), *[(128, 147_584, 64 * K)] * 2,
    (256, 295_168, 32 * K), (256, 590_080, 64 * K), (256, 295_168, 32 * K), *[(256, 590_080, 64 * K)] * 2,
    (512, 1_180_160, 32 * K), (512, 2_359_808, 64 * K), (512, 1_180_160, 32 * K), *[(512, 2_359_808, 64 * K)] * 2,
]  # fmt: skip
VGG19 = [
    (64, 1_792, 1_769_472), (64, 36_928 + 128, 256 * K),
    (128, 73_856, 128 * K), (128, 147_584 + 256, 256 * K),
    (256, 295_168, 128 * K), *[(256, 590_080, 256 * K)] * 2, (256, 590_080 + 512, 256 * K),
    (512, 1_180_160, 128 * K), *[(512, 2_359_808, 256 * K)] * 2, (512, 2_359_808 + 1024, 256 * K),
    *[(512, 2_359_808, 64 * K)] * 3, (512, 2_359_808 + 1024, 64 * K),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shape", "classes", "table", "dense", "parameters", "macs"),
    [
        ("resnet18", CIFAR, 10, RESNET18, [(5_130, 5_120)], 12_545_418, 152_769_536),
        ("resnet18", TINY_IMAGENET, 200, RESNET18, [(102_600, 102_400)], 12_642_888, 611_160_064),
        ("vgg19", CIFAR, 10, VGG19, [(131_328, 131_072), (2_570, 2_560)], 20_161_226, 398_264_832),
        (
            "vgg19", TINY_IMAGENET, 200, VGG19, [(2_098_176, 2_097_152), (205_000, 204_800)], 22_330_504, 1_594_826_752,
        ),
    ],
)  # fmt: skip
def test_layer_by_layer_the_counts_are_those_of_the_authors_networks(
    name, shape, classes, table, dense, parameters, macs
):
    network, larger = describe(name, shape, classes), (shape[1] // 32) ** 2
    found = counts(network)
    assert network.widths == tuple(units for units, *_ in table)
    assert found.parameters_per_layer == (*(p for _, p, _ in table), *(p for p, _ in dense))
    assert found.macs_per_layer == (*(larger * m for *_, m in table), *(m for _, m in dense))
    assert (found.parameters, found.macs) == (parameters, macs)


def test_what_is_counted_is_what_learns():
    network = describe("vgg19/32", CIFAR, 10)
    weights = initial_weights(network, 0)
    model = PlainNetwork(network, weights)
    assert sum(p.numel() for p in model.parameters()) == counts(network).parameters
    moving = sum(w.numel() for name, w in weights.items() if name.endswith(("mean", "variance")))
    assert sum(w.numel() for w in weights.values()) == counts(network).parameters + moving
    assert moving == 2 * sum(width // 32 for width in (64, 128, 256, 512, 512))


def test_all_filters_are_masked_and_nothing_else():
    resnet, vgg = (describe(name, CIFAR, 10) for name in ("resnet18", "vgg19"))
    assert (len(resnet.widths), sum(resnet.widths)) == (20, 4_800)
    assert (len(vgg.widths), sum(vgg.widths)) == (16, 5_504)
    for network in (resnet, vgg):
        assert network.masked_layers == tuple(i for i, layer in enumerate(network.layers) if layer.kind == "conv")


def test_narrow_networks_are_the_same_ones_with_all_widths_divided():
    for name in ("resnet18", "vgg19"):
        full, narrow = describe(name, CIFAR, 10), describe(f"{name}/16", CIFAR, 10)
        assert narrow.widths == tuple(width // 16 for width in full.widths)
        assert [layer.inputs for layer in narrow.layers] == [layer.inputs for layer in full.layers]
    assert describe("vgg19/16", TINY_IMAGENET, 200).layers[-1].units == 64


def test_resnet18_computes_what_its_wiring_says():
    network = describe("resnet18/16", (3, 16, 32), 5)
    weights = any_weights(network)
    images = torch.from_numpy(stream(1).random((4, 3, 16, 32)))
    names = iter(sorted({int(name.split(".")[0]) for name in weights}))

    def conv(x):
        i = next(names)
        return F.relu(F.conv2d(x, weights[f"{i}.weight"], weights[f"{i}.bias"], padding=1))

    x = F.max_pool2d(conv(images), 2)
    for stage in range(4):
        first, skip = conv(x), x
        branch = conv(first)
        if stage:
            skip = conv(x)
        x = branch + skip
        x = conv(conv(x)) + x
        if stage < 3:
            x = F.max_pool2d(x, 2)
    assert x.shape == (4, 32, 1, 2)
    last = next(names)
    logits = F.linear(x.mean(dim=(2, 3)), weights[f"{last}.weight"], weights[f"{last}.bias"])
    model = PlainNetwork(network, weights)
    torch.testing.assert_close(model(images), logits, rtol=0, atol=1e-12)


def test_vgg19_computes_what_its_wiring_says_in_training_and_evaluation():
    network = describe("vgg19/32", CIFAR, 5)
    weights = any_weights(network)
    modules: list[nn.Module] = []
    for i, layer in enumerate(network.layers[:-1]):
        filters, channels, *_ = weights[f"{i}.weight"].shape
        conv = nn.Conv2d(channels, filters, 3, padding=1, dtype=torch.float64)
        conv.load_state_dict({"weight": weights[f"{i}.weight"], "bias": weights[f"{i}.bias"]})
        modules += [conv, nn.ReLU()]
        if i in (1, 3, 7, 11, 15):
            norm = nn.BatchNorm2d(layer.units, eps=1e-3, momentum=0.01, dtype=torch.float64)
            theirs = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}
            norm.load_state_dict({name: weights[f"{i}.{ours}"] for name, ours in theirs.items()}, strict=False)
            modules += [norm, nn.MaxPool2d(2)]
    modules.append(nn.Flatten())
    for i in (16, 17):
        nodes, inputs = weights[f"{i}.weight"].shape
        dense = nn.Linear(inputs, nodes, dtype=torch.float64)
        dense.load_state_dict({"weight": weights[f"{i}.weight"], "bias": weights[f"{i}.bias"]})
        modules += [dense, nn.ReLU()]
    expected, model = nn.Sequential(*modules[:-1]), PlainNetwork(network, weights)
    images = torch.from_numpy(stream(1).random((4, *CIFAR)))
    for training in (False, True, False):  # the last time with statistics that have moved
        expected.train(training)
        model.train(training)
        torch.testing.assert_close(model(images), expected(images), rtol=0, atol=1e-10)
    norms = [module for module in expected if isinstance(module, nn.BatchNorm2d)]
    for i, norm in zip((1, 3, 7, 11, 15), norms, strict=True):
        assert not torch.equal(model.trained()[f"{i}.mean"], weights[f"{i}.mean"])
        torch.testing.assert_close(model.trained()[f"{i}.mean"], norm.running_mean)
        torch.testing.assert_close(model.trained()[f"{i}.variance"], norm.running_var)


def test_first_weights_of_a_batch_norm():
    weights = initial_weights(describe("vgg19/32", CIFAR, 10), 0)
    assert weights["1.gamma"].tolist() == weights["1.variance"].tolist() == [1, 1]
    assert weights["1.beta"].tolist() == weights["1.mean"].tolist() == [0, 0]
    assert "0.gamma" not in weights


@pytest.mark.parametrize(
    ("name", "shape", "cause"),
    [
        ("resnet18", (1, 28, 28), "halves images 4 times, which 28x28 pixels .* multiples of 16"),
        ("vgg19", (3, 32, 48), "halves images 5 times, which 32x48 pixels .* multiples of 32"),
        ("vgg19/3", CIFAR, "divided by 2, 4, 8, 16, 32 or 64, not by 3"),
        ("resnet18/0", CIFAR, "not by 0"),
        ("resnet18/128", CIFAR, "not by 128"),
        ("resnet34", CIFAR, "'resnet34' is no layer; .* resnet18"),
        ("vgg19-fc10", CIFAR, "'vgg19' is no layer"),
    ],
)
def test_what_is_wrong_with_a_deep_network_is_said(name, shape, cause):
    with pytest.raises(InputError, match=cause):
        describe(name, shape, 10)
