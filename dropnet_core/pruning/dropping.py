"""Algorithm 1 for anybody's network: which units go next, by the rules of the paper's own runs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from dropnet_core.algorithm import next_mask
from dropnet_core.basics.errors import InputError
from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.pruning.units import Units
from dropnet_core.pruning.widths import Widths
from dropnet_core.runs import Run
from dropnet_core.stops import Stop
from dropnet_core.unit_statistics import Statistics


def rules(metric: str, p: float | None, schedule: str, selection: str, score: str, seed: int, stop: Stop) -> Run:
    """The rules of a run, which are those of the paper's experiments. Raises InputError as `Run` does, and for a metric
    that asks for more than one pass over the data gives."""
    run = Run("prune", "own", "own", metric, seed, selection, p=p, schedule=schedule, score=score, stop=stop)
    if metrics[metric].needs:
        asked = " and ".join(metrics[metric].needs)
        raise InputError(
            f"the metric '{metric}' needs {asked}, one pass over the data for each unit; for networks of your own "
            "choose min, min_layer or another that looks at activations"
        )
    return run


@dataclass(frozen=True)
class State:
    """Where a run stands.

    chosen  the units that Algorithm 1 keeps
    kept    those and the ones that the rules for widths keep beside them: what is trained
    drops   how often units have been dropped
    """

    chosen: Mask
    kept: Mask
    drops: int = 0

    @classmethod
    def first(cls, units: Units) -> "State":
        return cls(Mask.full(units.widths), Mask.full(units.widths))


def following(run: Run, widths: Widths, units: Units, state: State, statistics: Statistics) -> State | None:
    """The next state, which keeps fewer units; None if the rules for widths allow no fewer.

    Where a rounded layer would stay as wide as it is, dropping goes on by the same statistics: no network is trained
    twice.
    """
    while state.chosen.units_remaining:
        drops = state.drops + 1
        chosen = next_mask(run, state.chosen, statistics, drops)
        scores = metrics[run.metric].scores(statistics, run.score, run.draw(drops))  # those that it has seen
        kept = widths.filled(units, chosen, state.kept, scores)
        if kept != state.kept:
            return State(chosen, kept, drops)
        state = replace(state, chosen=chosen, drops=drops)
    return None


def finite(statistics: Statistics) -> bool:
    """Whether scores can be taken from these."""
    values: Iterable[np.ndarray] = (array for layers in statistics.values() for array in layers)
    return all(np.isfinite(array).all() for array in values)
