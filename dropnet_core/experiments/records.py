"""Records: one row for each trained cycle of a run, with all that is needed to believe it."""

import csv
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet_core.basics.errors import InputError
from dropnet_core.compaction import counts, cut_off, shrink
from dropnet_core.data import DataSet
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.experiments.making import check_same_settings, place_of
from dropnet_core.networks.plain import Network
from dropnet_core.recipe import Recipe
from dropnet_core.runs import LARGEST_SEED, Cycle, Run
from dropnet_core.stops import Stop
from dropnet_core.training import status

KEY_COLUMNS = [
    "experiment", "data", "network", "metric", "p", "schedule", "selection", "score", "initial", "stop",
    "seed", "cycle",
]  # fmt: skip
"""The columns that name a row: the run and its cycle."""

PROVENANCE_COLUMNS = ["engine", "device", "hardware", "torch", "version", "seconds", "processor_seconds", "created"]
"""Columns that may differ between two makings of the same record."""

LATER_COLUMNS = ["processor_seconds"]
"""Columns that version 0.1.0 did not write; a file without any such number is written as then."""

WHOLE_COLUMNS = ["seed", "cycle", "units_remaining", "epochs", "parameters", "macs"]
"""Columns of whole numbers of at least 0."""

FLOAT_FORMAT = ".9g"  # the digits that a file keeps

RECORD_COLUMNS = [
    *KEY_COLUMNS[:-1], "curve", "cycle", "units_remaining", "fraction_remaining", "units_per_layer",
    "train_accuracy", "validation_accuracy", "test_accuracy", "train_loss", "validation_loss", "test_loss",
    "best_test_accuracy", "epochs", "parameters", "macs", "status", "recipe", "data_sha256", *PROVENANCE_COLUMNS,
]  # fmt: skip


def records(
    experiment: Experiment, cycles: Mapping[Run, Sequence[Cycle]], network: Network, data: DataSet
) -> pd.DataFrame:
    """The rows of these cycles, in the order of the runs. Accuracies lie between 0 and 1."""
    rows = [
        record_of(experiment, run, number, cycle, network, data)
        for run in experiment.runs()
        for number, cycle in enumerate(cycles.get(run, []))
    ]
    return pd.DataFrame(rows, columns=RECORD_COLUMNS)


def record_of(
    experiment: Experiment, run: Run, number: int, cycle: Cycle, network: Network, data: DataSet
) -> dict[str, object]:
    """One record."""
    mask, outcome = cycle.mask, cycle.outcome
    cost = counts(shrink(network, mask))
    history = outcome.history
    return {
        **identity(experiment, run),
        "cycle": number,
        "units_remaining": mask.units_remaining,
        "fraction_remaining": mask.fraction_remaining,
        "units_per_layer": "+".join(map(str, mask.units_per_layer)),
        "train_accuracy": history.train_accuracy[-1],
        "validation_accuracy": history.validation_accuracy[-1],
        "test_accuracy": outcome.test_accuracy,
        "train_loss": history.train_loss[-1],
        "validation_loss": history.validation_loss[-1],
        "test_loss": outcome.test_loss,
        "best_test_accuracy": outcome.best_test_accuracy,
        "epochs": history.epochs,
        "parameters": cost.parameters,
        "macs": cost.macs,
        "status": status(outcome, data.chance, cut_off(network, mask)),
        "data_sha256": data.sha256,
        "seconds": outcome.seconds,
        "processor_seconds": outcome.processor_seconds or math.nan,
        **outcome.provenance,
    }


def identity(experiment: Experiment, run: Run) -> dict[str, object]:
    """What the records of a run have in common: which run it is, its curve and its recipe."""
    return {
        "experiment": run.experiment,
        "data": run.data,
        "network": run.network,
        "metric": run.metric,
        "p": float("nan") if run.schedule == "one_unit" else run.p,
        "schedule": run.schedule,
        "selection": run.selection,
        "score": run.score,
        "initial": run.initial,
        "stop": str(run.stop),
        "seed": run.seed,
        "curve": experiment.curve(run),
        "recipe": run.recipe.digest,
    }


