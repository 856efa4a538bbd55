"""The table of experiments, settings as words, names of curves and of changed experiments."""

from dataclasses import replace
from typing import Any

import pytest

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import Experiment, experiment, experiment_names, table_rows
from dropnet_core.experiments.settings import parse_seeds, parse_settings, seeds_text
from dropnet_core.recipe import Recipe
from dropnet_core.stops import Stop


def make(**changed):
    settings = {"metrics": ("min", "max"), "seeds": (0, 1), "selection": ("exact",)} | changed
    return Experiment("own", "mnist5k", "fc4-fc3", **settings)


def test_every_experiment_of_the_table_can_be_made():
    made = [experiment(name) for name in experiment_names()]
    assert len(made) == len({e.name for e in made}) > 40
    assert all(e.seeds == tuple(range(15)) for e in made)
    paper = [experiment(row["name"]) for row in table_rows() if row["source"] == "paper"]
    assert paper and all(e.recipe == Recipe() and e.selection == ("authors",) for e in paper)
    tiny_imagenet = experiment("tinyimagenet-vgg19")
    assert tiny_imagenet.recipe == Recipe(patience=10, shuffle=True, augment="affine") and tiny_imagenet.score == (
        "abs_of_mean",
    )
    assert experiment("oracle-fc20-fc20").p == (None,)
    assert experiment("kappa-fc40-fc40").stops[1] == Stop("kappa", 0.9, "already_trained")


def test_the_controls_share_everything_but_what_they_control_with_the_papers_runs():
    for network in ("fc40-fc40", "fc20-fc40", "fc40-fc20", "conv64-conv32"):
        paper, control = experiment(f"mnist-{network}"), experiment(f"control-{network}")
        assert control.initial == ("rewind", "redraw") and control.metrics == ("min",)
        assert replace(control, name=paper.name, metrics=paper.metrics, initial=paper.initial) == paper


def test_runs_are_all_combinations_seed_by_seed():
    own = make(p=(0.2, 0.5), initial=("rewind", "reinit"))
    runs = own.runs()
    assert len(runs) == len(set(runs)) == 2 * 2 * 2 * 2
    assert [run.seed for run in runs] == [0] * 8 + [1] * 8
    assert {run.experiment for run in runs} == {"own"}


def test_one_value_needs_no_list():
    assert make(metrics="min", seeds=3, selection="exact", p=0.3, stops=Stop("cycles", 2)).runs()[0].p == 0.3


@pytest.mark.parametrize(
    ("changed", "curves"),
    [
        ({}, {"min", "max"}),
        ({"initial": ("rewind", "small_reinit"), "metrics": "min"}, {"min", "min_small_reinit"}),
        ({"initial": ("rewind", "redraw"), "metrics": "min"}, {"min", "min_redraw"}),
        ({"p": (0.2, 0.5), "metrics": "min"}, {"min/p=0.2", "min/p=0.5"}),
        ({"selection": ("exact", "authors"), "metrics": "min"}, {"min@exact", "min@authors"}),
        ({"score": ("mean_of_abs", "abs_of_mean"), "metrics": "min"}, {"min@mean_of_abs", "min@abs_of_mean"}),
        (
            {"stops": (Stop("kappa", 0.9), Stop("cycles", 3)), "metrics": "min"},
            {"min/kappa 0.9 last_good", "min/cycles 3"},
        ),
    ],
)
def test_a_curve_is_named_by_what_varies(changed, curves):
    own = make(**changed)
    assert {own.curve(run) for run in own.runs()} == curves


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seeds": ()}, "has no seeds; give at least one"),
        ({"seeds": (0, 1, 0)}, "names '0' twice in its seeds"),
        ({"seeds": (-1,)}, "a seed is a whole number"),
        ({"seeds": (0.5,)}, "a seed is a whole number"),
        ({"seeds": (2**64,)}, "at most 9223372036854775807, not 18446744073709551616"),
        (
            {"seeds": range(2000), "metrics": ("min", "max", "random")},
            "has 6,000 runs, and at most 5,000 .*; take fewer",
        ),
        ({"seeds": range(10**12)}, "has too many seeds; 5,000 is the most"),
        ({"metrics": ()}, "has no metrics"),
        ({"metrics": ("min", "min")}, "names 'min' twice"),
        ({"metrics": "mim"}, "unknown metric 'mim'; did you mean 'min'"),
        ({"selection": "exakt"}, "unknown selection 'exakt'; did you mean 'exact'"),
        ({"score": "mean_of_ab"}, "unknown score .* did you mean 'mean_of_abs'"),
        ({"initial": "rewnd"}, "unknown initial 'rewnd'; did you mean 'rewind'"),
        ({"schedule": "one-unit"}, "unknown schedule .* did you mean 'one_unit'"),
        ({"p": 0}, "p is the fraction"),
        ({"p": 1.5}, "p is the fraction"),
        ({"p": None}, "needs p"),
    ],
)
def test_what_cannot_be_run_is_refused(changed, words):
    with pytest.raises(InputError, match=words):
        make(**changed)


