"""From an experiment to its records, alone or beside others, at once or in pieces; what is refused."""

from itertools import pairwise

import pytest
import torch
from tiny_runs import small

from dropnet_core.basics.errors import InputError
from dropnet_core.engines import engines
from dropnet_core.experiments.records import complete_runs, same_records
from dropnet_core.recipe import Recipe
from dropnet_core.running import run as running
from dropnet_core.running import scheduler
from dropnet_core.running.run import find_device, masks_by_run, run
from dropnet_core.running.store import Store
from dropnet_core.stops import Stop


@pytest.fixture(autouse=True)
def surroundings(tiny_by_name, monkeypatch, tmp_path):
    """The data set "tiny", and a default store that does not exist yet."""
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "default.sqlite"))
    monkeypatch.delenv("DROPNET_DEVICE", raising=False)


@pytest.fixture
def counting(monkeypatch):
    """An engine that counts its trainings, in a list of one number."""
    count = [0]

    def engine(data, take):
        for result in engines["compact"](data, take):
            count[0] += 1
            yield result

    monkeypatch.setitem(engines._entries, "counting", engine)
    return count


def test_an_experiment_becomes_records():
    table = run(small(), device="cpu")
    assert len(table) == 16 and complete_runs(table) == 4
    assert set(table["engine"]) == {"kernels"} and set(table["device"]) == {"cpu"}
    assert table["test_accuracy"].between(0, 1).all() and (table["epochs"] == 2).all()


def test_what_the_store_holds_is_not_trained_again(counting):
    table = run(small(), engine="counting")
    assert counting == [14]  # two unpruned networks and twelve others
    assert same_records(run(small(), engine="counting"), table).all() and counting == [14]
    run(small(seeds=(0, 1, 2)), engine="counting")
    assert counting == [21]


def test_the_masks_of_each_run_are_those_of_its_records(counting):
    planned = small(initial=("rewind", "redraw"))
    masks = masks_by_run(planned, engine="counting")
    assert list(masks) == planned.runs() and (trained := counting[0])
    records = run(planned, engine="counting")
    assert counting[0] == trained  # the store holds them all
    for one, rows in records.groupby(["metric", "seed", "initial"]):
        (mine,) = [masks[other] for other in masks if (other.metric, other.seed, other.initial) == one]
        units = ["+".join(map(str, mask.units_per_layer)) for mask in mine]
        assert units == rows.sort_values("cycle")["units_per_layer"].tolist()
        smaller = [all((b <= a).all() for a, b in zip(x.layers, y.layers, strict=True)) for x, y in pairwise(mine)]
        assert all(smaller) and mine[0].fraction_remaining == 1
    with pytest.raises(InputError, match="workers is a whole number"):
        masks_by_run(planned, workers=0)


@pytest.mark.parametrize("engine", ["kernels", "compact"])
def test_a_run_alone_is_the_run_beside_others(engine, tmp_path):
    all_metrics = ("min", "max", "random", "min_layer", "max_layer", "apoz")
    crowd = run(small(metrics=all_metrics, seeds=(0, 1, 2)), engine=engine)
    alone = run(small(metrics="max", seeds=(1,)), engine=engine, store=Store(tmp_path / "alone.sqlite"))
    beside = crowd[(crowd["metric"] == "max") & (crowd["seed"] == 1)]
    assert len(alone) == 4 and same_records(alone, beside).all()


def test_a_time_budget_ends_cleanly_and_a_later_call_goes_on(counting, monkeypatch, tmp_path):
    whole = run(small(), engine="compact", store=Store(tmp_path / "whole.sqlite"))
    ticks = iter(range(1000))
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: next(ticks))  # a second for each look at the clock
    counting[0] = 0
    part = run(small(), engine="counting", minutes=5 / 60)
    assert 0 < counting[0] < 14 and 0 < len(part) < 16 and complete_runs(part) < 4
    assert same_records(part, whole.merge(part[["metric", "seed", "cycle"]])).all()
    assert same_records(run(small(), engine="counting"), whole).all() and counting == [14]


def test_without_time_nothing_is_trained():
    assert run(small(), minutes=1e-9).empty
    assert len(Store()) == 0


@pytest.mark.parametrize("engine", ["kernels", "compact"])
def test_a_loss_that_is_no_number_is_recorded_and_ends_its_run_alone(engine):
    """At this rate some seeds overflow, while in others all units fall silent before."""
    recipe = Recipe(max_epochs=3, batch_size=16, learning_rate=1e30)
    table = run(small(metrics="min", seeds=tuple(range(6)), recipe=recipe), engine=engine)
    last = table.groupby("seed").tail(1)
    assert 0 < (last["status"] == "diverged").sum() < 6 and complete_runs(table) == 6
    assert (table["status"] == "diverged").sum() == (last["status"] == "diverged").sum()
    assert table["cycle"].max() == 3


