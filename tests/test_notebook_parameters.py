"""Each value that a comment beside a notebook's parameter offers is run; a wrong one is refused before any training.

Outcomes are made up in place of trainings (`notebook_cells`), so what is tried is everything around them.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from notebook_cells import Notebook, offered, pictures, shorter_results, stand_ins
from project_folders import NOTEBOOKS

from dropnet_core.basics.errors import InputError

ALL = [Notebook(path) for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
LAYERS = {"fcN": "fc4", "convN": "conv4", "denseN": "fc4-dense4"}
BESIDE = {"stop": ["cycles 1", "fraction 0.99"]}  # of the kinds that are offered, but at an end


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("notebooks")
    shorter_results(place)
    pictures(place)
    return place


@pytest.fixture
def trained(folder, monkeypatch, tmp_path):
    jobs = stand_ins(folder, monkeypatch)
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "store.sqlite"))
    return jobs


def alternatives(notebook: Notebook) -> Iterator[tuple[str, object]]:
    """Parameter and value: what is offered, and an item of each list, or each name in it, without brackets."""
    for name, default in notebook.defaults.items():
        values = [*offered(notebook.comments[name], default), *BESIDE.get(name, [])]
        if isinstance(default, list):
            values += default if isinstance(default[0], str) else default[:1]
        for value in dict.fromkeys(values):
            if value != default:
                yield name, value


def settings(notebook: Notebook, name: str, value: Any, folder: Any) -> dict[str, object]:
    """What Papermill is given for this value, with what must go with it."""
    given: dict[str, object] = {"seeds": [0]} if notebook.name == "kappa" else {}  # it has twelve stops
    given[name] = LAYERS.get(value, value)
    if value == "imagefolder:PATH":
        given["data"] = f"imagefolder:{folder / 'pictures'}"
    elif name == "data" and "size" in notebook.defaults:
        given["size"] = 0
    elif (name, value) == ("size", 0):
        given["data"] = "cifar10"
    if name in ("paper", "fixed") and isinstance(notebook.defaults[name], list):
        place = notebook.defaults[name].index(value)
        given |= {key: notebook.defaults[key][place] for key in ("paper", "fixed")}
    return given


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [pytest.param(book, *pair, id=f"{book.name}-{pair[0]}-{pair[1]}") for book in ALL for pair in alternatives(book)],
)
def test_each_value_that_is_offered_runs(notebook, name, value, trained, folder, monkeypatch, capsys):
    given = settings(notebook, name, value, folder)
    if value == "cuda" and not torch.cuda.is_available():
        with pytest.raises(InputError, match="the device 'cuda' is not there"):
            notebook.run(given, monkeypatch)
        assert not trained
    else:
        notebook.run(given, monkeypatch)
        assert bool(trained) == ("max_epochs" in notebook.defaults)


def wrong(default: Any) -> Any:
    """A value of the same type that no parameter of this default can have."""
    if isinstance(default, list):
        return [wrong(default[0])]
    return "nonsense" if isinstance(default, str | bool) else type(default)(-1)


def bad(notebook: Notebook) -> Iterator[tuple[str, object]]:
    for name, default in notebook.defaults.items():
        if name != "name":  # records may be called anything
            yield name, wrong(default)
            if isinstance(default, list):
                yield name, []


@pytest.mark.parametrize(
    ("notebook", "name", "value"),
    [pytest.param(book, *pair, id=f"{book.name}-{pair[0]}-{pair[1]}") for book in ALL for pair in bad(book)],
)
def test_a_wrong_value_is_refused_before_any_training(notebook, name, value, trained, monkeypatch):
    with pytest.raises(InputError):
        notebook.run({name: value}, monkeypatch)
    assert not trained


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"paper": "kappa-fc40-fc40"}, "fixed names one experiment for each in paper, not 2 for 1"),
        ({"paper": "mnist-fc40-fc40", "fixed": "mnist-fc40-fc40"}, "no run of these records was stopped by kappa"),
    ],
)
def test_experiments_that_cannot_be_compared_are_refused_before_any_training(given, message, trained, monkeypatch):
    (kappa,) = [notebook for notebook in ALL if notebook.name == "kappa"]
    with pytest.raises(InputError, match=message):
        kappa.run(given, monkeypatch)
    assert not trained


@pytest.mark.parametrize("network", ["fc8-fc8", "vgg19/16"])
@pytest.mark.parametrize("name", ["cifar10_resnet18", "cifar10_vgg19"])
def test_a_page_on_a_deep_network_takes_another_one(name, network, trained, monkeypatch, capsys):
    (notebook,) = [notebook for notebook in ALL if notebook.name == name]
    notebook.run({"network": network, "paper": "mnist-fc40-fc40"}, monkeypatch)
    assert trained and {job.network.name for job in trained} == {network}


@pytest.mark.parametrize(
    ("comment", "default", "values"),
    [
        ('or "kappa 0.95", "cycles 4"', "fraction 0.1", ["kappa 0.95", "cycles 4"]),
        ('or "exact": as the paper words it', "authors", ["exact"]),
        ("or mnist (all of it), imagefolder:PATH", "mnist5k", ["mnist", "imagefolder:PATH"]),
        ("or train_accuracy, epochs, ...", "test_accuracy", ["train_accuracy", "epochs"]),
        ("as coded; mean_of_abs: as worded", "abs_of_mean", ["mean_of_abs"]),
        ("fcN and convN are pruned, denseN is not", "fc40-fc40", ["fcN", "convN", "denseN"]),
        ("pixels of a letter; 0 for other data", 32, [0]),
        ("epochs without a lower validation loss", 5, []),
        ("who goes first", ["min"], []),
    ],
)
def test_what_a_comment_offers_is_found(comment, default, values):
    assert offered(comment, default) == values


def test_every_comment_that_offers_something_is_understood():
    unread = [
        (notebook.name, name)
        for notebook in ALL
        for name, default in notebook.defaults.items()
        if re.search(r'\bor\b|"', notebook.comments[name]) and not offered(notebook.comments[name], default)
    ]
    assert not unread
