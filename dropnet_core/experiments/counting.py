"""How many units are left in each cycle: what follows from the pruning rule alone, without any training."""

from functools import cache, lru_cache

from dropnet_core.experiments.experiment import Experiment, experiment, experiment_names
from dropnet_core.experiments.records import CyclePoint
from dropnet_core.metrics import metrics
from dropnet_core.networks.plain import describe
from dropnet_core.schedules import schedules

LARGE_SHAPE = (1, 2**20, 2**20)  # images that any network can pool, where only the widths matter


@lru_cache(maxsize=256)
def units_left(start: tuple[int, ...], name: str, p: float | None) -> list[tuple[int, ...]]:
    """The units in each cycle, as far as there are any, of groups that are ranked each by itself."""
    share = schedules[name](p)
    course = [start]
    while any(course[-1]):
        course.append(tuple(n - max(1, share(n)) if n else 0 for n in course[-1]))
    return course


@lru_cache(maxsize=64)
def table_entry(name: str) -> Experiment | None:
    """The experiment of the table with this name, if there is one."""
    return experiment(name) if name in experiment_names() else None


@cache
def table_fractions(name: str, curve: str) -> tuple[float, ...]:
    """The fractions remaining through which the table has a run of this curve pass, down to its stop.

    They follow from the pruning rule alone. A run that kappa stops ends at its first bad network, so nothing is
    ahead of one that diverged; nor is it known of a curve that the table lacks.
    """
    entry = table_entry(name)
    run = next((run for run in entry.runs() if entry.curve(run) == curve), None) if entry else None
    if run is None:
        return ()
    widths = describe(run.network, LARGE_SHAPE, 10).widths
    start = widths if metrics[run.metric].scope == "layer" else (sum(widths),)
    cycles: list[CyclePoint] = []
    for units in units_left(start, run.schedule, run.p):
        if not any(units):
            break
        cycles.append(CyclePoint(sum(units) / sum(widths), 0.0))
        if run.stop(cycles):
            break
    return tuple(cycle.fraction_remaining for cycle in cycles)


@cache
def last_full_fraction(name: str, curve: str) -> float:
    """The last fraction at which a layer-wise curve still has a unit in every layer; 0 if there is no such end.

    A layer-wise metric takes at least one unit of every layer in each cycle, so thin layers run empty by
    counting alone, whatever the metric says; below, its accuracy says nothing about it. A global metric that
    empties a layer did so by its own choice, and that counts. It follows from the experiment's table entry, so
    it is known for the paper's curves too.
    """
    entry = experiment(name)
    metric, _, setting = curve.partition("@")[0].partition("/p=")
    metric = next((known for known in sorted(metrics, key=len, reverse=True) if metric.startswith(known)), metric)
    if metric not in metrics or metrics[metric].scope != "layer":
        return 0.0
    widths = describe(entry.network, LARGE_SHAPE, 10).widths
    left = units_left(widths, entry.schedule, float(setting) if setting else entry.p[0])
    return min(sum(units) for units in left if all(units)) / sum(widths)
