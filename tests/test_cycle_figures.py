"""The figures of one cycle show each unit as the masks have it, in the picture and in words."""

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from dropnet_core.figures.cycle_figures import STATES, masks_on_network, score_bars, states
from dropnet_core.figures.diagram import BLUE
from dropnet_core.masks import Mask

WHOLE = Mask.full((3, 2))
FIRST = WHOLE.without(0, np.array([1]))
SECOND = FIRST.without(0, np.array([0])).without(1, np.array([1]))
SCORES = [np.array([0.5, 0.0, 2.0]), np.array([3.0, 0.25])]


def test_a_unit_is_kept_or_dropped_now_or_before():
    now, before = "dropped now", "dropped before"
    assert [found.tolist() for found in states(FIRST, SECOND)] == [[now, before, "kept"], ["kept", now]]


def test_bars_are_the_scores_of_the_units_that_are_there():
    made: Any = score_bars(SCORES, FIRST, SECOND)
    first, second = made.axes
    bars = {round(bar.get_x() + 0.35): (bar.get_height(), bar.get_facecolor()) for bar in first.patches}
    assert {unit: height for unit, (height, _) in bars.items()} == {1: 0.5, 3: 2.0}
    assert to_hex(bars[3][1]) == BLUE and to_hex(bars[1][1]) == "#ffffff"
    assert [line.get_ydata()[0] for line in (*first.lines, *second.lines)] == [1.25, 1.25]  # between 0.5 and 2
    assert made.data.to_dict("list") == {
        "layer": [1, 1, 2, 2],
        "unit": [1, 3, 1, 2],
        "score": [0.5, 2.0, 3.0, 0.25],
        "state": ["dropped now", "kept", "kept", "dropped now"],
    }
    assert "Layer 1: 2 units, scores of 0.5 to 2; 1 of them go (1)." in made.alt_text
    assert made.image() == score_bars(SCORES, FIRST, SECOND).image()


def test_where_no_number_parts_the_scores_there_is_no_cut():
    of_each_layer = Mask([[False, False, True], [False, True]])  # drops 3.0 and keeps 0.25
    assert not any(axes.lines for axes in score_bars(SCORES, FIRST, of_each_layer).axes)


def test_circles_are_full_where_a_unit_is_kept():
    made: Any = masks_on_network({"cycle 0": WHOLE, "cycle 1": FIRST, "cycle 2": SECOND})
    assert [axes.get_title() for axes in made.axes] == ["cycle 0", "cycle 1", "cycle 2"]
    for axes, mask in zip(made.axes, (WHOLE, FIRST, SECOND), strict=True):
        full: Counter[float] = Counter()
        for found in axes.collections:
            if len(found.get_facecolor()) and to_hex(found.get_facecolor()[0]) == BLUE:
                full.update(found.get_offsets()[:, 0].tolist())
        assert [full[layer] for layer in range(2)] == list(mask.units_per_layer)
        assert f"layer 1\n{mask.units_per_layer[0]} of 3" in [text.get_text() for text in axes.texts]
        segments = sum(len(found.get_segments()) for found in axes.collections if hasattr(found, "get_segments"))
        assert segments == mask.units_per_layer[0] * mask.units_per_layer[1]
    assert "cycle 2: layer 1 keeps 1 of 3 units, newly dropped 1 (1); layer 2 keeps 1 of 2" in made.alt_text
    (legend,) = made.legends
    assert [text.get_text() for text in legend.get_texts()] == list(STATES)


def test_a_state_that_no_unit_has_is_not_in_the_legend():
    (legend,) = masks_on_network({"before": WHOLE, "after": FIRST}).legends
    assert [text.get_text() for text in legend.get_texts()] == ["kept", "dropped now"]
