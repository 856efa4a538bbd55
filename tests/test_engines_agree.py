"""Every engine computes what the reference defines, and a job's outcome depends on the job alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from some_jobs import taking, train_all

from dropnet_core.data import DataSet, Split, load
from dropnet_core.engines import emptied, engines, fastest
from dropnet_core.engines.batches import Prepared
from dropnet_core.engines.member import Member, blocks, padded_widths
from dropnet_core.engines.stack import Stack
from dropnet_core.engines.tally import Tally
from dropnet_core.engines.walk import Walk
from dropnet_core.errors import InputError
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train

FLOAT64 = Recipe(precision="float64", max_epochs=4)
HISTORY = ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy")


def some_jobs(data: DataSet, name: str, recipe: Recipe, seeds=range(2)) -> list[Job]:
    """The full network, random masks, one unit left in all layers and in one, an emptied layer; each seed."""
    network = describe(name, data.shape, data.classes)
    generator = np.random.default_rng(0)
    masks = [Mask.full(network.widths)]
    masks += [Mask(generator.random(w) < share for w in network.widths) for share in (0.8, 0.5, 0.3)]
    masks += [Mask(np.arange(w) < 1 for w in network.widths)]
    for empty in range(len(network.widths)):
        for left in (1, 0):
            masks.append(Mask(np.arange(w) < (left if i == empty else w) for i, w in enumerate(network.widths)))
    return [Job(recipe, network, seed, seed, mask) for seed in seeds for mask in masks]


def difference(a: Outcome, b: Outcome) -> float:
    """The largest difference of any number of two outcomes that have the same epochs."""
    pairs = [
        (x, y) for name in HISTORY for x, y in zip(getattr(a.history, name), getattr(b.history, name), strict=True)
    ]
    pairs += [(a.test_loss, b.test_loss), (a.test_accuracy, b.test_accuracy)]
    pairs += [(a.best_test_accuracy, b.best_test_accuracy)]
    assert a.statistics.keys() == b.statistics.keys()
    for name, layers in a.statistics.items():
        for x, y in zip(layers, b.statistics[name], strict=True):
            pairs += zip(x.tolist(), y.tolist(), strict=True)
    return max(abs(x - y) for x, y in pairs)


@pytest.mark.parametrize(
    ("engine", "name"),
    [("compact", "fc9-fc5"), ("compact", "conv5-conv3-dense4")]
    + [("stacked", n) for n in ("fc9", "fc40-fc17", "fc6-dense5-fc4", "dense7-fc6")],
)
def test_engines_agree_with_the_reference_in_float64(tiny, engine, name):
    jobs = some_jobs(tiny, name, FLOAT64)
    expected, found = (train_all(e, tiny, jobs) for e in ("reference", engine))
    assert expected.keys() == found.keys() == set(jobs)
    largest = max(difference(expected[job], found[job]) for job in jobs)
    print(f"{engine} {name}: largest difference {largest:.1e}")
    assert largest < 1e-8


def lacking(name: str, data: DataSet, *layers: int, share: float = 1.0) -> Job:
    """A job for a deep network in which these layers are empty and of the others this share is left."""
    network, generator = describe(name, data.shape, data.classes), np.random.default_rng(0)
    kept = [generator.random(width) < (0 if i in layers else share) for i, width in enumerate(network.widths)]
    return Job(replace(FLOAT64, max_epochs=2), network, 0, 0, Mask(kept))


def test_engines_agree_on_residual_networks_and_on_batch_norm(tiny16, tiny32):
    for data, jobs in (
        (tiny16, [lacking("resnet18/32", tiny16, *e, share=0.7) for e in [(), (7, 17), (1, 4), (6, 7), (0,)]]),
        (tiny32, [lacking("vgg19/32", tiny32, *e, share=0.7) for e in [(), (3,), (14, 15)]]),
    ):
        assert {fastest(job.network, job.recipe) for job in jobs} == {"compact"}
        expected, found = (train_all(engine, data, jobs) for engine in ("reference", "compact"))
        largest = max(difference(expected[job], found[job]) for job in jobs)
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


def test_engines_agree_on_the_oracles_statistic(tiny):
    job = Job(
        replace(FLOAT64, max_epochs=2),
        describe("fc4-fc3", tiny.shape, 3),
        0,
        0,
        Mask([np.arange(4) != 1, np.ones(3)]),
    )
    job = replace(job, needs=("loss_without",))
    expected = train_all("reference", tiny, [job])[job]
    emptied_jobs = [replace(job, mask=Mask(kept)) for kept in ([np.zeros(4), np.ones(3)], [np.ones(4), np.zeros(3)])]
    for engine in ("compact", "stacked"):
        assert difference(expected, train_all(engine, tiny, [job])[job]) < 1e-8
        for empty in emptied_jobs:
            truth = train_all("reference", tiny, [empty])[empty]
            assert difference(truth, train_all(engine, tiny, [empty])[empty]) < 1e-8
    without = expected.statistics["loss_without"]
    assert without[0][1] == 0
    assert (without[0][[0, 2, 3]] > 0).all()


@pytest.mark.parametrize("engine", ["stacked", "compact"])
def test_an_outcome_does_not_depend_on_neighbours_or_place(tiny, engine):
    name = "fc40-fc17" if engine == "stacked" else "conv4-conv3"
    jobs = some_jobs(tiny, name, Recipe(max_epochs=3), seeds=range(4))
    crowd = some_jobs(tiny, name, Recipe(max_epochs=3), seeds=range(4, 13 if engine == "stacked" else 5))
    if engine == "stacked":  # networks with an empty layer are not in the stack
        in_the_stack = [job for job in crowd + jobs if not job.mask.has_empty_layer]
        assert len(in_the_stack) > 50 and len({padded_widths(job) for job in in_the_stack}) == 3
    alone = [train_all(engine, tiny, [job])[job] for job in jobs]
    in_other_places = train_all(engine, tiny, jobs[::-1])
    beside_five = {
        job: outcome
        for i in range(0, len(jobs), 6)
        for job, outcome in train_all(engine, tiny, jobs[i : i + 6]).items()
    }
    in_a_crowd = train_all(engine, tiny, [*crowd, *jobs])
    for job, outcome in zip(jobs, alone, strict=True):
        for other in (in_other_places, beside_five, in_a_crowd):
            assert difference(outcome, other[job]) == 0


def test_a_batch_of_one_image_is_no_exception(tiny):
    """One network times one image is a matrix times a vector, which libraries have code of its own for."""
    train, few = (Split(split.images[:n], split.labels[:n]) for split, n in ((tiny.train, 65), (tiny.test, 1)))
    data = DataSet.of("odd", train, few, few, classes=3)
    jobs = some_jobs(data, "fc40-fc17", Recipe(max_epochs=3))[:4]
    jobs += some_jobs(data, "fc40-fc17", Recipe(max_epochs=1, batch_size=1), seeds=[0])[:2]
    together = train_all("stacked", data, jobs)
    for job in jobs:
        assert difference(train_all("stacked", data, [job])[job], together[job]) == 0


def test_padding_and_dropped_units_stay_zero_in_the_stack_at_every_step(tiny):
    jobs = [job for job in some_jobs(tiny, "fc19-fc5", Recipe()) if not job.mask.has_empty_layer]
    prepared = Prepared.of(tiny, 32)
    stack = Stack([Member.of(job, prepared) for job in jobs])
    assert {group.widths for group in stack.groups} == {(16, 16), (32, 16)}
    space = stack.space(32)
    own = torch.cat(stack.places)
    assert len(own.unique()) == len(own) < stack.rows  # some blocks are padded, and no row has two owners
    for columns, rows, onehot in zip(prepared.train.columns, prepared.train.rows, prepared.train.onehot, strict=True):
        before = stack.weights.clone()
        space.show(columns, rows)
        stack.step(space, onehot, 0.1)
        assert not torch.equal(stack.weights, before)
        padding = torch.ones(stack.rows, dtype=torch.bool)
        padding[own] = False
        assert not stack.weights[padding].any() and not stack.weights[:, len(prepared.live) + 1 :].any()
        stack.hand_back()
        for member in stack.members:
            (first, second, third), (one, two) = member.layers, (int(kept.sum()) for kept in member.job.mask.layers)
            assert len(first) == one
            assert not second[:, one:-1].any() and not second[two:-1].any() and not third[:, two:-1].any()
            assert second[-1].nonzero().tolist() == [[len(second[0]) - 1]] and second[-1, -1] == 1  # hands the 1 on


def test_steps_by_position_are_the_steps_one_by_one(tiny):
    """What a GPU records is done here as it stands. Two whole batches and a partial one follow the sixteen."""
    jobs = [job for job in some_jobs(tiny, "fc19-fc5", Recipe()) if not job.mask.has_empty_layer]
    prepared = Prepared.of(tiny, 8)
    walks = [Walk(Stack([Member.of(job, prepared) for job in jobs]), prepared.train, 0.1) for _ in range(2)]
    for _ in range(2):
        walks[0].tally.clear()
        done = walks[0].by_position()
        assert done == 16 and walks[0].whole == 18
        walks[0].one_by_one(done)
        assert walks[0].tally.means(150) == walks[1].epoch()
    assert torch.equal(*(walk.stack.weights for walk in walks))


def test_a_tally_names_the_first_of_equal_classes_and_of_those_that_are_no_numbers():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randint(0, 3, (2, 5, 4, 50), generator=draw).double()  # of four classes many are equal
    logits[:, 2] *= torch.inf  # 0 * inf is no number
    logits[:, 3, :, ::7] = torch.nan
    logits[:, 4, 1:, ::7] = -torch.inf
    labels = torch.randint(0, 4, (2, 50), generator=draw)
    tally = Tally(5, 4, logits.device)
    for _ in range(2):
        tally.add(logits, logits.log_softmax(2), labels)
    loss, accuracy = tally.means(200)
    every = logits.transpose(0, 1).transpose(2, 3).reshape(5, 100, 4)
    assert accuracy == [(one.argmax(1) == labels.flatten()).double().mean().item() for one in every]
    expected = [F.cross_entropy(one, labels.flatten()).item() for one in every]
    assert loss == pytest.approx(expected, nan_ok=True)
    assert np.isfinite(loss).tolist() == [True, True, False, False, False]
    tally.clear()
    assert tally.means(1) == ([0.0] * 5, [0.0] * 5)


def test_a_network_that_diverges_is_told_as_the_reference_tells_it(tiny):
    network = describe("fc4", tiny.shape, 3)
    jobs = [Job(replace(FLOAT64, learning_rate=1e300), network, 0, 0, Mask.full(network.widths))]
    expected, found = (train_all(e, tiny, jobs)[jobs[0]] for e in ("reference", "stacked"))
    assert expected.history.diverged and found.history.diverged
    assert expected.history.epochs == found.history.epochs == 1
    assert expected.history.train_accuracy == found.history.train_accuracy
    assert (expected.test_accuracy, expected.best_test_accuracy) == (found.test_accuracy, found.best_test_accuracy)


def test_blocks_hold_all_units_and_few_more():
    assert [blocks(units) for units in (0, 1, 2, 3, 4, 5, 8, 9, 16, 19)] == [
        [], [2], [2], [4], [4], [8], [8], [8, 2], [8, 8], [8, 8, 4]
    ]  # fmt: skip


def test_a_padded_shape_depends_on_the_network_alone_and_has_room_for_the_constant(tiny):
    def widths(name: str, *left: int) -> tuple[int, ...]:
        network = describe(name, tiny.shape, 3)
        kept = [np.arange(width) < units for width, units in zip(network.widths, left, strict=True)]
        return padded_widths(Job(Recipe(), network, 0, 0, Mask(kept)))

    assert widths("fc40-fc40", 40, 40) == (48, 48)
    assert widths("fc40-fc40", 15, 1) == (16, 16)
    assert widths("fc40-fc40", 15, 16) == (32, 32)
    assert widths("fc100-fc7", 90, 7) == (96, 16)  # never wider than the whole layer


def test_a_network_that_stops_makes_room_for_waiting_jobs(tiny, monkeypatch):
    monkeypatch.setattr("dropnet_core.engines.stacked.ROWS", 16)
    jobs = some_jobs(tiny, "fc9-fc5", replace(FLOAT64, patience=1), seeds=range(3))
    seen = [job for job, _ in engines["stacked"](tiny, taking(jobs))]
    assert sorted(seen, key=jobs.index) == jobs
    roomy = train_all("reference", tiny, jobs)
    tight = train_all("stacked", tiny, jobs)
    assert max(difference(roomy[job], tight[job]) for job in jobs) < 1e-8


def test_recipes_and_networks_may_be_mixed_in_one_stack(tiny):
    jobs = some_jobs(tiny, "fc9-fc5", FLOAT64, [0]) + some_jobs(tiny, "fc7", replace(FLOAT64, learning_rate=0.05), [0])
    expected, found = (train_all(e, tiny, jobs) for e in ("reference", "stacked"))
    assert max(difference(expected[job], found[job]) for job in jobs) < 1e-8


def test_an_emptied_network_is_trained_once_and_its_record_is_what_training_gives(tiny, monkeypatch):
    jobs = [job for job in some_jobs(tiny, "conv5-conv3", Recipe(max_epochs=30)) if job.mask.has_empty_layer]
    expected = train_all("reference", tiny, jobs)
    trained = []

    def counted(*arguments):
        trained.append(arguments)
        return train(*arguments)

    monkeypatch.setattr(emptied, "train", counted)
    found = train_all("compact", tiny, jobs)
    assert len(trained) == 1
    for job in jobs:
        assert difference(expected[job], found[job]) < 1e-6


def test_emptied_networks_that_see_other_orders_are_not_one(tiny):
    network = describe("conv3-conv2", tiny.shape, tiny.classes)
    mask = Mask([np.zeros(3), np.ones(2)])
    jobs = [Job(Recipe(shuffle=True, max_epochs=2), network, seed, seed, mask) for seed in (0, 1)]
    together, alone = train_all("compact", tiny, jobs), train_all("compact", tiny, jobs[1:])
    assert difference(together[jobs[1]], alone[jobs[1]]) == 0
    assert difference(together[jobs[0]], together[jobs[1]]) > 0


def test_float32_gives_the_same_distributions(tiny):
    """Accuracies and stopping epochs over 30 seeds on real digits: the means lie within their standard errors."""
    data = load("mnist5k")
    network = describe("fc6-fc5", data.shape, data.classes)
    recipe = Recipe(patience=1, max_epochs=8)
    jobs = [Job(recipe, network, seed, seed, Mask.full(network.widths)) for seed in range(30)]
    results = {}
    for engine in ("compact", "stacked"):
        outcomes = train_all(engine, data, jobs)
        results[engine] = np.array([[outcomes[j].test_accuracy, outcomes[j].history.epochs] for j in jobs])
    gap = abs(results["compact"].mean(axis=0) - results["stacked"].mean(axis=0))
    error = np.sqrt(sum(r.var(axis=0, ddof=1) for r in results.values()) / 30)
    print("gap in standard errors", gap / error)
    assert (gap < 2 * error).all()


def test_the_fastest_engine_can_train_what_it_is_chosen_for():
    dense, conv = (describe(n, (1, 28, 28), 10) for n in ("fc40-fc40", "conv64-conv32"))
    assert fastest(dense, Recipe()) == "stacked"
    assert fastest(conv, Recipe()) == fastest(dense, Recipe(shuffle=True)) == "compact"


@pytest.mark.parametrize("change", [{"network": "conv3"}, {"shuffle": True}, {"precision": "bf16"}])
def test_the_stack_refuses_what_it_cannot_train(tiny, change):
    network = describe(change.pop("network", "fc3"), tiny.shape, 3)
    with pytest.raises(InputError, match="choose 'compact'"):
        train_all("stacked", tiny, [Job(Recipe(**change), network, 0, 0, Mask.full(network.widths))])


def test_all_engines_leave_the_data_alone(tiny):
    before = tiny.train.images.clone()
    for engine in engines:
        train_all(engine, tiny, some_jobs(tiny, "fc4", replace(FLOAT64, max_epochs=1), [0]))
    assert torch.equal(before, tiny.train.images)
