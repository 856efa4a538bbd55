"""Statistics by name: a method brings its own, every engine delivers it, and metrics read it."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from some_jobs import train_all
from tiny_runs import NETWORK, small

from dropnet_core.basics.errors import InputError
from dropnet_core.data import DATA_SETS
from dropnet_core.masks import Mask
from dropnet_core.metrics import LayerStatistics, metrics, register
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.running.run import run
from dropnet_core.running.store import Store
from dropnet_core.runs import Job
from dropnet_core.training import LargeBatches, train
from dropnet_core.unit_statistics import USUAL, by_name, by_position, measure, statistic, statistics

FLOAT64 = Recipe(max_epochs=2, precision="float64")


def peak(model, batches):
    """The largest activation of each unit over the training set."""
    found = [[by_position(value).amax(dim=(0, 2)) for value in model.activations(images)] for images, _ in batches]
    return [torch.stack(peaks).amax(dim=0) for peaks in zip(*found, strict=True)]


@pytest.fixture(autouse=True)
def own_registries(monkeypatch):
    """What a test registers is gone afterwards."""
    for registry in (statistics, metrics):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))


def jobs_of(name, data, recipe):
    """The whole network, a pruned one, and one with an emptied layer."""
    network = describe(name, data.shape, data.classes)
    masks = [
        Mask.full(network.widths),
        Mask(np.arange(width) % 3 != 1 for width in network.widths),
        Mask(np.arange(width) >= (width if i else 1) for i, width in enumerate(network.widths)),
    ]
    return [Job(recipe, network, 0, 0, mask, ("peak", "loss_without")) for mask in masks]


@pytest.mark.parametrize("name", ["fc6-fc5", "conv4-dense3-fc5"])
def test_every_engine_delivers_a_statistic_of_ones_own(tiny, name):
    statistic("peak")(peak)
    for job in jobs_of(name, tiny, FLOAT64):
        model = job.network.masked(job.first_weights(), job.mask).double()
        train(model, tiny, job.recipe, job.seed)
        values = model.activations(tiny.train.images.double() / 255)
        expected = [value.detach().flatten(2).amax(dim=(0, 2)) if value.dim() > 2 else value.amax(dim=0).detach()
                    for value in values]  # fmt: skip
        in_float32 = replace(job, recipe=replace(job.recipe, precision="float32"))
        for engine, asked, close in (("reference", job, 0), ("compact", job, 1e-10), ("kernels", in_float32, 1e-5)):
            found = train_all(engine, tiny, [asked])[asked].statistics
            assert set(found) == {*USUAL, "peak", "loss_without"}
            for ours, theirs, kept in zip(found["peak"], expected, job.mask.layers, strict=True):
                assert ours.dtype == np.float64 and not ours[~kept].any()
                np.testing.assert_allclose(ours, theirs, rtol=close, atol=close)


def test_a_metric_drops_by_the_statistic_it_needs(tiny, tmp_path, monkeypatch):
    statistic("peak")(peak)
    register("low_peak", needs=("peak",))(lambda layer, draw: layer.peak)
    monkeypatch.setitem(DATA_SETS._entries, "tiny", lambda: tiny)
    store = Store(tmp_path / "store.sqlite")
    for engine in ("reference", "kernels"):
        table = run(small(metrics=("low_peak", "min"), seeds=(0,)), store=store, engine=engine)
        assert table.groupby("metric")["cycle"].max().to_dict() == {"low_peak": 3, "min": 3}
    job = Job(small().recipe, NETWORK, 0, 0, Mask.full(NETWORK.widths), ("peak",))
    outcome = train_all("reference", tiny, [job])[job]
    scores = metrics["low_peak"].scores(outcome.statistics, "mean_of_abs", np.random.default_rng(0))
    assert all(np.array_equal(a, b) for a, b in zip(scores, outcome.statistics["peak"], strict=True))


def test_usual_statistics_are_read_by_name_and_cost_no_training_of_their_own(tiny):
    register("low_maps", needs=("zero_maps", "loss_without", "zeros"))(lambda layer, draw: -layer.zero_maps)
    assert metrics["low_maps"].needs == ("loss_without",)
    model = NETWORK.masked(NETWORK.first_weights(0), Mask.full(NETWORK.widths))
    batches = LargeBatches(tiny.train, torch.float32)
    together = measure(model, (images for images, _ in batches))
    for name in USUAL:
        assert all(np.array_equal(a, b) for a, b in zip(statistics[name](model, batches), together[name], strict=True))
    scores = metrics["low_maps"].scores(together, "mean_of_abs", np.random.default_rng(0))
    assert all(np.array_equal(a, -b) for a, b in zip(scores, together["zero_maps"], strict=True))


def test_gradients_are_there_for_who_asks(tiny):
    def taylor(model, batches):
        totals = [np.zeros(width) for width in model.mask.widths]
        for images, labels in batches:
            with torch.enable_grad():
                values: list[torch.Tensor] = []

                def keep(position, value, before_norm, values=values):
                    value.retain_grad()
                    values.append(value)

                model.show(images, keep)
                logits = values[-1] @ model.parameter(2, "weight").T + model.parameter(2, "bias")
                torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
            for total, value in zip(totals, values, strict=True):
                assert value.grad is not None
                total += (value * value.grad).abs().sum(dim=0).detach().numpy()
        return totals

    statistic("taylor")(taylor)
    model = NETWORK.masked(NETWORK.first_weights(0), Mask.full(NETWORK.widths))
    found = by_name(["taylor"], model, LargeBatches(tiny.train, torch.float32))["taylor"]
    assert all(layer.any() for layer in found)


def key(needs):
    return Job(Recipe(), NETWORK, 0, 0, Mask.full(NETWORK.widths), needs).key("data")


def halves(values):
    return values / 2


def thirds(values):
    return values / 3


def variants():
    """Functions that a reader may write under one name, one after another; no two do the same."""
    yield lambda model, batches: [np.ones(width) + 1 for width in model.mask.widths]
    yield lambda model, batches: [np.ones(width) + 2 for width in model.mask.widths]
    yield lambda model, batches: [np.ones(width) * 2 for width in model.mask.widths]
    yield lambda model, batches: [np.zeros(width) * 2 for width in model.mask.widths]
    yield lambda model, batches: [halves(np.ones(width)) for width in model.mask.widths]
    yield lambda model, batches: [thirds(np.ones(width)) for width in model.mask.widths]
    for least in (1, 2):
        yield lambda model, batches, least=least: [np.full(width, least) for width in model.mask.widths]
    for most in (1, 2):
        yield closing_over(most)
    for decorated in (closing_over(3), closing_over(4)):
        yield torch.enable_grad()(decorated)


def closing_over(most):
    def function(model, batches):
        return [np.full(width, most) for width in model.mask.widths]

    return function


def test_a_store_tells_each_function_from_any_other():
    keys = []
    for function in variants():
        statistic("own", replace=True)(function)
        keys.append(key(("own",)))
        assert key(("own",)) == keys[-1]
    assert len(set(keys)) == len(keys) == 12
    again = []
    for function in variants():
        statistic("own", replace=True)(function)
        again.append(key(("own",)))
    assert again[:10] == keys[:10]  # the decorator's own object cannot be read, so its functions are new each time
    assert key(("loss_without",)) == key(("loss_without",)) != key(())


def test_what_a_function_calls_counts(monkeypatch):
    statistic("own", replace=True)(list(variants())[4])
    before = key(("own",))
    monkeypatch.setitem(globals(), "halves", thirds)
    assert key(("own",)) != before


def test_a_fingerprint_is_the_same_in_another_process():
    """Sets in code have another order there."""
    source = "def f(model, batches):\n    return [w for w in model if w in {'a', 'b', 'c', 'd'}]\n"
    command = f"from dropnet_core.basics.fingerprint import fingerprint\nexec({source!r})\nprint(fingerprint(f))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", command], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_what_is_no_statistic_is_refused(tiny):
    for name in ("two words", "mean", ""):
        with pytest.raises(InputError, match="no name for a statistic"):
            statistic(name)
    with pytest.raises(InputError, match="'zeros' exists already"):
        statistic("zeros")(peak)
    for name in ("zeros", "loss_without"):  # which engines compute in ways of their own
        with pytest.raises(InputError, match="exists already, in the package"):
            statistic(name, replace=True)(peak)
    with pytest.raises(InputError, match="must be a function"):
        statistic("list")([1.0])  # type: ignore[arg-type]
    statistic("short")(lambda model, batches: [np.zeros(3), np.zeros(3)])
    model = NETWORK.masked(NETWORK.first_weights(0), Mask.full(NETWORK.widths))
    with pytest.raises(InputError, match=r"'short' must be an array for each masked layer, of \(4, 3\) numbers"):
        by_name(["short"], model, LargeBatches(tiny.train, torch.float32))


def test_a_metric_that_needs_what_nobody_knows_is_refused_before_any_training():
    register("lost", needs=("loss_witout",))(lambda layer, draw: layer.loss_without)
    with pytest.raises(InputError, match="unknown statistic 'loss_witout'; did you mean 'loss_without'"):
        small(metrics="lost")
    with pytest.raises(InputError, match=r"write needs=\('peak',\)"):
        register("text", needs="peak")  # type: ignore[arg-type]


def test_a_score_that_reads_what_its_metric_does_not_need_is_told_the_remedy():
    layer = LayerStatistics(mean=np.zeros(2), zeros=np.zeros(2))
    with pytest.raises(InputError, match=r"layer.peak.*needs=\('peak',\)"):
        _ = layer.peak
    assert not hasattr(layer, "__array__")


def test_other_processes_do_not_know_what_a_notebook_registered(tiny, tmp_path, monkeypatch):
    statistic("peak")(peak)
    register("low_peak", needs=("peak",))(lambda layer, draw: layer.peak)
    monkeypatch.setitem(DATA_SETS._entries, "tiny", lambda: tiny)
    with pytest.raises(InputError, match="does not know the statistic 'peak'.*workers=1"):
        run(small(metrics="low_peak", seeds=(0,)), store=Store(tmp_path / "store.sqlite"), workers=2, engine="compact")
