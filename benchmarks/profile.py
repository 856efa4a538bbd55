"""Where the time of a whole experiment goes: arithmetic, or everything else (store, Python, data)."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any
from unittest.mock import patch

from benchmarks.models import ENGINE, METRIC_COUNT, MNIST_IMAGES, MODELS, TRAINING_EPOCHS, digits
from benchmarks.rows import Row
from benchmarks.ways import seconds
from dropnet_core.data import DATA_SETS
from dropnet_core.engines.kernels.model import Model
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.recipe import Recipe
from dropnet_core.running.run import run
from dropnet_core.running.store import Store
from dropnet_core.stops import Stop

ARITHMETIC = {"training": "epoch", "evaluation": "evaluate", "scoring": "statistics"}  # methods of the engine's models


def profile(share: float = 1.0, epochs: int = TRAINING_EPOCHS) -> Iterator[Row]:
    """One seed of Model 1's experiment from its description to its records, with at most so many epochs a training."""
    spent = dict.fromkeys(ARITHMETIC, 0.0)
    metrics = ("min", "max", "random", "min_layer", "max_layer", "random_layer")
    assert len(metrics) == METRIC_COUNT
    experiment = Experiment(
        "profile",
        "digits",
        "fc40-fc40",
        metrics,
        seeds=(0,),
        selection=("authors",),
        stops=(Stop("fraction", 0.05),),
        recipe=Recipe(max_epochs=epochs),
    )
    images = digits(int(share * MNIST_IMAGES[0]))
    seconds(ENGINE, MODELS["model1"].jobs(0, 1), digits(64), 1)  # compiles, or loads what was compiled
    DATA_SETS.add("digits", lambda: images, replace=True)
    with TemporaryDirectory() as folder, ExitStack() as patches:
        patches.enter_context(patch.dict(os.environ, {"DROPNET_QUIET": "1"}))
        for kind, name in ARITHMETIC.items():
            patches.enter_context(patch.object(Model, name, timed(getattr(Model, name), spent, kind)))
        started = perf_counter()
        records = run(experiment, store=Store(Path(folder, "outcomes.sqlite")), device="cpu")
        whole = perf_counter() - started
    spent["everything else"] = whole - sum(spent.values())
    for kind, taken in spent.items():
        yield Row.of("profile", "Model 1", "share of the time", kind, values=[taken / whole], unit="of 1")
    yield Row.of(
        "profile", "Model 1", "whole experiment", ENGINE, at=f"{len(records)} records", values=[whole], unit="s"
    )


def timed(function: Callable[..., Any], spent: dict[str, float], kind: str) -> Callable[..., Any]:
    """The function, whose seconds are added to those of this kind."""

    def with_clock(*arguments: Any, **named: Any) -> Any:
        started = perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[kind] += perf_counter() - started

    return with_clock
