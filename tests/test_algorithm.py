"""Algorithm 1 without any training: what it asks for, in what order, and where it ends."""

import numpy as np
import pytest
from tiny_runs import NETWORK, small

from dropnet_core.algorithm import pruning
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import experiment
from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.networks.plain import describe
from dropnet_core.runs import Job, Run, initials
from dropnet_core.schedules import schedules
from dropnet_core.stops import Stop
from dropnet_core.training import History, Outcome

GLOBAL, LAYER = ("min", "max", "random", "apoz"), ("min_layer", "max_layer", "random_layer", "apoz_layer")


def made_up(mask: Mask, generator: np.random.Generator, validation_accuracy: float = 0.5) -> Outcome:
    """An outcome with random statistics, as if a network had been trained."""
    statistics = {
        name: [generator.random(width) for width in mask.widths]
        for name in ("mean_of_abs", "abs_of_mean", "zeros", "zero_maps", "loss_without")
    }
    history = History([1.0], [0.5], [1.0], [validation_accuracy])
    return Outcome(history, 1.0, 0.5, 0.5, statistics)


def follow(run: Run, shape=(1, 28, 28), accuracies=None):
    """All cycles and jobs of a run whose trainings are made up."""
    network = describe(run.network, shape, 10)
    generator, jobs = np.random.default_rng(run.seed), list[Job]()
    trainings = pruning(run, network)
    job, _ = next(trainings)
    while True:
        jobs.append(job)
        accuracy = accuracies[len(jobs) - 1] if accuracies else 0.5
        try:
            job, _ = trainings.send(made_up(job.mask, generator, accuracy))
        except StopIteration as stop:
            return stop.value, jobs


def make(network, metric, stop, p=0.2, selection="authors", **more):
    return Run("test", "mnist", network, metric, 0, selection, p, stop=Stop("fraction", stop), **more)


COUNTS = [  # network, stop, global totals, layer-wise totals
    ("fc40-fc40", 0.05, "80 64 52 42 34 28 23 19 16 13 11 9 8 7 6 5 4", "80 64 52 42 34 28 24 20 16 14 12 10 8 6 4"),
    ("fc20-fc40", 0.05, "60 48 39 32 26 21 17 14 12 10 8 7 6 5 4 3", "60 48 39 32 26 22 19 16 13 11 9 7 5 3"),
    ("fc40-fc20", 0.05, "60 48 39 32 26 21 17 14 12 10 8 7 6 5 4 3", "60 48 39 32 26 22 19 16 13 11 9 7 5 3"),
    ("fc20-fc20", 0.1, "40 32 26 21 17 14 12 10 8 7 6 5 4", "40 32 26 22 18 16 14 12 10 8 6 4"),
    (
        "conv64-conv64", 0.02, "128 103 83 67 54 44 36 29 24 20 16 13 11 9 8 7 6 5 4 3 2",
        "128 104 84 68 56 46 38 32 26 22 18 16 14 12 10 8 6 4 2",
    ),
    (
        "conv32-conv64", 0.05, "96 77 62 50 40 32 26 21 17 14 12 10 8 7 6 5 4",
        "96 78 63 51 42 35 29 24 20 17 14 12 10 8 6 4",
    ),
    (
        "conv64-conv32", 0.05, "96 77 62 50 40 32 26 21 17 14 12 10 8 7 6 5 4",
        "96 78 63 51 42 35 29 24 20 17 14 12 10 8 6 4",
    ),
    (
        "conv64-conv64-conv128-conv128-dense256", 0.1, "384 308 247 198 159 128 103 83 67 54 44 36",
        "384 310 250 202 164 134 110 90 74 62 50 42 36",
    ),
    (
        "conv128-conv128-conv64-conv64-dense256", 0.1, "384 308 247 198 159 128 103 83 67 54 44 36",
        "384 310 250 202 164 134 110 90 74 62 50 42 36",
    ),
    (
        "conv128-conv128-conv128-conv128-dense256", 0.1, "512 410 328 263 211 169 136 109 88 71 57 46",
        "512 412 332 268 216 176 144 116 96 80 64 52 44",
    ),
    (
        "conv128-conv128-conv256-conv256-dense256", 0.1, "768 615 492 394 316 253 203 163 131 105 84 68",
        "768 616 494 398 320 258 208 168 136 112 90 74",
    ),
]  # fmt: skip


