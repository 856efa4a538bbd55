"""The networks whose latency is compared. Nothing here measures time that is asserted."""

import pytest
import torch
from networks_to_prune import NETWORKS

from benchmarks import pruned
from benchmarks.pruned import MULTIPLE, half
from dropnet_core.data.vision import torchvision
from dropnet_core.pruning.units import find
from dropnet_core.pruning.widths import Widths


def test_half_of_all_units_and_their_widths_rounded_up() -> None:
    make, example, _ = NETWORKS["LeNet"]
    units = find(make(), example)
    odd, rounded = half(units, Widths()), half(units, Widths(multiple=4))
    assert odd.units_remaining == sum(units.widths) // 2
    for width, a, b in zip(units.widths, odd.layers, rounded.layers, strict=True):
        assert (a & b == a).all() and (b.sum() % 4 == 0 or b.sum() == width)


def test_each_variant_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    make, _, _ = NETWORKS["residual"]
    models = torchvision().models
    monkeypatch.setattr(models, "get_model", lambda name, num_classes: make(colours=3, classes=num_classes, width=16))
    torch.manual_seed(0)
    found = list(pruned.pruned("residual", runtimes=("torch",), images=(1, 2)))
    ways = ["whole", "half", f"half, multiples of {MULTIPLE}"]
    assert [row.way for row in found if row.quantity == "parameters"] == ways
    whole, odd, rounded = (row.value for row in found if row.quantity == "multiply-accumulates")
    assert odd < rounded < whole
    assert [(row.way, row.at) for row in found if row.part == "latency"] == [(w, a) for a in ("1", "2") for w in ways]