def run_of(record: Mapping[str, Any], stop: Stop, recipe: Recipe) -> Run:
    """The run of a record, with this stop and this recipe. Raises InputError for what no run can be."""
    p = None if math.isnan(record["p"]) else float(record["p"])
    if record["schedule"] == "one_unit" and p is not None:
        raise InputError(f"where one unit goes there is no p, and here it is {p}")
    names = "experiment data network metric selection schedule score initial".split()
    words = {name: record[name] for name in names}
    return Run(**words, seed=int(record["seed"]), p=p, stop=stop, recipe=recipe)


def write_records(table: pd.DataFrame, file: Path) -> None:
    """Write records as CSV, whole or not at all. Floats keep nine digits.

    Raises InputError if the folder cannot be written.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        known = table.drop(columns=[column for column in LATER_COLUMNS if table[column].isna().all()])
        known.to_csv(part, index=False, lineterminator="\n", float_format=f"%{FLOAT_FORMAT}")
        os.replace(part, file)
    except OSError as error:
        raise cannot_write(file, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def cannot_write(place: Path, error: OSError) -> InputError:
    """The error for a folder of records, or a file in it, that cannot be written."""
    return InputError(f"{place} cannot be written ({error.strerror}); choose another folder with --out")


def check_name(name: str) -> None:
    """Raise InputError for an experiment's name that cannot be the name of a file, such as one with a slash."""
    if not re.fullmatch(r"\w[^/\\\x00-\x1f]{0,199}", name):
        raise InputError(
            f"'{name}' cannot name a file of records; a name begins with a letter or a digit, and holds no slash"
        )


def read_records(file: Path) -> pd.DataFrame:
    """Records from CSV.

    The table remembers its file (`place_of`). Raises InputError, naming file and line, for a missing column, a line of
    another length, a value that is no number, or no whole one, where one belongs, or a row that stands there twice.
    """
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            header, *body = list(csv.reader(lines)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file} cannot be read as a table of records ({error})") from error
    if missing := [column for column in RECORD_COLUMNS if column not in [*header, *LATER_COLUMNS]]:
        raise InputError(f"{file}, line 1: the column '{missing[0]}' is missing; these are no records of this version")
    for number, line in enumerate(body, start=2):
        if len(line) != len(header):
            raise InputError(f"{file}, line {number}: {len(line)} values instead of {len(header)}; the file is damaged")
    table = pd.DataFrame(body, columns=header).reindex(columns=RECORD_COLUMNS, fill_value="")
    table.attrs["file"] = str(file)
    for column in numeric_columns():
        numbers, kind = pd.to_numeric(table[column], errors="coerce"), "number"
        bad = numbers.isna() & ~table[column].str.lower().isin(["", "nan"])
        if column in WHOLE_COLUMNS:
            bad, kind = ~table[column].map(is_whole), "whole number of at least 0"
        if bad.any():
            at = int(bad.to_numpy().argmax())
            said = f"'{table[column][at]}' is no {kind} for {column}; the file is damaged"
            raise InputError(f"{place_of(table, at)}: {said}")
        table[column] = numbers
    repeated = table.duplicated(KEY_COLUMNS)
    if repeated.any():
        at = int(repeated.to_numpy().argmax())
        raise InputError(f"{file}, line {at + 2}: this run and cycle stands there already; delete one of the two lines")
    return table


def is_whole(text: str) -> bool:
    """Whether a text is a whole number in plain digits that a column can hold."""
    return text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= LARGEST_SEED


def numeric_columns() -> list[str]:
    """The columns that hold numbers."""
    words = set(KEY_COLUMNS) - {"p", "seed", "cycle"} | set(PROVENANCE_COLUMNS) - {"seconds", "processor_seconds"}
    words |= {"curve", "units_per_layer", "status", "recipe", "data_sha256"}
    return [column for column in RECORD_COLUMNS if column not in words]


