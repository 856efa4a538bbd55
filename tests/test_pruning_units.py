"""Units of networks of all kinds: found, masked where they are read, cut out, and proven to be the same."""

from typing import Any

import numpy as np
import pytest
import torch
from networks_to_prune import NETWORKS, Branching, FixedBatch, LeNet, LeNetWithNumber, Recurrent, Residual, half, images
from torch import nn

from dropnet_core.basics.errors import InputError
from dropnet_core.pruning.cut import cut, expanded
from dropnet_core.pruning.graph import spoken
from dropnet_core.pruning.proof import prove, refuse_unless_equal, shaken
from dropnet_core.pruning.units import find, tensors


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors(network)}


@pytest.mark.parametrize("name", NETWORKS)
def test_masked_is_cut(name: str) -> None:
    make, example, expected = NETWORKS[name]
    torch.manual_seed(0)
    units = find(make(), example)
    assert dict(zip(units.names, units.widths, strict=True)) == expected
    torch.manual_seed(0)
    network = shaken(make())
    mask = half(units)
    small = cut(network, units, mask)
    proof = prove(network, small, units, mask, example)
    assert max(proof.evaluation, proof.training) <= 1e-12 and proof.gradients <= 1e-11, str(proof)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in network.parameters())

    # The control: networks that lack one unit more than the mask says. A unit may be silent on so few images.
    for layer, kept in enumerate(mask.layers):
        gaps = []
        for unit in np.flatnonzero(kept)[:4]:
            wrong = prove(network, cut(network, units, mask.without(layer, unit)), units, mask, example)
            assert not wrong.holds
            gaps.append(max(wrong.evaluation, wrong.training))
        assert max(gaps) > 1e-6


def test_each_part_of_the_proof_can_fail() -> None:
    make, example, _ = NETWORKS["perceptron"]
    network = shaken(make())
    units = find(make(), example)
    mask = half(units)

    class Deaf(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.weight.detach(), self.bias)

    small: Any = cut(network, units, mask)
    with torch.no_grad():
        small[8].bias += 1e-6
    proof = prove(network, small, units, mask, example)
    assert proof.evaluation > 1e-9 and proof.training > 1e-9 and not proof.holds
    small = cut(network, units, mask)
    small[2].momentum = 0.2  # only the buffers that training leaves behind
    proof = prove(network, small, units, mask, example)
    assert proof.evaluation <= 1e-12 and proof.training > 1e-3 and not proof.holds
    small = cut(network, units, mask)
    small[5].__class__ = Deaf
    proof = prove(network, small, units, mask, example)
    assert proof.training <= 1e-12 and proof.gradients > 1e-3 and not proof.holds


def test_first_weights_of_zero_hide_nothing() -> None:
    make, example, _ = NETWORKS["LeNet"]
    network: Any = make()
    units = find(network, example)
    nn.init.zeros_(network.fc3.weight)
    mask = half(units)
    fewer = mask.without(0, np.array([0]))
    assert prove(network, cut(network, units, fewer), units, mask, example).evaluation == 0
    shaky = shaken(network)
    assert not prove(shaky, cut(shaky, units, fewer), units, mask, example).holds


def test_sizes_follow_in_the_modules_too() -> None:
    make, example, _ = NETWORKS["grouped"]
    units = find(make(), example)
    small: Any = cut(make(), units, half(units))
    first, groups, norm, slope = small.first, small.groups, small.norm, small.slope
    assert (first.in_channels, first.out_channels) == (3, 8)
    assert (groups.in_channels, groups.out_channels, groups.groups) == (8, 16, 2)
    assert (norm.num_channels, norm.num_groups, slope.num_parameters) == (6, 2, 6)
    assert (small.head.in_features, small.head.out_features) == (6, 5)


def test_a_shared_weight_stays_shared() -> None:
    make, example, _ = NETWORKS["twice"]
    units = find(make(), example)
    small: Any = cut(make(), units, half(units))
    assert small.c.weight is small.b.weight and small.b.weight.shape == (4, 4, 3, 3)