def test_settings_change_an_experiment_and_its_recipe():
    changed = make().with_settings({"max_epochs": 3, "metrics": ("min",), "data": "glyphs"})
    assert changed.recipe == Recipe(max_epochs=3) and changed.metrics == ("min",) and changed.data == "glyphs"
    with pytest.raises(InputError, match="unknown setting 'metrcs'; did you mean 'metrics'"):
        make().with_settings({"metrcs": ("min",)})
    with pytest.raises(InputError, match="unknown setting 'definition'"):
        make().with_settings({"definition": 2})
    with pytest.raises(InputError, match="unknown precision 'float3'; did you mean 'float32'"):
        make().with_settings({"precision": "float3"})


def test_a_changed_experiment_has_a_name_of_its_own():
    paper = experiment("mnist-fc40-fc40")
    assert paper.variant({"seeds": (3, 4)}).name == "mnist-fc40-fc40"
    assert paper.variant({"p": (0.2,), "max_epochs": 100, "stops": (Stop("fraction", 0.05),)}).name == paper.name
    # Pinned, because results are filed under these names.
    assert paper.variant({"data": "mnist5k"}).name == "mnist-fc40-fc40+c17628"
    assert paper.variant({"data": "mnist5k", "seeds": (7,)}).name == "mnist-fc40-fc40+c17628"
    others: list[dict[str, Any]] = [
        {"p": (0.3,)},
        {"max_epochs": 2},
        {"max_epochs": 3},
        {"stops": (Stop("cycles", 2),)},
        {"metrics": ("min",)},
        {"selection": ("exact",)},
        {"initial": ("reinit",)},
        {"network": "fc40-fc41"},
    ]
    variants = [paper.variant(settings) for settings in others]
    assert len({variant.name for variant in variants} | {paper.name}) == len(others) + 1
    assert all(run.experiment == variants[0].name for run in variants[0].runs())
    with pytest.raises(InputError, match="leave out name="):
        paper.variant({"name": "mine"})


def test_an_unknown_experiment_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'mnist-fc40-fc40'"):
        experiment("mnist-fc40-fc4")


def test_settings_are_read_from_words():
    words = "metrics=min,max p=0.3,0.5 seeds=0-2,7 patience=4 learning_rate=0.01 shuffle=True precision=float64"
    assert parse_settings([*words.split(), "stop=kappa 0.9 one_more,cycles 3", "size=32"]) == {
        "metrics": ("min", "max"),
        "p": (0.3, 0.5),
        "seeds": (0, 1, 2, 7),
        "patience": 4,
        "learning_rate": 0.01,
        "shuffle": True,
        "precision": "float64",
        "stops": (Stop("kappa", 0.9, "one_more"), Stop("cycles", 3)),
        "size": 32,
    }
    assert parse_settings(["data=imagefolder:a=b"]) == {"data": "imagefolder:a=b"}


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("metrics", "reads name=value, not 'metrics'"),
        ("max_epochs=2.5", "'2.5' is no value for max_epochs"),
        ("p=a", "'a' is no value for p"),
        ("shuffle=maybe", "'maybe' is no value for shuffle"),
        ("stop=kapa 0.9", "unknown stop rule 'kapa'; did you mean 'kappa'"),
        ("stop=kappa 1.5", "kappa lies above 0"),
        ("stop=kappa 0", "kappa lies above 0"),
        ("seeds=", "seeds read 0-14"),
    ],
)
def test_words_that_do_not_fit_are_refused(word, words):
    with pytest.raises(InputError, match=words):
        parse_settings([word])


def test_seeds_are_read_and_written():
    assert parse_seeds("0-2, 7,9-9") == (0, 1, 2, 7, 9)
    for text in ("0-14", "0,2,4-6", "3"):
        assert seeds_text(reversed(parse_seeds(text))) == text
    for text in ("", "1-", "-1", "3-1", "a", "1.5", "0,,1", "\u00b2", "\u0663", "0-\u0663"):
        with pytest.raises(InputError, match="seeds read 0-14"):
            parse_seeds(text)


def test_one_of_a_kind_ranges_and_stops_as_text_are_taken() -> None:
    made = Experiment("e", "mnist5k", "fc4", "min", range(3), "exact", p=0.3, stops="kappa 0.95")  # type: ignore[arg-type]
    assert (made.metrics, made.seeds, made.p) == (("min",), (0, 1, 2), (0.3,))
    assert made.stops == (Stop("kappa", 0.95, "last_good"),)


def test_what_is_no_experiment_is_refused_before_any_training() -> None:
    for settings, message in (
        ({"stops": 0.1}, "a stop reads 'fraction 0.1'"),
        ({"recipe": {"max_epochs": 3}}, "recipe is a Recipe"),
        ({"network": 5}, "network is a name"),
        ({"seeds": [0.5]}, "a seed is a whole number"),
        ({"initial": ["reinit"], "stops": "kappa 0.9"}, "initial='reinit' .* kappa cannot stop it"),
        ({"initial": ["redraw"], "stops": "kappa 0.9"}, "initial='redraw' .* kappa cannot stop it"),
        ({"recipe": Recipe(initial_range="small")}, "use initial='small_reinit'"),
    ):
        words: dict[str, Any] = {"network": "fc4", "seeds": [0]} | settings
        with pytest.raises(InputError, match=message):
            Experiment("e", "mnist5k", metrics=("min",), selection=("exact",), **words)


def test_p_has_no_say_where_one_unit_goes() -> None:
    made = Experiment("e", "mnist5k", "fc4", ("min",), (0,), ("exact",), p=(0.2, 0.3), schedule="one_unit")
    assert [run.p for run in made.runs()] == [None]