def same_records(a: pd.DataFrame, b: pd.DataFrame) -> pd.Series:
    """For two tables of the same length, whether each row is the same record: equal in all but provenance.

    Numbers are compared by the digits that a file keeps.
    """
    same = [column for column in RECORD_COLUMNS if column not in PROVENANCE_COLUMNS]
    return (file_texts(a[same]) == file_texts(b[same])).all(axis=1)


def file_texts(table: pd.DataFrame) -> pd.DataFrame:
    """The rows, counted from 0, as the texts that stand for them in a file."""
    texts = {
        name: [format(value, FLOAT_FORMAT) if isinstance(value, float) else str(value) for value in column.tolist()]
        for name, column in table.items()
    }
    return pd.DataFrame(texts, columns=table.columns, dtype=str)


def merge_tables(old: pd.DataFrame, new: Iterable[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Old rows and those of the new tables whose key is not there yet; and how many unequal ones stayed out.

    Raises InputError as `check_same_settings` does.
    """
    merged, refused = old, 0
    for table in new:
        check_same_settings(merged, table)
        keys, table_keys = (pd.MultiIndex.from_frame(file_texts(t[KEY_COLUMNS])) for t in (merged, table))
        both = table_keys.isin(keys)
        ours = merged.set_axis(keys, axis=0).loc[table_keys[both]]
        refused += int((~same_records(ours, table[both])).sum())
        rows = [part for part in (merged, table[~both]) if len(part)]
        merged = pd.concat(rows, ignore_index=True) if rows else merged
    return merged, refused


@dataclass(frozen=True)
class CyclePoint:
    """A cycle as a stop looks at it."""

    fraction_remaining: float
    validation_accuracy: float


def distinct_trainings(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with each training once: the unpruned network of a seed stands in the rows of all metrics."""
    return table.drop_duplicates(["seed", "created", "seconds", "test_loss"])


def core_seconds(table: pd.DataFrame) -> pd.Series:
    """The seconds that each row's training took of a core, as far as they are known, else by the clock; of a GPU by the
    clock. A process that waits for others runs on by the clock alone."""
    return table["processor_seconds"].where(table["device"] == "cpu").fillna(table["seconds"])


def returned_records(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each run: the cycle that Algorithm 1 returns, in the run's reading of kappa (`Stop.result`).

    A run that stops at a fraction or a number of cycles returns its last one.
    """
    rows = []
    for _, run in table.groupby(KEY_COLUMNS[:-1], dropna=False, sort=False):
        run = run.sort_values("cycle")
        rows.append(run.iloc[Stop.parse(run["stop"].iloc[0]).result(cycle_points(run))])
    return pd.DataFrame(rows, columns=table.columns).reset_index(drop=True)


def cycle_points(run: pd.DataFrame) -> list[CyclePoint]:
    """The rows of one run, in the order of its cycles, as a stop looks at them."""
    columns = run[["fraction_remaining", "validation_accuracy"]].astype(float)
    return [CyclePoint(*values) for values in columns.itertuples(index=False)]


def complete_runs(table: pd.DataFrame) -> int:
    """How many runs of these records have all their cycles, judged by their own rows."""
    return sum(is_complete(run) for _, run in table.groupby(KEY_COLUMNS[:-1], dropna=False, sort=False))


def is_complete(run: pd.DataFrame) -> bool:
    """Whether the rows of one run go from cycle 0 to its end (`has_ended`)."""
    run = run.sort_values("cycle")
    if run["cycle"].tolist() != list(range(len(run))):
        return False
    last = dict(run.iloc[-1])
    return has_ended(Stop.parse(last["stop"]), cycle_points(run), last)


def has_ended(stop: Stop, cycles: Sequence[CyclePoint], last: Mapping[str, Any]) -> bool:
    """Whether a run ends with the last of these cycles, whose record is `last`: its stop says so, or it cannot go on.

    A loss that is not finite ends a rewound run alone: a control follows the losses of the rewound one.
    """
    diverged = last["status"] == "diverged" and last["initial"] == "rewind"
    return bool(stop(cycles) or last["units_remaining"] == 0 or diverged)
