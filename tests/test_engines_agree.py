"""Every engine computes what the reference defines, and a job's outcome depends on the job alone.

The kernels compute in float32 only. They are held against the reference in float64, beside which PyTorch's own float32
lies as far away; trainings are short, since each further step carries the first roundings on.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from outcome_differences import HISTORY, difference, gaps
from some_jobs import FLOAT64, lacking, some_jobs, taking, train_all

from dropnet_core.basics.errors import InputError
from dropnet_core.data import DataSet, load
from dropnet_core.engines import compact, emptied, engines, fastest, kernels
from dropnet_core.engines.kernels.engine import Trainer
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import PRECISIONS, Recipe
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, status, train

CPU = torch.device("cpu")


def differences(data: DataSet, engine: str, jobs: list[Job], exact: list[Outcome]) -> list[float]:
    """How far an engine lies from each of these outcomes."""
    found = train_all(engine, data, jobs)
    assert found.keys() == set(jobs)
    return [difference(outcome, found[job]) for job, outcome in zip(jobs, exact, strict=True)]


def defined(data: DataSet, jobs: list[Job]) -> list[Outcome]:
    """What the reference gives in float64."""
    in_float64 = [replace(job, recipe=replace(job.recipe, precision="float64")) for job in jobs]
    found = train_all("reference", data, in_float64)
    return [found[job] for job in in_float64]


@pytest.mark.parametrize("name", ["fc9-fc5", "conv5-conv3-dense4"])
def test_engines_agree_with_the_reference_in_float64(tiny, name):
    jobs = some_jobs(tiny, name, FLOAT64)
    largest = max(differences(tiny, "compact", jobs, defined(tiny, jobs)))
    print(f"compact {name}: largest difference {largest:.1e}")
    assert largest < 1e-8


@pytest.mark.parametrize(
    "name", ["fc9", "fc40-fc17", "fc6-dense5-fc4", "dense7-fc6", "conv5", "conv5-conv3-dense4", "conv17-conv9-conv3"]
)
@pytest.mark.parametrize("size", [32, 7])
def test_kernels_agree_with_the_reference_but_for_rounding(tiny, name, size):
    jobs = some_jobs(tiny, name, Recipe(max_epochs=2, batch_size=size), [0])
    exact, off = defined(tiny, jobs), {}
    for engine in ("reference", "compact", "kernels"):
        found = train_all(engine, tiny, jobs)
        apart = [gaps(outcome, found[job]) for outcome, job in zip(exact, jobs, strict=True)]
        off[engine] = max(smooth for smooth, _ in apart), max(counted for _, counted in apart)
    print(f"{name} by {size}: " + ", ".join(f"{engine} {a:.1e} ({b:.1e})" for engine, (a, b) in off.items()))
    assert off["kernels"][0] < 2e-6
    assert off["kernels"][1] < 1.01 / 150


@pytest.mark.parametrize("change", [{"shuffle": True}, {"augment": "affine"}, {"shuffle": True, "augment": "affine"}])
@pytest.mark.parametrize("name", ["fc9-fc5", "conv5-conv3-dense4"])
def test_kernels_present_images_as_the_recipe_says(tiny, name, change):
    jobs = some_jobs(tiny, name, Recipe(max_epochs=2, **change), [1])
    largest = max(differences(tiny, "kernels", jobs, defined(tiny, jobs)))
    plain = [replace(job, recipe=Recipe(max_epochs=2)) for job in jobs]
    assert largest < 2e-6 < 1e-3 < max(differences(tiny, "kernels", plain, defined(tiny, jobs)))


def test_engines_agree_on_residual_networks_and_on_batch_norm(tiny16, tiny32):
    for data, jobs in (
        (tiny16, [lacking("resnet18/32", tiny16, *e, share=0.7) for e in [(), (7, 17), (1, 4), (6, 7), (0,)]]),
        (tiny32, [lacking("vgg19/32", tiny32, *e, share=0.7) for e in [(), (3,), (14, 15)]]),
    ):
        assert {fastest(job.network, Recipe(), CPU) for job in jobs} == {"compact"}
        largest = max(differences(data, "compact", jobs, defined(data, jobs)))
        print(f"{jobs[0].network.name}: largest difference {largest:.1e}")
        assert largest < 1e-8


def test_only_networks_that_learn_no_more_than_a_bias_share_a_training(tiny16, tiny32):
    assert not emptied.Emptied.applies(lacking("resnet18/32", tiny16, 7, 12, 17))
    assert emptied.Emptied.applies(lacking("resnet18/32", tiny16, 6, 7))
    cut = lacking("vgg19/32", tiny32, 3)
    assert not emptied.Emptied.applies(cut)
    # In VGG19 too nothing but the output layer's bias learns, since the shifts start at zero. But the statistics of
    # the batch norms before the cut move, and with them the scores of the units there.
    model = MaskedNetwork(cut.network, cut.first_weights(), cut.mask).double()
    train(model, tiny32, cut.recipe, 0)
    first = {name: weight.double() for name, weight in cut.first_weights().items()}
    changed = {name for name, weight in model.trained().items() if not torch.equal(weight, first[name])}
    norms = {f"{i}.variance" for i in (1, 3, 7, 11, 15)}
    assert changed == {"17.bias", *norms, "1.mean", "3.mean"}


def test_rewinding_sets_the_moving_statistics_back(tiny32):
    job = lacking("vgg19/32", tiny32, share=0.7)
    for engine in ("reference", "compact"):
        once, (_, again) = train_all(engine, tiny32, [job])[job], engines[engine](tiny32, taking([job, job]))
        assert difference(once, again[1]) == 0


@pytest.mark.parametrize("name", ["fc4-fc3", "conv4-dense2-fc3"])
def test_engines_agree_on_the_oracles_statistic(tiny, name):
    network = describe(name, tiny.shape, 3)
    kept = ([np.arange(4) != 1, np.ones(3)], [np.zeros(4), np.ones(3)], [np.ones(4), np.zeros(3)])
    jobs = [Job(replace(FLOAT64, max_epochs=2), network, 0, 0, Mask(k), needs=("loss_without",)) for k in kept]
    exact = defined(tiny, jobs)
    assert max(differences(tiny, "compact", jobs, exact)) < 1e-8
    rounded = [replace(job, recipe=replace(job.recipe, precision="float32")) for job in jobs]
    assert max(differences(tiny, "kernels", rounded, exact)) < 2e-6
    without = exact[0].statistics["loss_without"]
    assert without[0][1] == 0
    assert (without[0][[0, 2, 3]] > 0).all()


@pytest.mark.parametrize(
    ("engine", "name"), [("kernels", "fc9-fc5"), ("kernels", "conv4-conv3"), ("compact", "conv4-conv3")]
)
def test_an_outcome_does_not_depend_on_neighbours_or_place(tiny, engine, name):
    recipe = Recipe(max_epochs=3)
    jobs = some_jobs(tiny, name, recipe, seeds=range(3))
    others = [replace(recipe, batch_size=7), replace(recipe, shuffle=True), recipe]
    crowd = [job for other in others for job in some_jobs(tiny, name, other, seeds=range(4, 5))]
    alone = [train_all(engine, tiny, [job])[job] for job in jobs]
    in_other_places = train_all(engine, tiny, jobs[::-1])
    in_a_crowd = train_all(engine, tiny, [*crowd, *jobs])
    for job, outcome in zip(jobs, alone, strict=True):
        for other in (in_other_places, in_a_crowd):
            assert difference(outcome, other[job]) == 0


@pytest.mark.parametrize("name", ["fc4", "conv3-conv2"])
def test_a_network_that_diverges_is_told_as_the_reference_tells_it(tiny, name):
    """Where sums overflow in both directions the order decides between infinite and no number: hence few layers."""
    network, told = describe(name, tiny.shape, 3), 0
    for seed in range(8):
        job = Job(Recipe(learning_rate=1e30, max_epochs=3), network, seed, seed, Mask.full(network.widths))
        expected, found = (train_all(engine, tiny, [job])[job] for engine in ("reference", "kernels"))
        assert status(found, 0.34, cut_off=False) == status(expected, 0.34, cut_off=False)
        assert found.history.epochs == expected.history.epochs
        for part in HISTORY:
            a, b = getattr(found.history, part), getattr(expected.history, part)
            assert np.isfinite(a).tolist() == np.isfinite(b).tolist()
        told += found.history.diverged
    assert told > 4


def test_early_stopping_is_the_references(tiny):
    network = describe("fc9-fc5", tiny.shape, 3)
    job = Job(Recipe(patience=1, max_epochs=60, learning_rate=0.5), network, 0, 0, Mask.full(network.widths))
    expected, found = (train_all(engine, tiny, [job])[job] for engine in ("reference", "kernels"))
    assert found.history.epochs == expected.history.epochs < 60
    assert found.history.best_epoch == expected.history.best_epoch == found.history.epochs - 2
    assert found.best_test_accuracy == expected.best_test_accuracy


def test_an_emptied_network_is_trained_once_and_its_record_is_what_training_gives(tiny, monkeypatch):
    for engine, owner, name in (("compact", compact, "trained"), ("kernels", Trainer, "train_bias")):
        jobs = [job for job in some_jobs(tiny, "conv5-conv3", Recipe(max_epochs=30)) if job.mask.has_empty_layer]
        expected = train_all("reference", tiny, jobs)
        trained: list[tuple] = []
        own = getattr(owner, name)

        def counted(*arguments, own=own, trained=trained):
            trained.append(arguments)
            return own(*arguments)

        monkeypatch.setattr(owner, name, counted)
        found = train_all(engine, tiny, jobs)
        assert len(trained) == 1
        for job in jobs:
            assert difference(expected[job], found[job]) < 1e-6


@pytest.mark.parametrize("engine", ["compact", "kernels"])
def test_emptied_networks_that_see_other_orders_are_not_one(tiny, engine):
    network = describe("conv3-conv2", tiny.shape, tiny.classes)
    mask = Mask([np.zeros(3), np.ones(2)])
    jobs = [Job(Recipe(shuffle=True, max_epochs=2), network, seed, seed, mask) for seed in (0, 1)]
    together, alone = train_all(engine, tiny, jobs), train_all(engine, tiny, jobs[1:])
    assert difference(together[jobs[1]], alone[jobs[1]]) == 0
    assert difference(together[jobs[0]], together[jobs[1]]) > 0


def test_emptied_networks_of_other_recipes_are_not_one(tiny):
    network = describe("fc3", tiny.shape, tiny.classes)
    recipes = Recipe(max_epochs=2), Recipe(max_epochs=2, batch_size=8), Recipe(max_epochs=2, learning_rate=0.01)
    jobs = [Job(recipe, network, 0, 0, Mask([np.zeros(3)])) for recipe in recipes]
    assert max(differences(tiny, "kernels", jobs, defined(tiny, jobs))) < 1e-6


def test_float32_gives_the_same_distributions(tiny):
    """Accuracies and stopping epochs over 30 seeds on real digits: the means lie within their standard errors."""
    data = load("mnist5k")
    network = describe("fc6-fc5", data.shape, data.classes)
    recipe = Recipe(patience=1, max_epochs=8)
    jobs = [Job(recipe, network, seed, seed, Mask.full(network.widths)) for seed in range(30)]
    results = {}
    for engine in ("compact", "kernels"):
        outcomes = train_all(engine, data, jobs)
        results[engine] = np.array([[outcomes[j].test_accuracy, outcomes[j].history.epochs] for j in jobs])
    gap = abs(results["compact"].mean(axis=0) - results["kernels"].mean(axis=0))
    error = np.sqrt(sum(r.var(axis=0, ddof=1) for r in results.values()) / 30)
    print("gap in standard errors", gap / error)
    assert (gap < 2 * error).all()


def test_the_fastest_engine_can_train_what_it_is_chosen_for(monkeypatch):
    plain = [describe(name, (1, 28, 28), 10) for name in ("fc40-fc40", "conv64-conv32", "conv4-dense9")]
    deep = [describe(name, (3, 32, 32), 10) for name in ("resnet18/32", "vgg19/32")]
    for recipe in (Recipe(), Recipe(shuffle=True), Recipe(augment="affine", batch_size=50)):
        assert {fastest(network, recipe, CPU) for network in plain} == {"kernels"}
        assert {fastest(network, recipe, CPU) for network in deep} == {"compact"}
    for precision in set(PRECISIONS) - {"float32"}:
        assert {fastest(network, Recipe(precision=precision), CPU) for network in plain} == {"compact"}
    assert {fastest(network, Recipe(), torch.device("cuda")) for network in plain} == {"compact"}
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    assert {fastest(network, Recipe(), CPU) for network in plain} == {"compact"}


@pytest.mark.parametrize(
    ("network", "change", "words"),
    [
        ("resnet18/32", {}, "kernels train dense layers and convolutions with a max-pool"),
        ("vgg19/32", {}, "kernels train dense layers and convolutions with a max-pool"),
        ("fc3", {"precision": "float64"}, "kernels compute in float32"),
        ("conv3", {"precision": "bf16"}, "kernels compute in float32"),
    ],
)
def test_the_kernels_refuse_what_they_cannot_train(tiny32, network, change, words):
    network = describe(network, tiny32.shape, 3)
    with pytest.raises(InputError, match=f"'kernels' cannot train {network.name} .*{words}.*choose 'compact'"):
        train_all("kernels", tiny32, [Job(Recipe(**change), network, 0, 0, Mask.full(network.widths))])


def test_all_engines_leave_the_data_alone(tiny):
    before = {name: (split.images.clone(), split.labels.clone()) for name, split in tiny.parts.items()}
    for engine in engines:
        for network in ("fc4", "conv4"):
            train_all(engine, tiny, some_jobs(tiny, network, Recipe(max_epochs=1), [0]))
    for name, (images, labels) in before.items():
        assert torch.equal(images, tiny.parts[name].images) and torch.equal(labels, tiny.parts[name].labels)
