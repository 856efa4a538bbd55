"""Where the time of a whole experiment goes: arithmetic, or everything else (store, Python, data)."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from unittest.mock import patch

from benchmarks.models import METRICS, MNIST, digits
from benchmarks.rows import Row
from dropnet_core import training
from dropnet_core.data import DATA_SETS
from dropnet_core.engines import compact, emptied, stacked
from dropnet_core.experiments import Experiment
from dropnet_core.recipe import Recipe
from dropnet_core.running import run
from dropnet_core.stops import Stop
from dropnet_core.store import Store

ARITHMETIC: dict[str, list[tuple[Any, str]]] = {
    "training": [(stacked.Walk, "epoch"), (training, "train_epoch")],
    "evaluation": [(stacked.Stack, "evaluate"), (training, "evaluate")],
    "scoring": [(stacked.Stack, "statistics"), *((module, "statistics_of") for module in (compact, emptied))],
}


def profile(share: float = 1.0, epochs: int = 3) -> Iterator[Row]:
    """One seed of Model 1's experiment from its description to its records, with few epochs, which counts
    against it: what surrounds the epochs weighs five times as much as in the paper's."""
    spent = dict.fromkeys(ARITHMETIC, 0.0)
    metrics = ("min", "max", "random", "min_layer", "max_layer", "random_layer")
    assert len(metrics) == METRICS
    experiment = Experiment(
        "profile",
        "tiled",
        "fc40-fc40",
        metrics,
        seeds=(0,),
        selection=("authors",),
        stops=(Stop("fraction", 0.05),),
        recipe=Recipe(max_epochs=epochs),
    )
    images = digits(int(share * MNIST[0]))
    DATA_SETS.add("tiled", lambda: images, replace=True)
    with TemporaryDirectory() as folder, ExitStack() as patches:
        patches.enter_context(patch.dict(os.environ, {"DROPNET_QUIET": "1"}))
        for kind, places in ARITHMETIC.items():
            for owner, name in places:
                patches.enter_context(patch.object(owner, name, watched(getattr(owner, name), spent, kind)))
        started = perf_counter()
        records = run(experiment, store=Store(Path(folder, "outcomes.sqlite")), device="cpu")
        whole = perf_counter() - started
    spent["everything else"] = whole - sum(spent.values())
    for kind, seconds in spent.items():
        yield Row.of("profile", "Model 1", "share of the time", kind, "", [seconds / whole], "of 1")
    yield Row.of("profile", "Model 1", "whole experiment", "stacked", f"{len(records)} records", [whole], "s")


def watched(function: Callable[..., Any], spent: dict[str, float], kind: str) -> Callable[..., Any]:
    """The function, whose time is added up."""

    def timed(*arguments: Any, **named: Any) -> Any:
        started = perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[kind] += perf_counter() - started

    return timed
