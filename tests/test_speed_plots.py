"""The figures of the page on speed show the rows that they are given, and say their ends in words."""

from typing import Any

import pandas as pd

from dropnet_core.figures.speed_plots import deep_networks, epoch_seconds, peak_shares

EPOCHS = pd.DataFrame(
    [
        ("Model 1", way, cycle, value, value / 2, value * 2)
        for way, values in (("kernels", (4.0, 2.0, 1.0)), ("usual", (8.0, 8.0, 8.0)))
        for cycle, value in zip(("0", "1", "2"), values, strict=True)
    ],
    columns=["model", "way", "at", "value", "low", "high"],
)
COST = pd.DataFrame(
    [
        (way, "ResNet18", at, value, value, value, training)
        for way, values in (("reference", (9.0, 9.0, 9.0)), ("compact", (9.0, 3.0, 1.0)))
        for at, value, training in zip(("1", "0.5", "0.25"), values, (2000, 1000, 500), strict=True)
    ],
    columns=["way", "model", "at", "value", "low", "high", "training"],
)


def test_seconds_are_drawn_for_each_way_with_their_spread():
    made: Any = epoch_seconds(EPOCHS)
    (axes,) = made.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["kernels"].get_xydata().tolist() == [[0, 4], [1, 2], [2, 1]]
    assert (lines["kernels"].get_linestyle(), lines["usual"].get_linestyle()) == ("-", ":")
    reach = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (reach.min(), reach.max()) == (0.5, 8)
    assert "Model 1: kernels 4 s in cycle 0 and 1 s in the last; usual 8 s in cycle 0" in made.alt_text
    assert made.data["seconds"].tolist() == EPOCHS["value"].tolist() and made.name == "seconds-an-epoch"


def test_a_processor_has_a_panel_of_its_own():
    one = pd.DataFrame(
        {"model": "Model 2", "at": ["96", "9"], "left": [1.0, 0.09], "value": [0.75, 0.5], "low": 0.4, "high": 0.8}
    )
    made: Any = peak_shares(pd.concat([one.assign(hardware="A"), one.assign(hardware="B", value=[0.25, 0.125])]))
    assert [axes.get_title() for axes in made.axes] == ["A", "B"]
    assert [axes.lines[0].get_ydata().tolist() for axes in made.axes] == [[0.75, 0.5], [0.25, 0.125]]
    assert "A, Model 2: 0.75 with all units, 0.50 with the fewest. B, Model 2: 0.25" in made.alt_text
    assert made.data["share"].tolist() == [0.75, 0.5, 0.25, 0.125]


def test_time_stands_above_memory_in_gigabytes():
    made: Any = deep_networks(COST, COST)
    above, below = made.axes
    assert [line.get_ydata().tolist() for line in above.lines] == [[9, 9, 9], [9, 3, 1]]
    assert [line.get_ydata().tolist() for line in below.lines] == [[2, 1, 0.5]] * 2
    assert [text.get_text() for text in above.texts] == ["masked", "compact"]
    assert (
        "ResNet18, compact: 9 minutes and 2 GB with all units, 1 minutes and 0.5 GB with 0.25 of them." in made.alt_text
    )
    assert made.data.groupby("unit")["value"].max().to_dict() == {"GB": 2, "minutes": 9}
