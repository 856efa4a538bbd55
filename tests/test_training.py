import math

import pytest
import torch
from some_jobs import train_all

from dropnet_core.data import Split
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork, initial_weights
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.training import History, Outcome, evaluate, large_batches, pixels, status, train, train_epoch


def epochs_until_stop(losses, recipe):
    history = History()
    for loss in losses:
        history.add((1.0, 0.5), (loss, 0.5))
        if history.finished(recipe):
            break
    return history.epochs


def test_training_stops_after_patience_epochs_without_a_strictly_lower_loss():
    recipe = Recipe(patience=2)
    assert epochs_until_stop([3, 2, 1, 1, 1, 0.5], recipe) == 5  # an equal loss is no improvement
    assert epochs_until_stop([3, 2, 2.5, 1, 2, 2, 2], recipe) == 6
    assert epochs_until_stop([5, 4, 3, 2, 1], Recipe(patience=2, max_epochs=3)) == 3
    assert epochs_until_stop([3, math.nan, 2], recipe) == 2


def test_the_last_epochs_weights_are_recorded_not_the_best(tiny):
    network = describe("fc8", tiny.shape, tiny.classes)
    model = PlainNetwork(network, initial_weights(network, 0)).double()
    history, test, best = train(model, tiny, Recipe(precision="float64", learning_rate=1.5, max_epochs=12), 0)
    assert history.best_epoch < history.epochs - 1
    assert test == evaluate(model, tiny.test, torch.float64)
    again = PlainNetwork(network, initial_weights(network, 0)).double()
    until_best = Recipe(precision="float64", learning_rate=1.5, max_epochs=history.best_epoch + 1)
    assert train(again, tiny, until_best, 0)[1][1] == best


def test_pixels_lie_between_0_and_1_and_are_not_standardised():
    assert pixels(torch.tensor([0, 51, 255], dtype=torch.uint8), torch.float64).tolist() == [0, 0.2, 1]


def test_order_is_fixed_unless_the_recipe_shuffles(tiny):
    network = describe("fc6-fc4", tiny.shape, tiny.classes)

    def history(seed, **settings):
        model = PlainNetwork(network, initial_weights(network, 0)).double()
        return train(model, tiny, Recipe(precision="float64", max_epochs=2, **settings), seed)[0]

    assert history(0) == history(1)
    assert history(0, shuffle=True) == history(0, shuffle=True)
    assert history(0, shuffle=True) != history(1, shuffle=True)
    assert history(0, shuffle=True) != history(0)


def test_the_definition_is_pinned(tiny):
    """If this fails, a change of code changed numbers: raise `Recipe.definition`, then pin the new numbers."""
    network = describe("conv3-conv2", tiny.shape, tiny.classes)
    mask = Mask([[True, False, True], [True, True]])
    job = Job(Recipe(precision="float64", max_epochs=3), network, 0, 0, mask)
    (outcome,) = train_all("reference", tiny, [job]).values()
    assert Recipe().definition == 1
    assert outcome.history.validation_loss == pytest.approx(PINNED["validation_loss"], abs=1e-9)
    assert outcome.history.train_loss == pytest.approx(PINNED["train_loss"], abs=1e-9)
    assert outcome.statistics["mean_of_abs"][0] == pytest.approx(PINNED["mean_of_abs"], abs=1e-9)


PINNED: dict[str, list[float]] = {
    "validation_loss": [0.9289973764737107, 0.8108574546195028, 0.6518621335790079],
    "train_loss": [1.0539113549229404, 0.9071411323067031, 0.7865039938598848],
    "mean_of_abs": [0.4221734126771922, 0.0, 0.4074436032086932],
}  # fmt: skip


def test_an_epoch_moves_the_statistics_of_a_batch_norm_and_an_evaluation_uses_them(tiny32):
    network = describe("vgg19/32", tiny32.shape, tiny32.classes)
    model = PlainNetwork(network, initial_weights(network, 0)).double()
    before = model.trained()
    train_epoch(model, tiny32, Recipe(precision="float64"), None)
    after = model.trained()
    assert not torch.equal(before["15.variance"], after["15.variance"])
    whole = evaluate(model, tiny32.test, torch.float64)
    halves = [Split(tiny32.test.images[k::2], tiny32.test.labels[k::2]) for k in (0, 1)]
    assert whole[0] == pytest.approx(sum(evaluate(model, half, torch.float64)[0] for half in halves) / 2, abs=1e-12)
    assert all(torch.equal(after[name], weight) for name, weight in model.trained().items())


@pytest.mark.parametrize(("size", "largest"), [(8, 1000), (28, 1000), (32, 1000), (64, 250), (2000, 1)])
def test_of_larger_images_fewer_are_evaluated_at_once(size, largest):
    black, labels = torch.zeros(1, 1, 1, 1, dtype=torch.uint8), torch.zeros(1001, dtype=torch.int64)
    split = Split(black.expand(1001, 1, size, size), labels)
    images, labels = next(large_batches(split, torch.float32))
    assert len(images) == len(labels) == largest


@pytest.mark.parametrize(
    ("accuracy", "loss", "empty", "expected"),
    [
        (0.9, 1.0, False, "ok"),
        (0.105, 2.3, False, "collapsed"),
        (0.1, 2.3, True, "empty-layer"),
        (0.9, math.nan, True, "diverged"),
    ],
)
def test_status(accuracy, loss, empty, expected):
    outcome = Outcome(History([loss], [0.1], [1.0], [0.1]), 1.0, accuracy, accuracy, {})
    assert status(outcome, 0.1, empty) == expected
