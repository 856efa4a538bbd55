"""Scores of units: the paper's on the paper's networks, and by hand where units are read at several points."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks_to_prune import Gated, Grouped, images

from dropnet_core.compaction import compact
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork, initial_weights
from dropnet_core.networks.plain import describe
from dropnet_core.pruning.cut import cut, expanded
from dropnet_core.pruning.scoring import statistics
from dropnet_core.pruning.units import find, tensors
from dropnet_core.unit_statistics import measure

MODELS = {
    "fc7-fc5": ("fc7-fc5", 8),
    "conv4-conv3-dense5": ("conv4-conv3-dense5", 8),
    "conv3-conv3-conv4-conv4-dense5": ("conv3-conv3-conv4-conv4-dense5", 16),
    "vgg19/32": ("vgg19/32", 32),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_score_is_the_papers_on_models_1_to_3_and_vgg19(name: str) -> None:
    description, size = MODELS[name]
    network = describe(description, (1, size, size), 3)
    weights = initial_weights(network, 1)
    draw = torch.Generator().manual_seed(0)
    for key, weight in weights.items():
        if not key.endswith("weight"):
            weight += torch.rand(weight.shape, generator=draw) / 5
    batches = [torch.rand(count, 1, size, size, generator=draw).double() for count in (8, 8, 5)]
    # Ordinary networks whose modules stand in the paper's order: the mask of all ones changes nothing.
    whole = MaskedNetwork(network, weights, Mask.full(network.widths)).double()
    dense = [f"weights.{i}_weight" for i, layer in enumerate(network.layers) if not layer.masked]
    units = find(whole, batches[0][:4], exclude=dense)
    assert units.widths == network.widths
    mask = Mask(np.arange(width) % 3 < 2 for width in network.widths)
    small = cut(whole, units, mask)
    found = statistics(units, expanded(whole, small, units, mask), mask, batches, batches[0])
    expected = measure(MaskedNetwork(network, weights, mask).double(), batches)
    normed = any(layer.norm for layer in network.layers)
    for statistic in ("mean_of_abs", "abs_of_mean") if normed else expected:
        for kept, ours, papers in zip(mask.layers, found[statistic], expected[statistic], strict=True):
            np.testing.assert_allclose(ours[kept], papers[kept], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["fc7-fc5", "conv4-conv3-dense5"])
def test_a_network_by_name_is_cut_as_it_is_compacted(name: str) -> None:
    network = describe(name, (1, 8, 8), 3)
    weights = initial_weights(network, 1)
    whole = PlainNetwork(network, weights)
    dense = [f"weights.{i}_weight" for i, layer in enumerate(network.layers) if not layer.masked]
    units = find(whole, torch.rand(4, 1, 8, 8), exclude=dense)
    mask = Mask(np.arange(width) % 3 < 2 for width in network.widths)
    small, expected = cut(whole, units, mask), PlainNetwork(*compact(network, mask, weights))
    for (key, ours), (other, theirs) in zip(tensors(small), tensors(expected), strict=True):
        assert key == other and torch.equal(ours, theirs)


def test_a_score_is_the_mean_over_all_points_where_a_unit_is_read() -> None:
    torch.manual_seed(0)
    network, x = Gated().double().eval(), images(6, 3, 8, 8).double()
    units = find(network, x[:4])
    full = Mask.full(units.widths)
    found = statistics(units, dict(tensors(network)), full, x.split(4), x)
    with torch.no_grad():
        wide = F.hardswish(network.norm(network.depth(F.relu6(network.wide(x)))))
        squeezed = F.silu(network.squeeze(F.adaptive_avg_pool2d(wide, 1)))
        gated = wide * torch.sigmoid(network.gate(squeezed))
        narrow = F.relu(network.narrow(gated))
    by_hand = {
        "wide": (wide.abs().mean((0, 2, 3)) + gated.abs().mean((0, 2, 3))) / 2,
        "squeeze": squeezed.abs().mean((0, 2, 3)),
        "narrow": narrow.abs().mean((0, 2, 3)),
    }
    for name, ours in zip(units.names, found["mean_of_abs"], strict=True):
        np.testing.assert_allclose(ours, by_hand[name], rtol=1e-12)


def test_a_unit_of_several_channels_has_their_mean() -> None:
    torch.manual_seed(0)
    network, x = Grouped().double().eval(), images(6, 3, 6, 6).double()
    units = find(network, x[:4])
    found = statistics(units, dict(tensors(network)), Mask.full(units.widths), x.split(4), x)
    with torch.no_grad():
        groups = F.gelu(network.groups(F.relu(network.first(x))))  # four channels in, eight out for each unit
        last = network.slope(network.norm(network.last(groups)))
    by_hand = {
        "first": groups.abs().mean((0, 2, 3)).view(4, 8).mean(1),
        "last": last.abs().mean((0, 2, 3)).view(4, 3).mean(1),
    }
    for name, ours in zip(units.names, found["mean_of_abs"], strict=True):
        np.testing.assert_allclose(ours, by_hand[name], rtol=1e-12)
