"""DropNet for anybody's network: the smallest one that keeps the accuracy asked for."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from dropnet_core.basics.errors import InputError
from dropnet_core.masks import Mask
from dropnet_core.pruning.cycle import Accuracy, Cycle, Fit, Trainer, example_of, first_weights
from dropnet_core.pruning.dropping import State, following, rules
from dropnet_core.pruning.folder import Folder
from dropnet_core.pruning.result import Result
from dropnet_core.pruning.units import Units, find
from dropnet_core.pruning.widths import Widths
from dropnet_core.runs import Run
from dropnet_core.stops import Stop

KAPPA = 0.98


def prune(
    network: nn.Module,
    fit: Fit,
    accuracy: Accuracy,
    batches: Iterable[Any],
    *,
    kappa: float | None = None,
    metric: str = "min_layer",
    p: float | None = 0.2,
    schedule: str = "fraction",
    selection: str = "exact",
    score: str = "mean_of_abs",
    stop: Stop | None = None,
    seed: int = 0,
    exclude: Iterable[str] = (),
    least: Mapping[str, int] | None = None,
    multiple: int = 1,
    folder: str | Path | None = None,
) -> Result:
    """The smallest network with at least kappa of the whole one's accuracy that Algorithm 1 of the paper comes to.

    The network is trained; the units with the lowest scores are cut out of it; the rest goes back to its first weights
    and is trained again, until the accuracy has fallen too far. Training never sees a mask: each cycle trains an
    ordinary, smaller network, so any optimiser and any loop will do. What that loses: steps of optimisers that look at
    whole matrices (Adafactor, Muon) and draws of dropout are not those of the masked network.

    network   any module that torch.export can follow; images (n, ...) go in. It is not changed
    fit       trains the model it is given, in place; what it returns is ignored
    accuracy  of a trained model, on validation data: one number, larger for better
    batches   training images to score units by, gone through once a cycle: tensors, or tuples that begin with one
    kappa     the accuracy to keep, as a share of the whole network's, above 0 and at most 1; 0.98 without a `stop`
    metric    "min_layer", "min", "max", "random", "apoz", ... or one that was registered; "oracle" is not offered
    p, schedule, selection, score  as in `Run`
    stop      another end than kappa's, such as Stop("fraction", 0.3)
    seed      of the generators of torch, NumPy and Python before each `fit`, and of draws of units
    exclude   layers that stay whole, by the names of their modules
    least     units that a layer keeps at least, by its name; 1 without an entry
    multiple  of which widths are one, such as 8, because some hardware is faster with them
    folder    where finished cycles are kept; a run that was stopped goes on from there

    Raises InputError for settings outside their range, for a network that cannot be followed or has no unit to drop,
    with operator, file, line and remedy, all of it before any training; for a `fit` that trains something else; and if
    a smaller network is not the masked one.
    """
    if kappa is not None and stop is not None:
        raise InputError("kappa is a stop of its own; give either kappa or stop")
    run = rules(metric, p, schedule, selection, score, seed, stop or Stop("kappa", KAPPA if kappa is None else kappa))
    widths = Widths(dict(least or {}), multiple)
    for name, function in (("fit", fit), ("accuracy", accuracy)):
        if not callable(function):
            raise InputError(f"{name} must be a function of the model, not {type(function).__name__}")
    first, example, exclude = first_weights(network), example_of(batches, network), tuple(exclude)
    units = find(first, example, exclude)
    widths.check(units)
    trainer = Trainer(first, units, fit, accuracy, batches, example, seed)
    try_out(trainer, units)
    store = None
    if folder is not None:
        store = Folder.of(folder)
        layers = dict(zip(units.names, units.widths, strict=True))
        store.begin(settings(run, widths, exclude, layers), first)
    models, cycles = walk(trainer, run, widths, store)
    number = run.stop.result(cycles)
    return Result(models[number - len(cycles)], first, units, run, tuple(cycles), number, example, multiple)


def try_out(trainer: Trainer, units: Units) -> None:
    """Cut half of each layer for a trial, so that what cannot work is refused before any training."""
    full = Mask.full(units.widths)
    half = Mask(np.arange(width) % 2 == 0 for width in units.widths)
    trainer.proof(Widths().filled(units, half, full, [np.zeros(width) for width in units.widths]))


def settings(run: Run, widths: Widths, exclude: tuple[str, ...], layers: dict[str, int]) -> dict[str, Any]:
    """What a folder's run is known by: all that decides what a cycle trains. When to stop does not."""
    return {
        "layers": layers,
        "metric": run.metric,
        "p": run.p,
        "schedule": run.schedule,
        "selection": run.selection,
        "score": run.score,
        "seed": run.seed,
        "exclude": list(exclude),
        "least": dict(widths.least),
        "multiple": widths.multiple,
    }


def walk(trainer: Trainer, run: Run, widths: Widths, store: Folder | None) -> tuple[list[nn.Module], list[Cycle]]:
    """Algorithm 1: train, drop the units with the lowest scores, rewind the others, repeat.

    Returns the last two networks, one of which is the result, and all cycles.
    """
    models: list[nn.Module] = []
    cycles: list[Cycle] = []
    state: State | None = State.first(trainer.units)
    while state is not None:
        done = store.read(len(cycles), trainer.first, trainer.units) if store else None
        model, cycle = done or trainer.train(state)
        if store and not done:
            store.write(len(cycles), model, trainer.first, cycle)
        models, cycles = [*models, model][-2:], [*cycles, cycle]
        if len(cycles) == 1 and run.stop.rule == "kappa" and cycle.accuracy <= 0:
            raise InputError(
                f"kappa is a share of the whole network's accuracy, which is {cycle.accuracy}; it must be above 0"
            )
        if cycle.diverged or run.stop(cycles):
            break
        state = following(run, widths, trainer.units, cycle.state, cycle.statistics)
    return models, cycles
