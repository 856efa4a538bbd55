import numpy as np
import pytest

from dropnet_core.basics.streams import stream
from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.schedules import fraction, one_unit
from dropnet_core.selection import drop_lowest, selections

BOTH = ("exact", "authors")


def drop(selection, scores, share, mask=None, seed=0):
    scores = [np.array(s, dtype=float) for s in scores]
    mask = mask or Mask.full(len(s) for s in scores)
    return selections[selection](scores, mask, share, stream(seed, "test"))


@pytest.mark.parametrize("selection", BOTH)
@pytest.mark.parametrize("share", [0, 1, 2, 5, 9, 10])
def test_both_drop_equally_many(selection, share):
    generator = np.random.default_rng(share)
    for tied in (False, True):
        scores = [generator.integers(0, 3, 6) if tied else generator.random(6), generator.random(4)]
        after = drop(selection, scores, share)
        assert after.units_remaining == 10 - max(1, share)


def test_exact_drops_exactly_the_lowest():
    after = drop("exact", [[5, 1, 4], [2, 9, 3]], 3)
    assert [layer.tolist() for layer in after.layers] == [[True, False, True], [False, True, False]]


def test_exact_breaks_ties_evenly_over_layers():
    first = sum(3 - drop("exact", [[0] * 3, [0] * 9], 4, seed=s).units_per_layer[0] for s in range(600))
    assert 600 * 4 * 3 / 12 == pytest.approx(first, rel=0.1)


def test_dropped_units_are_not_candidates_whatever_their_score():
    mask = Mask([[False, True, True], [True, True, True]])
    for selection in BOTH:
        after = drop(selection, [[-9, 5, 6], [7, 8, 9]], 1, mask)
        assert after.units_remaining == 4
        assert not after.layers[0][0]


def test_authors_spare_one_of_the_lowest_in_the_last_layer_that_holds_a_candidate():
    # share 3: candidates are the four lowest, 1 and 2 in layer 0, 3 and 4 in layer 1
    spared = set()
    for seed in range(60):
        after = drop("authors", [[1, 2, 9], [3, 4, 8]], 3, seed=seed)
        assert after.layers[0].tolist() == [False, False, True]
        assert after.layers[1][2]
        spared.add(tuple(after.layers[1].tolist()))
    assert spared == {(True, False, True), (False, True, True)}


def test_authors_with_a_share_of_one_toss_a_coin_between_the_two_lowest():
    gone = [int(np.flatnonzero(~drop("authors", [[3, 1, 2, 4, 5]], 1, seed=s).layers[0])[0]) for s in range(400)]
    assert set(gone) == {1, 2}
    assert 150 < gone.count(1) < 250


def test_authors_with_a_share_of_none_drop_the_lowest():
    for seed in range(20):
        assert drop("authors", [[3, 1, 2], [5, 4]], 0, seed=seed).layers[0].tolist() == [True, False, True]


def test_authors_empty_the_first_layer_first_when_all_scores_are_equal():
    after = drop("authors", [[0] * 4, [0] * 4], 4)
    assert after.units_per_layer == (0, 4)


@pytest.mark.parametrize("widths", [(4, 1), (3, 3), (1, 5)])
def test_while_the_share_is_at_least_one_authors_never_empty_the_last_layer_with_candidates(widths):
    # The last layer scores lowest, as the second layer does for `max`: exact empties it, authors cannot.
    scores = [np.arange(widths[0]) + 100.0, np.arange(widths[1]) * 1.0]
    share = widths[1]
    assert drop("exact", scores, share).units_per_layer[1] == 0
    for seed in range(30):
        assert drop("authors", scores, share, seed=seed).units_per_layer[1] == 1


@pytest.mark.parametrize("selection", BOTH)
def test_a_layer_of_one_unit_is_emptied_by_a_layer_wise_metric(selection):
    statistics = {"mean_of_abs": [np.array([1.0]), np.array([1.0, 2.0])], "zeros": [np.zeros(1), np.zeros(2)]}
    scores = metrics["min_layer"].scores(statistics, "mean_of_abs", stream(0))
    after = drop_lowest(scores, Mask.full((1, 2)), fraction(0.2), "layer", selection, stream(0))
    assert after.units_per_layer == (0, 1)
    again = drop_lowest(scores, after, fraction(0.2), "layer", selection, stream(0))
    assert again.units_per_layer == (0, 0)


def test_one_unit_a_cycle_drops_the_lowest_under_both():
    for selection in BOTH:
        assert drop(selection, [[3, 1], [2, 5]], one_unit()(4)).layers[0].tolist() == [True, False]