@pytest.mark.parametrize("selection", ["exact", "authors"])
@pytest.mark.parametrize(("network", "stop", "of_all", "by_layer"), COUNTS)
def test_counts_are_the_papers_and_masks_only_shrink(network, stop, of_all, by_layer, selection):
    for metric in GLOBAL + LAYER:
        cycles, jobs = follow(make(network, metric, stop, selection=selection))
        expected = [int(n) for n in (of_all if metric in GLOBAL else by_layer).split()]
        assert [cycle.mask.units_remaining for cycle in cycles] == expected
        for before, after in zip(cycles, cycles[1:], strict=False):
            assert all((b >= a).all() for b, a in zip(before.mask.layers, after.mask.layers, strict=True))


@pytest.mark.parametrize(
    ("network", "stop", "p", "totals"),
    [
        ("fc20-fc20", 0.1, 0.3, "40 28 20 14 10 7 5 4"),
        ("fc20-fc20", 0.1, 0.4, "40 24 15 9 6 4"),
        ("fc20-fc20", 0.1, 0.5, "40 20 10 5 3"),
        ("fc20-fc20", 0.1, 0.9, "40 4"),
        ("conv64-conv64", 0.01, 0.5, "128 64 32 16 8 4 2 1"),
        ("conv64-conv64-conv128-conv128-dense256", 0.1, 0.9, "384 39 4"),
    ],
)
def test_other_fractions_p(network, stop, p, totals):
    cycles, _ = follow(make(network, "min", stop, p))
    assert [cycle.mask.units_remaining for cycle in cycles] == [int(n) for n in totals.split()]


def test_layer_wise_runs_empty_the_thinner_layer_at_the_end():
    cycles, _ = follow(make("fc20-fc40", "min_layer", 0.05))
    assert cycles[-1].mask.units_per_layer == (0, 3)


def test_oracle_experiment_drops_one_unit_a_cycle_and_random_layer_one_in_each_layer():
    runs = {run.metric: run for run in experiment("oracle-fc20-fc20").runs() if run.seed == 0}
    for metric in ("oracle", "min", "max"):
        cycles, _ = follow(runs[metric])
        assert [c.mask.units_remaining for c in cycles] == list(range(40, 3, -1))
    cycles, jobs = follow(runs["random_layer"])
    assert [c.mask.units_remaining for c in cycles] == list(range(40, 3, -2))


def test_the_oracle_drops_the_unit_whose_absence_costs_least():
    run = make("fc3-fc2", "oracle", 0.1, p=None, schedule="one_unit")
    network = describe("fc3-fc2", (1, 28, 28), 10)
    trainings = pruning(run, network)
    job, _ = next(trainings)
    assert job.needs == ("loss_without",)
    outcome = made_up(job.mask, np.random.default_rng(0))
    outcome.statistics["loss_without"] = [np.array([3.0, 2.0, 4.0]), np.array([5.0, 2.5])]
    assert trainings.send(outcome)[0].mask.layers[0].tolist() == [True, False, True]


def test_every_cycle_starts_from_the_same_first_weights():
    _, jobs = follow(make("fc8-fc8", "min", 0.1))
    assert {job.weights for job in jobs} == {0}


def test_the_unpruned_network_is_one_job_for_all_metrics_and_readings():
    first = {
        next(pruning(make("fc8-fc8", metric, 0.1, selection=selection), describe("fc8-fc8", (1, 28, 28), 10)))[0]
        for metric in GLOBAL + LAYER
        for selection in ("exact", "authors")
    }
    assert len({job.key("data") for job in first}) == 1


@pytest.mark.parametrize("initial", ["reinit", "small_reinit"])
def test_reinitialised_runs_train_other_weights_under_the_same_masks(initial):
    rewound, _ = follow(make("fc8-fc8", "min", 0.1))
    run = make("fc8-fc8", "min", 0.1, initial=initial)
    cycles, jobs = follow_control(run)
    assert [c.mask for c in cycles] == [c.mask for c in rewound]
    assert {job.weights for job in jobs[0::2]} == {0}
    assert {job.weights for job in jobs[1::2]} == {20}
    assert {job.recipe.initial_range for job in jobs[1::2]} == {"small" if initial == "small_reinit" else "full"}
    assert {job.recipe.initial_range for job in jobs[0::2]} == {"full"}


def follow_control(run: Run):
    """As `follow`, but only the rewound network's statistics are drawn from the seed's stream."""
    network = describe(run.network, (1, 28, 28), 10)
    generator, jobs = np.random.default_rng(run.seed), list[Job]()
    trainings = pruning(run, network)
    job, _ = next(trainings)
    while True:
        jobs.append(job)
        rewound = len(jobs) % 2 == 1  # its stand-in follows each
        try:
            job, _ = trainings.send(made_up(job.mask, generator if rewound else np.random.default_rng(99)))
        except StopIteration as stop:
            return stop.value, jobs


