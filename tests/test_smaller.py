"""The network that a run returns, as a module."""

import pytest
import torch
from tiny_runs import small

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.records import returned_records
from dropnet_core.recipe import Recipe
from dropnet_core.running.run import run
from dropnet_core.running.smaller import smaller_network
from dropnet_core.running.store import Store
from dropnet_core.stops import Stop
from dropnet_core.training import evaluate


@pytest.fixture(autouse=True)
def surroundings(tiny_by_name, monkeypatch, tmp_path):
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "default.sqlite"))


@pytest.mark.parametrize(
    "changed",
    [
        {"stops": Stop("fraction", 0.3)},
        {"stops": Stop("kappa", 0.999)},
        {"network": "conv4-conv3-dense5", "stops": Stop("kappa", 0.999)},
        {"recipe": Recipe(max_epochs=2, batch_size=16, shuffle=True, precision="float64")},
        {"initial": ("rewind", "reinit")},
    ],
)
def test_the_module_is_what_the_records_tell_of(tiny, changed):
    experiment = small(**changed)
    table = returned_records(run(experiment, device="cpu"))
    row = table[(table["curve"] == "min") & (table["seed"] == 1)].iloc[0]
    model = smaller_network(experiment, "min", row["seed"], device="cpu")  # a number of numpy's
    widths = [layer.units for layer in model.network.layers if layer.masked]
    assert "+".join(map(str, widths)) == row["units_per_layer"]
    assert sum(parameter.numel() for parameter in model.parameters()) == row["parameters"]
    loss, accuracy = evaluate(model, tiny.test, model.weights["0_weight"].dtype)
    assert loss == pytest.approx(row["test_loss"], abs=1e-4)
    assert accuracy == pytest.approx(row["test_accuracy"], abs=1.5 / len(tiny.test))
    assert not model.training
    assert (model.weights["0_weight"].dtype == torch.float64) == (experiment.recipe.precision == "float64")


def test_exported_it_needs_nothing_of_ours(tiny, tmp_path):
    model = smaller_network(small(network="conv4-conv3-dense5"), "min", 0, device="cpu")
    images = torch.rand(5, *model.network.shape)
    program = torch.export.export(model, (images[:2],), dynamic_shapes=({0: torch.export.Dim("count")},))
    torch.export.save(program, tmp_path / "small.pt2")
    again = torch.export.load(tmp_path / "small.pt2").module()
    torch.testing.assert_close(again(images), model(images))


def test_what_is_missing_in_the_store_is_trained_and_nothing_else(tmp_path):
    store = Store(tmp_path / "own.sqlite")
    smaller_network(small(), "min", 1, store=store, device="cpu")
    table = run(small(), store=store, device="cpu", minutes=1e-9)
    assert set(zip(table["metric"], table["seed"], strict=True)) == {("min", 1), ("max_layer", 1)}
    assert (table["metric"] == "min").sum() == 4 and (table["metric"] == "max_layer").sum() == 1


@pytest.mark.parametrize(
    ("changed", "metric", "seed", "cause"),
    [
        ({}, "min", 7, "0 runs .* its seeds are 0-1"),
        ({}, "mim", 0, "unknown metric of 'small' 'mim'; did you mean 'min'"),
        ({"initial": "reinit"}, "min", 0, "0 runs .* its initial is reinit"),
        ({"p": (0.2, 0.4)}, "min", 0, "2 runs .* one p"),
    ],
)
def test_a_run_that_is_not_there_or_not_alone_is_refused_before_training(changed, metric, seed, cause, monkeypatch):
    monkeypatch.setattr("dropnet_core.running.smaller.PreparedExperiment", None)
    with pytest.raises(InputError, match=cause):
        smaller_network(small(**changed), metric, seed)
