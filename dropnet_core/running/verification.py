"""Records computed again and compared."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.places import expand_home
from dropnet_core.basics.provenance import KERNELS, rounding
from dropnet_core.basics.streams import stream
from dropnet_core.data import DataSet, load
from dropnet_core.experiments.experiment import Experiment, experiment, experiment_names
from dropnet_core.experiments.making import columns_in_curve
from dropnet_core.experiments.plausible import faults_of_row, row_dicts
from dropnet_core.experiments.records import (
    KEY_COLUMNS,
    PROVENANCE_COLUMNS,
    RECORD_COLUMNS,
    file_texts,
    is_complete,
    record_of,
    run_of,
)
from dropnet_core.recipe import Recipe
from dropnet_core.running.run import PreparedExperiment
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store
from dropnet_core.stops import Stop

COMPARED_COLUMNS = [column for column in RECORD_COLUMNS if column not in (*KEY_COLUMNS, "curve", *PROVENANCE_COLUMNS)]
OWN_IMAGES = "imagefolder:"
RETIRED_ENGINES = {
    "0.1.0": ("stacked", "compact")
}  # engines of earlier versions that are gone, or had steps of their own
VARIED_COLUMNS = {  # setting -> column of its values
    "metrics": "metric", "p": "p", "selection": "selection", "score": "score", "initial": "initial", "stops": "stop",
}  # fmt: skip
ACCURACY_TOLERANCE, LOSS_TOLERANCE = (
    0.002,
    0.01,
)  # absolute, relative: how far rounding alone moves a training of the same length


@dataclass(frozen=True)
class Recomputation:
    """One row computed again.

    name          experiment, curve, seed and cycle, for a reader
    grade         "equal", "within rounding" (the same units, epochs and status, close numbers), "stopped at another
                  epoch" (the same units) or "different"
    differences   column -> (value in the file, value now)
    same_bits     whether both must have the same bits: both were made by the kernels, or by the same engine, hardware,
                  device and versions
    fault         why no machine can have made the row (`plausible.faults`, `unexplained_accuracy`); "" if one can
    """

    name: str
    grade: str
    differences: dict[str, tuple[str, str]]
    same_bits: bool
    fault: str = ""

    @property
    def failed(self) -> bool:
        """Whether the row is wrong: other rounding does not explain it."""
        return bool(self.fault) or (self.grade != "equal" and self.same_bits)

    def __str__(self) -> str:
        pairs = [f"{column} {was} then, {now} now" for column, (was, now) in self.differences.items()]
        said = "; ".join([self.fault] * bool(self.fault) + pairs)
        return f"{self.name}: {self.grade}" + (f" ({said})" if said else "")


def random_rows(table: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    """So many rows of a table, chosen at random; all rows if it has no more."""
    chosen = stream(seed, "verification").permutation(len(table))[:count]
    return table.iloc[sorted(chosen)]


def experiment_of_records(table: pd.DataFrame, settings: dict[str, Any]) -> Experiment:
    """An experiment with the recipe that these records were made by.

    A file tells a recipe by its digest only. The recipe tried is that of the table's experiment, or the
    default one for a name that is not in the table, with these settings. Raises InputError if its digest is
    another.
    """
    first = table.iloc[0]
    name, base = str(first["experiment"]), str(first["experiment"]).partition("+")[0]
    recipe = experiment(base).recipe if base in experiment_names() else Recipe()
    planned = Experiment(
        name, first["data"], first["network"], (first["metric"],), (0,), (first["selection"],), recipe=recipe
    ).with_settings(settings)
    for digest in table["recipe"].unique():
        if digest != planned.recipe.digest:
            raise InputError(
                f"the records of '{name}' were made by recipe {digest}, not by {planned.recipe.digest}; "
                "give the settings they were made with, for example --set max_epochs=2"
            )
    return planned


def name_matches(table: pd.DataFrame, settings: dict[str, Any]) -> bool | None:
    """Whether the digits behind the "+" of a changed experiment's name follow from its rows and these settings.

    True for a name without such digits. None where it cannot be told: an interrupted run lacks rows, so they need not
    have all values that were varied, nor in their order. False only if none can be missing.
    """
    first = table.iloc[0]
    name, base = str(first["experiment"]), str(first["experiment"]).partition("+")[0]
    if base == name or base not in experiment_names():
        return True
    found = {column: first[column] for column in ("data", "network", "schedule")}
    settings = {setting: value for setting, value in settings.items() if setting != "data"}  # says where it lies today
    varied: dict[str, tuple[Any, ...]] = {
        setting: tuple(dict.fromkeys(table[column])) for setting, column in VARIED_COLUMNS.items()
    }
    varied["p"] = tuple(None if pd.isna(value) else float(value) for value in table["p"].unique())
    base_experiment = experiment(base)
    planned = base_experiment.variant(found | settings)
    lists = {
        setting: {str(value) if setting == "stops" else value for value in getattr(planned, setting)}
        for setting in VARIED_COLUMNS
    }
    if name == planned.name and all(lists[setting].issuperset(varied[setting]) for setting in VARIED_COLUMNS):
        return True
    if name in (base_experiment.variant(each).name for each in (found | varied | settings, found | settings | varied)):
        return True
    named = set[str]().union(*(columns_in_curve(record) or () for record in row_dicts(table.drop_duplicates("curve"))))
    # One value that the curves do not name is the only one: a curve names what has several.
    several = [setting for setting, column in VARIED_COLUMNS.items() if column in (*named, "metric", "initial")]
    may_lack = any(lists[setting] != set(varied[setting]) for setting in several)
    return None if may_lack or missing_parts(table) else False


def missing_parts(table: pd.DataFrame) -> list[str]:
    """What an experiment's records lack, in words: curves, seeds, runs that other seeds have, ends of runs.

    The table of experiments tells which curves there are, and its seeds begin with 0; of an experiment that is not
    there only what lies between its own seeds, or stands in some of them, can be missed.
    """
    name = table["experiment"].iloc[0]
    planned = experiment(name) if name in experiment_names() else None
    there = dict.fromkeys(table["curve"])
    curves = dict.fromkeys(map(planned.curve, planned.runs())) if planned else there
    said = [f"{curve}: all its runs" for curve in curves if curve not in there]
    seeds = sorted(table["seed"].unique())
    for before, seed in zip([-1, *seeds] if planned else seeds, seeds if planned else seeds[1:], strict=False):
        if seed - before > 1:
            said.append(f"seed {before + 1}" if seed - before == 2 else f"seeds {before + 1} to {seed - 1}")
    runs = {key: run for key, run in table.groupby(["curve", "seed"], sort=False)}
    for seed in seeds:
        for curve in there:
            run = runs.get((curve, seed))
            if run is None:
                said.append(f"{curve}, seed {seed}: the whole run")
            elif not is_complete(run):
                said.append(f"{curve}, seed {seed}: what follows cycle {run['cycle'].max()}")
    return said


def verify(rows: pd.DataFrame, settings: dict[str, Any]) -> Iterator[Recomputation]:
    """Train the runs of these rows anew, up to each row's cycle, with a fresh store, and compare.

    Each row is computed by the engine that made it, or the fastest where that is gone, and on its kind of device if
    there is one here. Where the settings name data, these are read instead, but must be the same. Raises InputError for
    data or settings that are not those of the records.
    """
    alike = ["experiment", "data", "network", "engine", "version", "device"]
    for (_, data, network, engine, version, device), part in rows.groupby(alike, sort=False):
        place = settings.get("data") or data_found_here(str(data), rows)
        own = replace(experiment_of_records(part, settings), data=place, network=str(network))
        by = "auto" if engine in RETIRED_ENGINES.get(str(version), ()) else str(engine)
        own_data = data_of_records(part, own)
        prepared = PreparedExperiment.of(own, by, "auto" if device == "cuda" else "cpu", data=own_data)
        # As far as each row's cycle.
        runs = [run_of(record, Stop("cycles", record["cycle"] + 1), own.recipe) for record in row_dicts(part)]
        wrong = {row: next(faults_of_row(dict(record), prepared.network), "") for row, record in part.iterrows()}
        with tempfile.TemporaryDirectory() as folder:
            board = Board(Store(Path(folder) / "verification.sqlite"), prepared.data.sha256)
            board.start(dict.fromkeys(runs), prepared.network)
            prepared.train(board)
            board.store.close()
        for run, (line, record) in zip(runs, part.iterrows(), strict=True):
            number, cycles = int(record["cycle"]), board.cycles[run]
            last = min(number, len(cycles) - 1)  # where the run ended earlier this time, its end is compared
            again = record_of(own, run, last, cycles[last], prepared.network, prepared.data)
            yield compare_record(record, pd.Series(again), wrong[line], own.recipe, prepared.data)


def data_of_records(table: pd.DataFrame, own: Experiment) -> DataSet:
    """The data of these records. Raises InputError if they cannot be found, or are others by now."""
    data = load(own.data, size=own.size, colour=own.colour)
    if set(table["data_sha256"]) == {data.sha256}:
        return data
    reason = "its checksum differs"
    if own.data.startswith(OWN_IMAGES):
        read = f"with {data.shape[1]}x{data.shape[2]} pixels and in {'colour' if data.shape[0] == 3 else 'grey'}"
        reason += f". Its images were read {read}: repeat --set size= and --set colour= of the run, if it had them"
    raise InputError(f"the data set '{own.data}' is not the one of these records: {reason}")


def data_found_here(data: str, table: pd.DataFrame) -> str:
    """The name of a data set as it is understood here. A path that leads nowhere from here may lead to the images from
    the folder of the records' file, or the one around it: there the run is likely to have been started.

    Raises InputError for images that are in neither place.
    """
    path = data.removeprefix(OWN_IMAGES)
    if path == data or expand_home(path).exists():
        return data
    for folder in Path(table.attrs.get("file", "")).resolve().parents[:2]:
        if (folder / path).exists():
            return f"{OWN_IMAGES}{folder / path}"
    raise InputError(f"the images of these records are not in {path}; say where they are: --set data={OWN_IMAGES}PATH")


def compare_record(record: pd.Series, again: pd.Series, fault: str, recipe: Recipe, data: DataSet) -> Recomputation:
    """The verdict on a record and what came of computing it again. `fault`: what is wrong with it on any machine."""
    texts = file_texts(pd.DataFrame([record, again])[["cycle", *COMPARED_COLUMNS]])
    differing = [column for column in ("cycle", *COMPARED_COLUMNS) if texts[column][0] != texts[column][1]]
    grade = "within rounding" if differing else "equal"
    same = same_bits(record, again, recipe.augmented)
    if not same:  # else any difference is one too many
        fault = fault or unexplained_accuracy(record, again, differing, recipe, data)
    if fault or not all(close(column, record[column], again[column]) for column in differing):
        moved = not fault and "epochs" in differing and depends_on_training_alone(differing)
        grade = "stopped at another epoch" if moved else "different"
    return Recomputation(
        f"{record['experiment']} {record['curve']}, seed {record['seed']}, cycle {record['cycle']}",
        grade,
        {column: (texts[column][0], texts[column][1]) for column in differing},
        same,
        fault,
    )


def unexplained_accuracy(
    record: pd.Series, again: pd.Series, differing: list[str], recipe: Recipe, data: DataSet
) -> str:
    """Which accuracy or status of a record rounding cannot explain, since units, epochs and losses are as before.

    An accuracy may move by ACCURACY_TOLERANCE or by two images, and by as much more as the losses do.
    """
    others = [column for column in differing if not column.endswith("accuracy") and column != "status"]
    if not all(close(column, record[column], again[column]) for column in others):
        return ""
    moved = max((abs(record[loss] / again[loss] - 1) for loss in others), default=0.0)
    for column in differing:
        if column == "best_test_accuracy" and record["epochs"] == recipe.max_epochs:
            continue  # of two epochs with nearly the lowest loss the other may be the best
        if column.endswith("accuracy"):
            images = len(data.parts[column.split("_")[-2]])
            if abs(record[column] - again[column]) > max(ACCURACY_TOLERANCE, 2.5 / images) + moved:
                return f"losses and epochs are as before, the {column} is not"
    if "status" in differing and not (
        "test_accuracy" in differing and {record["status"], again["status"]} == {"ok", "collapsed"}
    ):
        return "losses, epochs and units are as before, the status is not"
    return ""


def depends_on_training_alone(columns: list[str]) -> bool:
    """Whether these columns depend on the training of the row alone, not on what was dropped before."""
    return all(column.endswith(("accuracy", "loss")) or column in ("epochs", "status") for column in columns)


def same_bits(record: pd.Series, again: pd.Series, augmented: bool) -> bool:
    """Whether two makings of a record must be equal to the last bit."""
    one, other = (rounding(making["engine"], making["hardware"], augmented) for making in (record, again))
    alike = all(record[column] == again[column] for column in ("engine", "device", "torch", "version"))
    return one == other and (one == KERNELS or alike)


def close(column: str, was: Any, now: Any) -> bool:
    """Whether rounding alone can explain two different values of a column."""
    if column.endswith("accuracy"):
        return abs(was - now) <= ACCURACY_TOLERANCE
    return column.endswith("loss") and math.isclose(was, now, rel_tol=LOSS_TOLERANCE)
