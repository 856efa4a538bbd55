"""What the benchmark of ResNet18 and VGG19 trains, and its arithmetic. Nothing here measures time."""

import pytest
import torch

from benchmarks import deep
from benchmarks.deep import DEEP_RECIPE, DEEP_WAYS
from dropnet_core.compaction import shrink
from dropnet_core.engines.memory import pass_bytes, step_bytes
from dropnet_core.experiments.experiment import experiment


@pytest.mark.parametrize("name", ["resnet18/16", "vgg19/16"])
def test_a_fraction_of_each_layer_is_left_by_lot(name):
    one = deep.deep_job(name, 0.25)
    assert {kept / of for kept, of in zip(one.mask.units_per_layer, one.network.widths, strict=True)} == {0.25}
    assert len({layer.tobytes() for layer in one.mask.layers}) > len(set(one.network.widths))
    planned = experiment(f"tinyimagenet-{name.split('/')[0]}")
    assert (planned.recipe, one.network.shape, one.network.classes) == (one.recipe, (3, 64, 64), 200)


@pytest.mark.parametrize("name", ["resnet18/16", "vgg19/16"])
def test_both_ways_train_the_same_network(name):
    one, images = deep.deep_job(name, 0.5), torch.rand(2, 3, 64, 64)
    masked, small = (deep.module_of(way, one).eval() for way in DEEP_WAYS)
    assert small.network == shrink(one.network, one.mask) != masked.network
    with torch.no_grad():
        torch.testing.assert_close(masked(images), small(images), atol=1e-5, rtol=1e-4)


def test_an_epoch_is_so_many_steps_and_all_validation_images(monkeypatch):
    clock = iter([100.0, 110.0, 114.0])
    monkeypatch.setattr(deep, "perf_counter", lambda: next(clock))
    seen = []

    def watched(model, data, *rest):
        seen.append(len(data.train))
        return train_epoch(model, data, *rest)

    train_epoch = deep.train_epoch
    monkeypatch.setattr(deep, "train_epoch", watched)
    assert deep.epoch_seconds("compact", "resnet18/64", 0.5, 2) == 2812 * 10 / 2 + 10_000 * 4 / 32
    assert seen == [64] and 2812 == 90_000 // DEEP_RECIPE.batch_size


def test_rounds_become_rows_of_both_ways_and_their_ratio(monkeypatch):
    calls = []

    class Crew:
        """Two processes whose second takes twice as long as the first, and longer in each round."""

        count = 2

        def __init__(self, count):
            pass

        def do(self, task, way, name, fraction, steps):
            assert task is deep.epoch_seconds
            calls.append((way, fraction, steps))
            seconds = (40.0 if way == "reference" else 10.0 * fraction) * len(calls)
            return [seconds, 2 * seconds]

        def close(self):
            pass

    monkeypatch.setattr(deep, "Crew", Crew)
    rows = list(deep.time_rows({"ResNet18": "resnet18/64"}, (1.0, 0.25), rounds=2))
    order = [("reference", 1.0, 1), ("compact", 1.0, 1), ("reference", 0.25, 1), ("compact", 0.25, 4)]
    assert calls[3:] == 2 * order  # behind those that set things up
    found = {(row.quantity, row.way, row.at): row for row in rows}
    slow, fast = (found["epoch of a network", way, "0.25"] for way in DEEP_WAYS)
    assert (slow.low, slow.high) == (40 * 6 * 3 / 4, 40 * 10 * 3 / 4) and fast.low == pytest.approx(
        2.5 * 7 * 3 / 4, rel=1e-3
    )
    ratio = found["times faster", "compact/reference", "0.25"]
    assert (ratio.low, ratio.high) == pytest.approx((16 * 6 / 7, 16 * 10 / 11), rel=1e-3)
    assert {row.part for row in rows} == {"deep"} and {row.rounds for row in rows} == {2}


def test_what_is_foretold_of_a_compacted_network_counts_whole_first_weights():
    one = deep.deep_job("vgg19/16", 0.25)
    small = shrink(one.network, one.mask)
    step, scoring = deep.predicted_megabytes("compact", "vgg19/16", 0.25)
    weights = [sum(torch.Size(s).numel() for s in network.weight_shapes().values()) for network in (one.network, small)]
    gone = 4 * (weights[0] - weights[1]) / 1e6
    assert step == pytest.approx(step_bytes(small, 32) / 1e6 + gone, rel=1e-3)
    assert scoring == pytest.approx(pass_bytes(small, 250) / 1e6 + 2 * gone, rel=1e-3)
    assert deep.predicted_megabytes("reference", "vgg19/16", 0.25) == deep.predicted_megabytes(
        "reference", "vgg19/16", 1.0
    )


def test_a_process_holds_at_most_what_it_held_at_its_peak():
    assert 10 < deep.megabytes_now() <= deep.peak_so_far()