@pytest.mark.parametrize("metric", ["min", "oracle"])
def test_redrawn_runs_train_random_units_in_the_rewound_runs_numbers(metric):
    rewound, _ = follow(make("fc20-fc40", metric, 0.05))
    cycles, jobs = follow_control(make("fc20-fc40", metric, 0.05, initial="redraw"))
    # The rewound job comes first, its stand-in second; only the first of all masks, the full one, is the same.
    assert [job.mask for job in jobs[0::2]] == [cycle.mask for cycle in rewound]
    assert [job.mask for job in jobs[1::2]] == [cycle.mask for cycle in cycles]
    counts = [[c.mask.units_per_layer for c in made] for made in (cycles, rewound)]
    assert counts[0] == counts[1]
    assert cycles[0].mask == rewound[0].mask and all(
        ours.mask != theirs.mask for ours, theirs in zip(cycles[1:], rewound[1:], strict=True)
    )
    assert {(job.weights, job.recipe.initial_range) for job in jobs} == {(0, "full")}
    assert {job.needs for job in jobs[1::2]} == {()}


def redrawn_masks(seed: int) -> list[Mask]:
    """Two layers that lose one unit each in every cycle, so that only the lot tells them apart."""
    run = Run("test", "mnist", "fc20-fc20", "min_layer", seed, "exact", None, "one_unit", initial="redraw")
    return [cycle.mask for cycle in follow_control(run)[0]]


def test_redrawn_units_never_come_back_and_are_drawn_anew_for_each_layer_and_seed():
    masks = redrawn_masks(0)
    for before, after in zip(masks, masks[1:], strict=False):
        assert all((b >= a).all() for b, a in zip(before.layers, after.layers, strict=True))
    assert masks == redrawn_masks(0)
    lives = {  # for how many cycles each unit of a layer is kept
        np.sum([mask.layers[layer] for mask in redrawn_masks(seed)], axis=0).tobytes()
        for seed in range(3)
        for layer in range(2)
    }
    assert len(lives) == 6


def test_redrawn_units_are_fair():
    alive = [redrawn_masks(seed)[10].layers[0] for seed in range(100)]
    kept = np.mean(alive, axis=0)  # of each unit, over the seeds
    assert (abs(kept - 0.5) < 4.5 * 0.5 / np.sqrt(100)).all()


def test_a_diverged_network_ends_its_run():
    network = describe("fc8-fc8", (1, 28, 28), 10)
    trainings = pruning(make("fc8-fc8", "min", 0.1), network)
    job, _ = next(trainings)
    outcome = made_up(job.mask, np.random.default_rng(0))
    outcome.history.train_loss[-1] = float("nan")
    with pytest.raises(StopIteration) as stop:
        trainings.send(outcome)
    assert len(stop.value.value) == 1


def test_a_network_without_units_ends_its_run():
    run = Run("t", "mnist", "fc2", "min", 0, "exact", 1.0, stop=Stop("cycles", 9))
    cycles, _ = follow(run)
    assert [c.mask.units_remaining for c in cycles] == [2, 0]


def test_streams_differ_between_cycles_metrics_and_seeds():
    runs = [make("fc8-fc8", metric, 0.1) for metric in ("random", "random_layer")]
    draws = {run.draw(cycle).random() for run in runs for cycle in range(5)}
    assert len(draws) == 10
    assert metrics["random"].scope == "global"


def test_schedules_and_initials_that_give_something_else_are_refused(monkeypatch):
    """Before any training, or at the first cycle: not an empty table."""
    monkeypatch.setattr(schedules, "_entries", dict(schedules._entries))
    monkeypatch.setattr(initials, "_entries", dict(initials._entries))
    schedules.add("half", lambda p: lambda left: left / 2)  # type: ignore[arg-type,return-value]
    schedules.add("three", lambda p: 3)  # type: ignore[arg-type,return-value]
    for name, gave in (("half", "1.0"), ("three", "None")):
        with pytest.raises(InputError, match=f"schedule '{name}' must give a function .* gave {gave}"):
            small(schedule=name).runs()
    initials.add("forgotten", lambda job: None)  # type: ignore[arg-type,return-value]
    run = small(initial=("forgotten",)).runs()[0]
    following = pruning(run, NETWORK)
    job, _ = next(following)
    with pytest.raises(InputError, match="initial='forgotten' must give a job for each job, not None"):
        following.send(made_up(job.mask, np.random.default_rng(0)))


def test_the_draws_of_a_random_metric_are_pinned():
    """Records at the paper's scale were made with them."""
    cycles, _ = follow(small(metrics=("random",), seeds=(0,), network="fc6-fc4").runs()[0])
    assert [cycle.mask.text() for cycle in cycles] == ["6:fc|4:f0", "6:d8|4:c0", "6:50|4:c0", "6:50|4:40"]
