"""The code that CONTRIBUTING and the book show works as it stands, and prints what they say."""

import contextlib
import io
import re

import numpy as np
import pytest
import torch
from project_folders import ROOT
from tiny_runs import NETWORK, small

import dropnet_core.metrics
import dropnet_core.unit_statistics
from dropnet_core.algorithm import pruning
from dropnet_core.masks import Mask
from dropnet_core.metrics import LayerStatistics, metrics
from dropnet_core.networks.plain import describe
from dropnet_core.running.forecast import made_up
from dropnet_core.runs import Job, initials
from dropnet_core.schedules import schedules
from dropnet_core.unit_statistics import statistics

BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def own_registries(monkeypatch, tmp_path):
    """What a page registers is gone afterwards, and what it trains goes to a store of its own."""
    for registry in (metrics, statistics, schedules, initials):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "store.sqlite"))


def blocks(page: str, section: str = "") -> list[tuple[str, str]]:
    """The kind and text of each block of code in a page, or in one of its sections."""
    text = (ROOT / page).read_text("utf-8")
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [(match[1], match[2]) for match in BLOCK.finditer(text)]


def executed(parts: list[tuple[str, str]], names: dict[str, object]) -> list[str]:
    """Run the blocks of Python one after another; what each text block says must have been printed before it."""
    printed, said = "", []
    for kind, text in parts:
        if kind == "text":
            said.append(text)
            assert printed == text
            continue
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(text, "page", "exec"), names)
        printed = out.getvalue()
    return said


@pytest.mark.parametrize("page", ["algorithm", "metrics"])
def test_the_books_code_prints_what_the_page_says(page):
    assert len(executed(blocks(f"book/{page}.md"), {})) == 1


def score(name: str, **given: list[float]) -> list[float]:
    """What a metric makes of a layer's statistics, as in `tests/test_metrics.py`."""
    layer = LayerStatistics(**{"mean": np.zeros(2), **{k: np.array(values) for k, values in given.items()}})
    return metrics[name].score(layer, np.random.default_rng(0)).tolist()


def test_a_metric_and_a_statistic_as_contributing_has_them():
    names = vars(dropnet_core.unit_statistics) | vars(dropnet_core.metrics)
    names |= {"pytest": pytest, "np": np, "torch": torch, "describe": describe, "Mask": Mask, "score": score}
    executed(blocks("CONTRIBUTING.md", "A metric"), names)
    tests = [name for name in names if name.startswith("test_")]
    assert len(tests) == 2 and {"often_on", "low_peak"} <= set(metrics) and "peak" in statistics
    for name in tests:
        names[name]()


def test_a_schedule_and_an_initial_as_contributing_has_them():
    names: dict[str, object] = {}
    executed(blocks("CONTRIBUTING.md", "A schedule, or what the weights do next"), names)
    trial = small(metrics="min", seeds=3, schedule="square_root", initial="same_for_all_seeds", stops="cycles 4")
    (run,), jobs = trial.runs(), list[Job]()
    trainings = pruning(run, NETWORK)
    job, _ = next(trainings)
    with pytest.raises(StopIteration) as stop:
        while True:
            jobs.append(job)
            job, _ = trainings.send(made_up(run, job))
    assert [cycle.mask.units_remaining for cycle in stop.value.value] == [7, 5, 3, 2]
    assert [job.weights for job in jobs] == [3, 0] * 4
