"""The texts of `list` and `status`."""

import re

import pytest
from tiny_runs import NETWORK, made_up_cycles, small

from dropnet_core.experiments.experiment import experiment_names
from dropnet_core.experiments.records import records
from dropnet_core.experiments.results import add_records
from dropnet_core.pages.overview import listing, report
from dropnet_core.running.store import Store


@pytest.fixture
def folder(tiny, tmp_path):
    """Results with the records of two seeds of Figure 3 and of an experiment outside the table."""
    table = records(small(), made_up_cycles(small(), tiny, Store(tmp_path / "store.sqlite")), NETWORK, tiny)
    add_records([table.assign(experiment="mnist-fc40-fc40"), table[:6].assign(experiment="own")], tmp_path / "results")
    return tmp_path / "results"


def entry(lines, name):
    """The lines of one experiment, as one text."""
    lines = list(lines)
    start = next(i for i, line in enumerate(lines) if line.startswith(name))
    more = [line.strip() for line in lines[start + 1 :]]
    end = next((i for i, line in enumerate(lines[start + 1 :]) if not line.startswith(" ")), len(more))
    return "\n".join([lines[start], *more[:end]])


def test_every_experiment_is_listed(folder):
    lines = list(listing(folder))
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == experiment_names()
    assert entry(lines, "mnist-fc40-fc40") == (
        "mnist-fc40-fc40 (Fig 3)\n"
        "fc40-fc40 on mnist; min max random min_layer max_layer random_layer\n"
        "p 0.2; rewind; until fraction 0.05; selection authors\n"
        "seeds 0-14: 1,365 trainings\n"
        "records: seeds 0-1"
    )
    assert "no records yet" in entry(lines, "mnist-fc20-fc40")
    assert "one unit a cycle" in entry(lines, "oracle-fc20-fc20")
    kappa = entry(lines, "kappa-fc40-fc40")
    assert "at most 825 trainings" in kappa
    assert "until 12 stops, kappa 0.9 last_good to kappa 0.99 one_more" in kappa


def test_what_this_version_lacks_is_said(folder, monkeypatch):
    monkeypatch.setattr("dropnet_core.pages.overview.DATA_SETS", {"mnist"})
    assert "needs the data set cifar10, which this version lacks" in entry(listing(folder), "cifar10-vgg19")
    monkeypatch.setattr("dropnet_core.pages.overview.DATA_SETS", {"mnist", "cifar10"})
    monkeypatch.setattr("dropnet_core.networks.plain.TOKEN", re.compile(r"(fc)(\d+)"))
    assert "needs the network conv64-conv64, which" in entry(listing(folder), "mnist-conv64-conv64")


def test_the_status_of_every_experiment(folder):
    lines = list(report(folder))
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == [*experiment_names(), "own"]
    assert entry(lines, "mnist-fc40-fc40") == (
        "mnist-fc40-fc40: 4 of 90 runs complete\n"
        "seeds 0-1, up to 4 cycles, 16 rows\n"
        "0.0 minutes of training, 2026-01-02, on a processor, torch 2.0"
    )
    assert "own: 1 of 2 runs complete" in entry(lines, "own")
    assert "mnist-fc20-fc40: not yet run" in lines
