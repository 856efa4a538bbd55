"""prune: Algorithm 1 on a user's network, by a user's loop."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks_to_prune import NETWORKS, LeNetWithNumber, Recurrent, Residual, images
from pruning_tasks import Small, Task, nudge, small_network
from torch import nn

from dropnet_core import load_pruned, prune
from dropnet_core.basics.errors import InputError
from dropnet_core.data import DataSet
from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.pruning.cut import cut, kept_places, part
from dropnet_core.pruning.cycle import Trainer
from dropnet_core.pruning.dropping import State, following, rules
from dropnet_core.pruning.proof import copies, shaken
from dropnet_core.pruning.prune import walk
from dropnet_core.pruning.units import find, tensors
from dropnet_core.pruning.widths import Widths
from dropnet_core.stops import Stop

ROOT = Path(__file__).parent.parent


@pytest.fixture
def task(tiny: DataSet) -> Task:
    return Task(tiny)


def accuracies(*values: float) -> Callable[[Any], float]:
    """An accuracy that gives these numbers, one a cycle."""
    left = list(values)
    return lambda model: left.pop(0)


def test_the_result_is_a_smaller_network_that_keeps_the_accuracy(task: Task) -> None:
    network = small_network()
    before = {name: tensor.clone() for name, tensor in tensors(network)}
    result = task.prune(network, kappa=0.8, p=0.4)
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors(network))
    assert type(result.model) is Small and not result.model.training
    whole, best = result.cycles[0], result.cycle
    assert result.returned > 0 and best.accuracy > 0.8 * whole.accuracy
    assert best.parameters == sum(p.numel() for p in result.model.parameters()) < whole.parameters / 2
    assert result.proof.holds and all(cycle.proof.holds for cycle in result.cycles)
    assert whole.macs == 64 * 8 * 9 + 16 * 8 * 12 * 9 + 48 * 20 + 20 * 3
    assert list(result.history["returned"]).index(True) == result.returned
    assert list(result.layers["before"]) == [8, 12, 20]
    assert "<- returned" in result.report() and "of the parameters" in result.report()
    chart = result.plot()
    assert chart.alt_text.startswith(f"Accuracy of {len(result.cycles)} networks") and chart.data is not None
    assert chart.image().startswith(b"\x89PNG")


def test_each_cycle_drops_the_lowest_scores_and_rewinds_the_rest(task: Task) -> None:
    network = small_network()
    result = task.prune(network, stop=Stop("cycles", 3), metric="min_layer", p=0.3)
    first = dict(tensors(network))
    units = result.units
    for cycle, seen in zip(result.cycles, task.seen, strict=True):
        places = kept_places(units, cycle.mask)
        assert all(torch.equal(seen[name], part(first[name], places.get(name, []))) for name in first)
    for cycle, following_one in zip(result.cycles, result.cycles[1:], strict=False):
        for i, kept in enumerate(cycle.mask.layers):
            scores = np.where(kept, cycle.statistics["mean_of_abs"][i], np.inf)
            gone = kept & ~following_one.mask.layers[i]
            assert gone.sum() == max(1, int(0.3 * kept.sum()))
            assert set(np.flatnonzero(gone)) == set(np.argsort(scores)[: gone.sum()])


def test_equal_seeds_give_equal_bits(task: Task) -> None:
    one, other = (task.prune(small_network(), stop=Stop("cycles", 2), p=0.5, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(tensors(one.model), tensors(other.model), strict=True))
    another = task.prune(small_network(), stop=Stop("cycles", 2), p=0.5, seed=4)
    assert not torch.equal(one.model.out.weight, another.model.out.weight)


def test_kappa_returns_the_last_good_network_and_names_the_one_that_failed() -> None:
    result = prune(small_network(), nudge, accuracies(0.9, 0.89, 0.88, 0.5), images(8, 1, 8, 8).split(4), kappa=0.95)
    assert (result.returned, result.failed, len(result.cycles)) == (2, 3, 4)
    assert sum(p.numel() for p in result.model.parameters()) == result.cycles[2].parameters
    kept = result.cycles[3].mask.units_remaining
    assert f"cycle 3, with {kept} units, fell to 0.5000; the bound is 0.95 x 0.9000 = 0.8550" in result.report()
    result = prune(
        small_network(), nudge, accuracies(0.9, 0.5, 0.4), images(8, 1, 8, 8).split(4), p=0.5,
        stop=Stop("kappa", 0.95, "one_more"),
    )  # fmt: skip
    assert (result.returned, result.failed) == (2, 1)
    assert sum(p.numel() for p in result.model.parameters()) == result.cycles[2].parameters


@pytest.fixture(scope="module")
def trainer() -> Trainer:
    network, example = small_network(), images(8, 1, 8, 8)
    units = find(network, example)
    return Trainer(network, units, nudge, lambda model: 1.0, example.split(4), example, 0)


ENDS = [Stop("cycles", 3), Stop("fraction", 0.4), Stop("kappa", 0.5)]


@pytest.mark.parametrize("metric", sorted(set(metrics) - {"oracle"}))
def test_every_metric_selection_schedule_and_stop(trainer: Trainer, metric: str) -> None:
    for selection in ("exact", "authors"):
        for schedule, p, stop in zip(("fraction", "one_unit", "fraction"), (0.3, None, 0.7), ENDS, strict=True):
            if schedule == "one_unit" and stop.rule == "fraction":
                stop = Stop("cycles", 5)
            run = rules(metric, p, schedule, selection, "abs_of_mean", 0, stop)
            _, cycles = walk(trainer, run, Widths(), None)
            masks = [cycle.mask for cycle in cycles]
            for before, after in pairwise(masks):
                assert all((a & b == b).all() for a, b in zip(before.layers, after.layers, strict=True))
            assert all(0 not in mask.units_per_layer for mask in masks)
            assert (
                run.stop(cycles)
                or following(run, Widths(), trainer.units, cycles[-1].state, cycles[-1].statistics) is None
            )


def test_the_oracle_is_refused() -> None:
    with pytest.raises(InputError, match="'oracle' needs loss_without, one pass over the data for each unit"):
        prune(small_network(), nudge, accuracies(1.0), images(8, 1, 8, 8).split(4), metric="oracle")


def test_floors_and_multiples(trainer: Trainer) -> None:
    run = rules("min_layer", 0.3, "fraction", "exact", "mean_of_abs", 0, Stop("cycles", 99))
    _, cycles = walk(trainer, run, Widths({"conv2": 7}), None)
    assert cycles[-1].mask.units_per_layer == (1, 7, 1)
    _, cycles = walk(trainer, run, Widths(multiple=4), None)
    assert {width % 4 for cycle in cycles for width in cycle.mask.units_per_layer} == {0}
    assert cycles[-1].mask.units_per_layer == (4, 4, 4)
    assert len({cycle.mask for cycle in cycles}) == len(cycles)  # nothing is trained twice
    # What a layer keeps beyond what was chosen are the best of those that it had.
    filled = 0
    for before, cycle in zip(cycles, cycles[1:], strict=False):
        for i, (kept, chosen) in enumerate(zip(cycle.mask.layers, cycle.state.chosen.layers, strict=True)):
            score = before.statistics["mean_of_abs"][i]
            gone, filling = before.mask.layers[i] & ~kept, kept & ~chosen
            filled += filling.sum()
            assert not (gone.any() and filling.any()) or score[gone].max() <= score[filling].min()
    assert filled > 5


def test_each_output_of_tied_layers_keeps_a_unit() -> None:
    units = find(NETWORKS["grouped"][0](), NETWORKS["grouped"][1])
    nothing = Mask([np.zeros(4, bool), np.zeros(4, bool)])
    kept = Widths().filled(units, nothing, Mask.full((4, 4)), [np.array([1.0, 3, 2, 0]), np.array([0.0, 0, 0, 1])])
    assert [list(np.flatnonzero(layer)) for layer in kept.layers] == [[1], [3]]
    kept = Widths(multiple=6).filled(units, nothing, Mask.full((4, 4)), [np.arange(4.0), np.arange(4.0)])
    assert kept.units_per_layer == (3, 2)  # of four channels each, and of three


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_masked_is_cut_after_twelve_steps(name: str) -> None:
    network: Any = shaken(Residual(colours=3)).double()
    example = images(6, 3, 12, 12).double()
    units = find(network, example)
    mask = Mask(np.arange(width) % 2 == 0 for width in units.widths)
    weights = copies(network, learning=True)
    learnt = [tensor for tensor in weights.values() if tensor.requires_grad]
    small = cut(network, units, mask).train()
    optimisers = [
        torch.optim.SGD(own, 0.05, momentum=0.9, weight_decay=1e-2)
        if name == "sgd"
        else torch.optim.AdamW(own, 1e-3, weight_decay=1e-2)
        for own in (learnt, list(small.parameters()))
    ]
    masks = units.masks(mask, units.training)
    labels = torch.arange(6)
    for step in range(12):
        x = example + step / 10
        outputs = [units.training.graph.run(weights, x, masks=masks), small(x)]
        for output, optimiser in zip(outputs, optimisers, strict=True):
            optimiser.zero_grad()
            F.cross_entropy(output, labels).backward()
            optimiser.step()
    places = kept_places(units, mask)
    for key, tensor in tensors(small):
        masked = part(weights[key], places.get(key, []))
        assert torch.allclose(masked.double(), tensor.double(), rtol=0, atol=1e-9), key
    assert not torch.equal(dict(tensors(small))["head.weight"], part(network.head.weight, places["head.weight"]))


def test_saved_and_loaded_it_is_the_same(task: Task, tmp_path: Path) -> None:
    for make, example in ((small_network, task.held_out), *(NETWORKS[name][:2] for name in ("grouped", "twice"))):
        result = prune(make(), nudge, lambda model: 1.0, [example], stop=Stop("cycles", 2), p=0.5)
        path = tmp_path / "small.safetensors"
        result.save(path)
        loaded = load_pruned(make(), path)
        assert torch.equal(loaded(example), result.model(example)) and not loaded.training
        assert [n for n, _ in tensors(loaded)] == [n for n, _ in tensors(result.model)]
        assert sum(p.numel() for p in loaded.parameters()) == result.cycle.parameters
    assert loaded.c.weight is loaded.b.weight
    assert b"pickle" not in path.read_bytes()


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    result = prune(small_network(), nudge, lambda model: 1.0, images(8, 1, 8, 8).split(4), stop=Stop("cycles", 2))
    path = tmp_path / "small.safetensors"
    result.save(path)
    with pytest.raises(InputError, match="holds a Small, not a Residual; give a fresh instance of Small"):
        load_pruned(Residual(), path)
    wider = Small()
    wider.out.weight = nn.Parameter(torch.zeros(4, 20))
    with pytest.raises(InputError, match=r"'out.weight' .* has the shape \(4, 20\), .* had \(3, 20\)"):
        load_pruned(wider, path)
    wider.extra = nn.Linear(2, 2)
    with pytest.raises(
        InputError, match="has .'extra.bias', 'extra.weight'. besides; build it with the same arguments"
    ):
        load_pruned(wider, path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    altered = tmp_path / "altered.safetensors"
    altered.write_bytes(content)
    with pytest.raises(InputError, match="was altered after it was saved"):
        load_pruned(Small(), altered)
    altered.write_bytes(path.read_bytes().replace(b'\\"drops', b'\\"Drops').replace(b"sizes", b"SIZES"))
    with pytest.raises(InputError, match="was altered after it was saved"):
        load_pruned(Small(), altered)
    altered.write_bytes(content[:200])
    with pytest.raises(InputError, match="no whole safetensors file"):
        load_pruned(Small(), altered)
    with pytest.raises(InputError, match="there is no file"):
        load_pruned(Small(), tmp_path / "nothing")
    with pytest.raises(InputError, match="cannot write .* choose a folder that exists"):
        result.save(tmp_path / "no folder" / "small.safetensors")


SCRIPT = """
import os, signal, sys
import torch
from pruning_tasks import Task, small_network
from dropnet_core.stops import Stop
torch.set_num_threads(1)
class Killed(Task):
    def __init__(self):
        self.images, self.labels, self.held_out, self.truth = torch.load("data.pt", weights_only=True)
        self.epochs, self.seen = 4, []
    def fit(self, model):
        super().fit(model)
        if len(self.seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
result = Killed().prune(small_network(), stop=Stop("cycles", 2), p=0.4, folder="run")
result.save("small.safetensors")
Killed().prune(small_network(), stop=Stop("cycles", 9), p=0.4, folder="other")
"""


def test_a_run_that_was_killed_goes_on_to_the_same_bits(task: Task, tmp_path: Path) -> None:
    torch.save([task.images, task.labels, task.held_out, task.truth], tmp_path / "data.pt")
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    files = sorted(path.name for path in (tmp_path / "other").iterdir())
    assert files == ["cycle000.safetensors", "cycle001.safetensors", "first.safetensors", "settings.json"]
    expected = task.prune(small_network(), stop=Stop("cycles", 4), p=0.4)
    task.seen.clear()
    with pytest.warns(UserWarning, match="goes on from the first weights it holds"):
        found = task.prune(small_network(1), stop=Stop("cycles", 4), p=0.4, folder=tmp_path / "other")
    assert len(task.seen) == 2  # of four
    assert [cycle.mask for cycle in found.cycles] == [cycle.mask for cycle in expected.cycles]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(tensors(found.model), tensors(expected.model), strict=True))
    # What another process saved is the network of the second cycle.
    loaded = load_pruned(small_network(2), tmp_path / "small.safetensors")
    again = task.prune(small_network(), stop=Stop("cycles", 2), p=0.4, folder=tmp_path / "run")
    assert len(task.seen) == 2 and torch.equal(loaded(task.held_out), again.model(task.held_out))


def test_a_folder_of_another_run_is_refused(task: Task, tmp_path: Path) -> None:
    data = images(8, 1, 8, 8).split(4)
    prune(small_network(), nudge, lambda model: 1.0, data, stop=Stop("cycles", 1), folder=tmp_path)
    with pytest.raises(InputError, match="holds a run with metric 'min_layer', not 'max'; choose another folder"):
        prune(small_network(), nudge, lambda model: 1.0, data, stop=Stop("cycles", 1), folder=tmp_path, metric="max")
    with pytest.warns(UserWarning, match="goes on from the first weights it holds"):
        prune(small_network(1), nudge, lambda model: 1.0, data, stop=Stop("cycles", 2), folder=tmp_path / ".")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        prune(small_network(), nudge, lambda model: 1.0, data, folder=blocked)


def never(model: Any) -> None:
    raise AssertionError("nothing may be trained")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kappa": 0.0}, "kappa lies above 0 and at most at 1, not 0"),
        ({"kappa": 1.5}, "kappa lies above 0 and at most at 1, not 1.5"),
        ({"kappa": 0.9, "stop": Stop("cycles", 2)}, "give either kappa or stop"),
        ({"metric": "mim"}, "unknown metric 'mim'; did you mean 'min'"),
        ({"selection": "exakt"}, "unknown selection 'exakt'; did you mean 'exact'"),
        ({"p": 0.0}, "p is the fraction"),
        ({"seed": -1}, "a seed is a whole number"),
        ({"exclude": ["convv1"]}, "unknown layer 'convv1'; did you mean 'conv1'"),
        ({"least": {"conv": 3}}, "unknown layer 'conv'; did you mean 'conv"),
        ({"least": {"conv1": 0}}, "'conv1' must be a whole number of at least 1, not 0"),
        ({"multiple": 0}, "'multiple' must be a whole number of at least 1"),
        ({"batches": images(8, 1, 8, 8)}, r"give it as batches: images.split\(256\)"),
        ({"batches": iter(images(8, 1, 8, 8).split(4))}, "can be gone through only once"),
        ({"batches": []}, "batches gave no batch"),
        ({"batches": [{"image": 1}]}, "not dict; give it a DataLoader"),
        ({"batches": [images(1, 1, 8, 8)]}, "must hold at least two images"),
        ({"fit": 3}, "fit must be a function of the model, not int"),
        ({"network": LeNetWithNumber(), "batches": [images(4, 1, 28, 28)]}, r"view to \(-1, 256\) at networks_to_pr"),
        ({"network": Recurrent(), "batches": [images(4, 6, 8)]}, "no unit of this network can be dropped: lstm at"),
        ({"network": nn.Linear(64, 2), "batches": [images(4, 64)]}, "no unit of this network can be dropped"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_before_any_training(settings: dict[str, Any], message: str) -> None:
    given = {"network": small_network(), "fit": never, "batches": images(8, 1, 8, 8).split(4)} | settings
    network, fit, batches = given.pop("network"), given.pop("fit"), given.pop("batches")
    with pytest.raises(InputError, match=message):
        prune(network, fit, lambda model: 1.0, batches, **given)


def test_a_fit_that_trains_something_else_is_refused(task: Task) -> None:
    import copy

    with pytest.raises(InputError, match="must train the very model that it is given, in place"):
        prune(small_network(), lambda model: task.fit(copy.deepcopy(model)), task.accuracy, task.images.split(40))

    def reshape(model: Any) -> None:
        model.out = nn.Linear(20, 5)

    with pytest.raises(InputError, match="changed the shapes"):
        prune(small_network(), reshape, task.accuracy, task.images.split(40))
    for value, message in ((None, "must return one number"), (float("nan"), "a finite number"), (0.0, "above 0")):
        with pytest.raises(InputError, match=message):
            prune(small_network(), nudge, lambda model, value=value: value, task.images.split(40))  # type: ignore[misc]


def test_a_network_that_diverges_ends_the_run() -> None:
    def explode(model: Any) -> None:
        with torch.no_grad():
            model.conv1.weight.mul_(float("inf"))

    result = prune(small_network(), explode, lambda model: 0.3, images(8, 1, 8, 8).split(4))
    assert len(result.cycles) == 1 and "no longer finite" in result.report()
    assert State.first(result.units) == result.cycle.state
