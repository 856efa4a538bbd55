"""What there is and what has been done: the texts of the commands `list` and `status`."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.plural import counted
from dropnet_core.data import DATA_SETS
from dropnet_core.experiments.experiment import Experiment, experiment, table_rows
from dropnet_core.experiments.results import results_summary
from dropnet_core.experiments.settings import seeds_text
from dropnet_core.networks.plain import describe
from dropnet_core.running.forecast import ahead

SHAPE, CLASSES = (3, 64, 64), 10  # of no importance for the number of trainings


def trainings(planned: Experiment) -> str:
    """The number of trainings of an experiment in words, or what this version lacks for it."""
    if planned.data.partition(":")[0] not in DATA_SETS:
        return f"needs the data set {planned.data}, which this version lacks"
    try:
        network = describe(planned.network, SHAPE, CLASSES)
    except InputError:
        return f"needs the network {planned.network}, which this version lacks"
    plan = ahead(planned.with_settings({"seeds": planned.seeds[:1]}), network)  # the seeds cost the same
    return f"{'' if plan.exact else 'at most '}{counted(len(plan.jobs) * len(planned.seeds), 'training')}"


def listing(folder: Path) -> Iterator[str]:
    """The experiments of the table, a few lines each, with the seeds that have records in this folder."""
    done = {row["experiment"]: row for row in results_summary(folder).to_dict("records")}
    for row in table_rows():
        planned = experiment(row["name"])
        stops = [str(stop) for stop in planned.stops]
        until = ", ".join(stops) if len(stops) <= 3 else f"{len(stops)} stops, {stops[0]} to {stops[-1]}"
        varied = [
            f"p {' '.join(map(str, planned.p))}" if planned.schedule == "fraction" else "one unit a cycle",
            " ".join(planned.initial),
            f"until {until}",
            f"selection {' '.join(planned.selection)}",
        ]
        yield f"{planned.name}" + (f" ({row['figures']})" if row["figures"] else "")
        yield f"    {planned.network} on {planned.data}; {' '.join(planned.metrics)}"
        yield f"    {'; '.join(varied)}"
        yield f"    seeds {seeds_text(planned.seeds)}: {trainings(planned)}"
        if planned.name in done:
            yield f"    records: seeds {done[planned.name]['seeds']}"
        else:
            yield "    no records yet"


def report(folder: Path) -> Iterator[str]:
    """What the records in this folder are: those of the table's experiments, then any others."""
    done = {str(row["experiment"]): row for _, row in results_summary(folder).iterrows()}
    names = [row["name"] for row in table_rows()]
    for name in [*names, *(other for other in done if other not in names)]:
        if name not in done:
            yield f"{name}: not yet run"
            continue
        yield from described(done[name], len(experiment(name).runs()) if name in names else None)


def described(row: pd.Series, planned: int | None) -> Iterator[str]:
    """The lines of one experiment with records; `planned` is the number of its runs, if the table says it."""
    of = f"{row['complete']:,} of {planned or row['runs']:,} runs complete"
    days = row["first"] if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
    yield f"{row['experiment']}: {of}"
    yield f"    seeds {row['seeds']}, up to {counted(row['cycles'], 'cycle')}, {counted(row['rows'], 'row')}"
    hours = row["hours"]
    time = f"{hours:.1f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
    yield f"    {time} of training, {days}, on {row['hardware']}, torch {row['torch']}"