def test_the_way_back() -> None:
    make, example, _ = NETWORKS["residual"]
    network = make()
    units = find(network, example)
    mask = half(units)
    small = cut(network, units, mask)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(1)
    full = expanded(network, small, units, mask)
    assert {name: tuple(tensor.shape) for name, tensor in full.items()} == shapes(network)
    with torch.no_grad():
        for name, tensor in tensors(network):
            tensor.copy_(full[name])
    again = cut(network, units, mask)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(tensors(again), tensors(small), strict=True))


def test_finding_and_cutting_leave_the_network_alone() -> None:
    network = Residual().train()
    network.head.eval()
    before = {name: tensor.clone() for name, tensor in tensors(network)}
    units = find(network, images(4, 1, 12, 12))
    small: Any = cut(network, units, half(units))
    refuse_unless_equal(
        shaken(network), cut(shaken(network), units, half(units)), units, half(units), images(4, 1, 12, 12)
    )
    assert network.training and not network.head.training and not small.head.training
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors(network))
    state = torch.get_rng_state()
    prove(network, small, units, half(units), images(4, 1, 12, 12))
    assert torch.equal(torch.get_rng_state(), state)


def test_excluded_layers_stay_whole() -> None:
    units = find(Residual(), images(4, 1, 12, 12), exclude=["second", "first.0"])
    assert units.names == ("stem.0",)
    assert units.whole["branch"] == {"`exclude`": 16}
    with pytest.raises(InputError, match="unknown layer 'secnd'; did you mean 'second"):
        find(Residual(), images(4, 1, 12, 12), exclude=["secnd"])


def test_why_units_stay() -> None:
    units = find(NETWORKS["shuffled"][0](), NETWORKS["shuffled"][1])
    (why,) = units.whole["stem"]
    assert why.startswith("chunk that takes units apart at networks_to_prune.py, line ")
    assert "left, right = self.stem(x).chunk(2, dim=1)" in why
    assert units.whole["head"] == {"the network's output": 5}


def refused(network: nn.Module, example: torch.Tensor) -> str:
    with pytest.raises(InputError) as caught:
        units = find(network, example)
        refuse_unless_equal(network, cut(network, units, half(units)), units, half(units), example)
    return str(caught.value)


def test_refusals_name_operator_place_and_remedy(capfd: pytest.CaptureFixture[str]) -> None:
    text = refused(Recurrent(), images(4, 6, 8))
    assert "no unit of this network can be dropped: lstm at networks_to_prune.py, line " in text
    assert "nn.LSTM" in text and "put a convolution or dense layer in front" in text
    text = refused(Branching(), images(4, 8))
    assert "depends on its values at networks_to_prune.py, line " in text and "`if x.sum() > 0:`" in text
    assert "torch.where" in text
    text = refused(LeNetWithNumber(), images(4, 1, 28, 28))
    assert "a size is written as a number in view to (-1, 256) at networks_to_prune.py, line " in text
    assert "write x.flatten(1)" in text and "exclude" in text
    text = refused(FixedBatch(), images(4, 1, 28, 28))
    assert "fixes the number of images: with one more it fails at networks_to_prune.py, line " in text
    text = refused(nn.Linear(8, 3), images(4, 8))
    assert "no unit of this network can be dropped: weight by the network's output" in text
    assert capfd.readouterr() == ("", "")


def test_a_cell_of_a_notebook_is_called_so() -> None:
    assert spoken("ipykernel_12/3456.py", 5, " x = 1") == "a cell of the notebook, line 5: `x = 1`"


def test_a_size_kept_in_an_attribute_is_refused() -> None:
    class Remembers(LeNet):
        def flat(self, x: torch.Tensor) -> torch.Tensor:
            assert x.shape[1] == self.fc1.in_features // 16 == 16, "sixteen maps"
            return x.flatten(1)

    text = refused(Remembers(), images(4, 1, 28, 28))
    assert "code fails once units are gone: AssertionError: sixteen maps at test_pruning_units.py, line " in text
    assert "exclude" in text
