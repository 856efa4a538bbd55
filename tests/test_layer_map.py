"""The map of layers and cycles shows the shares that the records hold."""

import numpy as np
import pandas as pd
import pytest

from dropnet_core.basics.errors import InputError
from dropnet_core.figures.layer_map import RESNET18, VGG19, group_shares, layer_map
from dropnet_core.networks.plain import describe

RECORDS = pd.DataFrame(
    [
        ("min", 0, 0, "8+4+2"), ("min", 0, 1, "4+4+0"), ("min", 1, 0, "8+4+2"), ("min", 1, 1, "2+2+0"),
        ("max@exact", 0, 0, "8+4+2"), ("max@exact", 0, 1, "8+1+1"),
    ],
    columns=["curve", "seed", "cycle", "units_per_layer"],
)  # fmt: skip


def test_each_panel_shows_mean_shares_and_marks_what_is_empty():
    made = layer_map(RECORDS, {"shortcut": (2,)})
    first, second = made.axes[:2]
    assert (first.get_title(), second.get_title()) == ("min", "max, exact selection")
    assert np.asarray(first.get_images()[0].get_array()).tolist() == [[1.0, 3 / 8], [1.0, 3 / 4], [1.0, 0.0]]
    assert np.asarray(second.get_images()[0].get_array()).tolist() == [[1.0, 1.0], [1.0, 1 / 4], [1.0, 1 / 2]]
    assert [text.get_text() for text in first.texts] == ["100", "100", "100", "38", "75", "×"]
    assert [tick.get_text().strip() for tick in first.get_yticklabels()] == ["1", "shortcut 2", "3"]
    assert "min, in cycle 1: least of layer 3 0%, layer 1 38%, layer 2 (shortcut) 75%;" in made.alt_text
    assert made.image() == layer_map(RECORDS, {"shortcut": (2,)}).image()


def test_many_cycles_leave_only_the_crosses():
    rows = [("min", 0, cycle, f"{8 - cycle}+8") for cycle in range(9)]
    made = layer_map(pd.DataFrame(rows, columns=RECORDS.columns))
    assert [text.get_text() for text in made.axes[0].texts if text.get_text()] == ["×"]


def test_groups_of_layers_are_weighed_by_their_units():
    left = group_shares(RECORDS, {"first and last": (1, 3)})
    assert list(left) == ["first and last", "others"]
    assert left.to_dict("list") == {"first and last": [1, 3 / 10, 1, 9 / 10], "others": [1, 3 / 4, 1, 1 / 4]}
    assert list(left.index) == [("min", 0), ("min", 1), ("max@exact", 0), ("max@exact", 1)]
    assert list(group_shares(RECORDS, {"all": (1, 2, 3)})) == ["all"]
    assert list(group_shares(RECORDS, {"beyond": (4, 5), "all": (1, 2, 3)})) == ["all"]  # of another network


def test_the_groups_of_the_deep_networks_are_where_their_layers_are():
    resnet, vgg = describe("resnet18", (3, 32, 32), 10), describe("vgg19", (3, 32, 32), 10)
    number = {layer: n for n, layer in enumerate(resnet.masked_layers, 1)}
    sums = [resnet.sources(i) for i, layer in enumerate(resnet.layers) if layer.kind == "sum"]
    shortcuts = {shortcut for _, shortcut in sums if resnet.layers[shortcut].inputs and shortcut in number}
    ends = {branch for branch, shortcut in sums if shortcut not in shortcuts}
    groups = {
        "shortcut": tuple(number[i] for i in sorted(shortcuts)),
        "branch end": tuple(number[i] for i in sorted(ends)),
    }
    assert groups == RESNET18
    norms = tuple(n for n, i in enumerate(vgg.masked_layers, 1) if vgg.layers[i].norm)
    assert {"batch norm": norms} == VGG19


def test_no_records_are_refused():
    with pytest.raises(InputError, match="no rows"):
        layer_map(RECORDS.iloc[:0])
