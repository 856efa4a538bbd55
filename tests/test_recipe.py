"""Identities: what a recipe, a job and a run are called. Changing a digest here orphans every stored outcome."""

from dataclasses import replace

import pytest

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import Experiment, experiment
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job

JOB = Job(Recipe(), describe("fc4-fc3", (1, 28, 28), 10), 0, 0, Mask.full((4, 3)))


def test_the_defaults_are_the_papers():
    recipe = Recipe()
    assert (recipe.learning_rate, recipe.batch_size, recipe.max_epochs, recipe.patience) == (0.1, 32, 100, 5)
    assert (recipe.shuffle, recipe.augment) == (False, "none")
    assert (recipe.precision, recipe.initial_range) == ("float32", "full")


def test_known_digests():
    assert Recipe().digest == "44136fa355b3"
    assert Recipe(precision="float64").digest == "8057f466a525"
    assert Recipe(precision="tf32").digest == "6828765f68f1"
    assert Recipe(precision="bf16").digest == "c427dbf8aae0"
    assert JOB.key("data") == "5fc5ac28b036c783fb4eef512bf64fe2"
    assert experiment("probe-lr-fc20-fc20").recipe == Recipe(learning_rate=0.01)


def test_a_field_left_at_its_default_is_not_part_of_the_digest():
    assert Recipe(patience=5, learning_rate=0.1).digest == Recipe().digest


def test_equal_recipes_have_equal_digests():
    assert Recipe(learning_rate=1) == Recipe(learning_rate=1.0)
    assert Recipe(learning_rate=1).digest == Recipe(learning_rate=1.0).digest


def test_raising_the_definition_renames_every_recipe(monkeypatch):
    monkeypatch.setattr(Recipe.__dataclass_fields__["definition"], "default", 2)
    assert Recipe(definition=2).changes() == {"definition": 2}
    assert Recipe(definition=2, patience=3).digest != Recipe(patience=3).digest


def test_whatever_changes_an_outcome_changes_its_key_and_nothing_else_does():
    others = [
        replace(JOB, recipe=Recipe(learning_rate=0.2)),
        replace(JOB, recipe=Recipe(initial_range="small")),
        replace(JOB, recipe=Recipe(shuffle=True)),
        replace(JOB, recipe=Recipe(shuffle=True), seed=1),
        replace(JOB, recipe=Recipe(precision="tf32")),
        replace(JOB, recipe=Recipe(precision="bf16")),
        replace(JOB, recipe=Recipe(augment="affine")),
        replace(JOB, recipe=Recipe(augment="affine"), seed=1),
        replace(JOB, network=describe("fc4-fc3", (1, 28, 28), 9)),
        replace(JOB, weights=1),
        replace(JOB, mask=Mask([[True] * 3 + [False], [True] * 3])),
        replace(JOB, needs=("loss_without",)),
    ]
    keys = {job.key("data") for job in others} | {JOB.key("data"), JOB.key("other data")}
    assert len(keys) == len(others) + 2
    assert replace(JOB, seed=1).key("data") == JOB.key("data")  # nothing is shuffled


def test_a_reading_belongs_to_the_run_or_to_the_recipe_and_to_nothing_else():
    base = Experiment("e", "mnist", "fc4-fc3", ("min",), (0,), ("authors",))
    (run,) = base.runs()
    for other in (replace(run, selection="exact"), replace(run, score="abs_of_mean")):
        assert other != run
        assert other.recipe.digest == run.recipe.digest
    assert Recipe(initial_range="small").digest != Recipe().digest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0}, "learning_rate must be a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive number"),
        ({"learning_rate": "fast"}, "learning_rate must be a positive number"),
        ({"learning_rate": True}, "learning_rate must be a positive number"),
        ({"shuffle": "no"}, "shuffle is True or False"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"max_epochs": 1.5}, "max_epochs must be a whole number"),
        ({"patience": True}, "patience must be a whole number"),
        ({"augment": "afine"}, "unknown augmentation 'afine'; did you mean 'affine'"),
        ({"precision": "float23"}, "did you mean 'float32'"),
        ({"initial_range": "ful"}, "did you mean 'full'"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Recipe(**settings)