def test_layers_that_empty_are_recorded():
    table = run(small(p=(1.0,), stops=(Stop("cycles", 9),)))
    assert table.loc[table["cycle"] == 1, "status"].tolist() == ["empty-layer"] * 4
    assert table["units_per_layer"].tolist() == ["4+3", "0+0"] * 4
    layerwise = run(small(metrics="max_layer", seeds=0, stops=(Stop("cycles", 9),)))
    assert layerwise["units_per_layer"].tolist() == ["4+3", "3+2", "2+1", "1+0", "0+0"]
    assert layerwise["status"].tolist()[-2:] == ["empty-layer"] * 2


@pytest.mark.parametrize(
    ("changed", "options", "words"),
    [
        ({}, {"engine": "kernals"}, "unknown engine 'kernals'; did you mean 'kernels'"),
        ({"data": "far:away"}, {"engine": "kernals"}, "unknown engine"),  # before data is fetched
        ({}, {"device": "cud"}, "unknown device 'cud'; did you mean 'cuda'"),
        ({}, {"device": "cuda:x"}, "is no device"),
        ({}, {"device": "cuda"}, "the device 'cuda' is not there: torch sees 0 GPUs; use 'cpu' or 'auto'"),
        ({}, {"device": "cuda:3"}, "the device 'cuda:3' is not there"),
        ({}, {"workers": 0}, "workers is a whole number of at least 1, not 0"),
        ({}, {"workers": 1.5}, "workers is a whole number"),
        ({}, {"minutes": 0}, "minutes is a time budget above 0"),
        ({}, {"minutes": float("nan")}, "minutes is a time budget above 0"),
        ({"data": "tinny"}, {}, "unknown data set 'tinny'; did you mean 'tiny'"),
        ({"network": "fc4-fx3"}, {}, "unknown network 'fc4-fx3': 'fx3' is no layer"),
        ({"network": "conv4-conv4-conv4-conv4"}, {}, "down to nothing"),
        (
            {"precision": "float64"},
            {"engine": "kernels"},
            "kernels compute in float32",
        ),
        ({"size": 8}, {}, "takes no size"),
    ],
)
def test_what_cannot_work_is_refused_before_any_training(changed, options, words, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match=words):
        run(small().with_settings(changed), **options)
    assert not (tmp_path / "default.sqlite").exists() or len(Store()) == 0


def test_what_the_memory_cannot_hold_is_refused_before_any_training(monkeypatch):
    monkeypatch.setattr("dropnet_core.engines.memory.free_bytes", lambda device: 10_000)
    with pytest.raises(
        InputError, match="batches of 16 images of 8x8 pixels .* take smaller images, a narrower network"
    ):
        run(small())
    monkeypatch.setattr("dropnet_core.engines.memory.free_bytes", lambda device: 1_000_000)
    with pytest.raises(InputError, match="for 2 workers.* use workers=1"):
        run(small(), workers=2)
    assert len(Store()) == 0


def test_the_default_device_may_be_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert find_device("auto").type == "cuda"
    monkeypatch.setenv("DROPNET_DEVICE", "cpu")
    assert find_device("auto").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delenv("DROPNET_DEVICE")
    assert find_device("auto").type == find_device("cpu").type == "cpu"


def test_an_interruption_leaves_a_sound_board(monkeypatch, tmp_path):
    prepared = running.PreparedExperiment.of(small())
    board = prepared.board(Store())
    deliver = board.deliver

    def interrupted(job, outcome):
        deliver(job, outcome)
        if len(board.store) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(board, "deliver", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepared.train(board)
    table = prepared.records(board.cycles)
    whole = run(small(), store=Store(tmp_path / "whole.sqlite"))
    assert 0 < len(table) < 16 and same_records(table, whole.merge(table[["metric", "seed", "cycle"]])).all()


def test_memory_that_runs_out_in_a_training_is_told_and_what_was_trained_is_kept(counting, monkeypatch):
    def short(data, take):
        for number, result in enumerate(engines["counting"](data, take)):
            if number == 3:
                raise MemoryError
            yield result

    monkeypatch.setitem(engines._entries, "short", short)
    with pytest.raises(InputError, match=r"the memory ran out in a training; take fewer .*: what was trained is kept"):
        run(small(), engine="short")
    assert len(Store()) == 3
