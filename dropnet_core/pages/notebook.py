"""What a chapter's notebook does first, and what it shows of earlier results."""

import ast
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd
from IPython.core.getipython import get_ipython

from dropnet_core.analysis.stats import INTERVAL_METHODS, QUANTITY_COLUMNS
from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.places import results_folder
from dropnet_core.basics.plural import counted
from dropnet_core.experiments.experiment import experiment_names
from dropnet_core.experiments.records import distinct_trainings, read_records
from dropnet_core.experiments.results import time_spent
from dropnet_core.figures.descriptions import SIZES
from dropnet_core.stops import Stop

PAGE_WIDTH = 66  # letters of a cell's output that a page shows without scrolling
SPEED = "benchmarks/speed.csv"  # below the folder of results
PAPERMILLS = "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH", "PAPERMILL_OUTPUT_DIR_PATH"  # its own names, if asked for
INJECTED = "# Parameters"  # first line of the cell that Papermill puts behind the declared parameters


def check_parameters() -> None:
    """Refuse parameters that cannot work, before anything is trained. One item given for a list becomes a list.

    Papermill itself warns of a name that the notebook does not declare, is silent about another type, and then
    trains with the wrong value. What only figures and tables need, such as `interval`, would be looked up after
    all trainings; `run` looks up the rest before them.

    Raises InputError with the nearest declared name, the declared type, or what is wrong with the value (`CHECKS`).
    Types are checked behind Papermill only: a reader who edits the cell sees Python's own errors.
    """
    if shell := get_ipython():
        check_cells(shell.user_ns["In"])
        check_values(shell.user_ns["In"], shell.user_ns)


def check_cells(cells: Sequence[str]) -> None:
    """The checks of names and types in `check_parameters`, on the source texts of the cells run so far."""
    for declared, injected in zip(cells, cells[1:], strict=False):
        if injected.split("\n", 1)[0] == INJECTED:
            types = declared_types(declared)
            for name, value in assigned(injected).items():
                if name in PAPERMILLS:
                    continue
                if name not in types:
                    raise unknown("parameter", name, types)
                if not fits(value, types[name]):
                    remedy = (
                        f"write a list as -y '{{{name}: [a, b]}}'"
                        if "list[" in types[name]
                        else "give one of that type"
                    )
                    raise InputError(f"the parameter {name} is declared as {types[name]}, not {value!r}; {remedy}")


def check_values(cells: Sequence[str], values: MutableMapping[str, Any]) -> None:
    """The checks of values in `check_parameters`, on what the names of the parameters stand for by now."""
    for name, annotation in declared(cells).items():
        if annotation.startswith("list[") and fits(values[name], annotation[len("list[") : -1]):
            values[name] = [values[name]]
        if isinstance(values[name], list) and not values[name]:
            raise InputError(f"the parameter {name} is an empty list; give at least one item")
        for value in values[name] if isinstance(values[name], list) else [values[name]]:
            if name in CHECKS:
                CHECKS[name](value)


def one_of(kind: str, known: Callable[[], Sequence[str]]) -> Callable[[Any], None]:
    """A check that a value is one of the known names."""

    def check(value: Any) -> None:
        if value not in known():
            raise unknown(kind, value, known())

    return check


def between(name: str, low: float, high: float) -> Callable[[Any], None]:
    """A check that a number lies above `low` and at most at `high`."""

    def check(value: Any) -> None:
        if not low < value <= high:
            raise InputError(f"the parameter {name} holds {value!r}; give a number above {low:g}, at most {high:g}")

    return check


def check_folder(folder: str) -> None:
    """Refuse a folder of records that is not there; "" is the project's own."""
    if folder and not Path(folder).is_dir():
        raise InputError(
            f"records is '{folder}', which is no folder; correct it, or leave it out for the project's own"
        )


def check_file(file: str) -> None:
    """Refuse a file below the results that is not there. The usual one may not have been made yet."""
    if file != SPEED and not (results_folder() / file).is_file():
        raise InputError(f"there is no file '{file}' in {results_folder()}; correct its name")


def with_records() -> list[str]:
    """The experiments of the table, and others whose records are among the results."""
    return [*experiment_names(), *(file.stem for file in results_folder().glob("*.csv"))]


CHECKS: dict[str, Callable[[Any], object]] = {
    "interval": one_of("interval", lambda: list(INTERVAL_METHODS)),
    "paper": one_of("experiment", with_records),
    "fixed": one_of("experiment", with_records),
    "quantity": one_of("quantity", lambda: QUANTITY_COLUMNS),
    "x": one_of("x axis", lambda: list(SIZES)),
    "lowest": lambda value: Stop("fraction", value),
    "fractions": between("fractions", 0, 1),
    "margin": between("margin", 0, 1),
    "trials": between("trials", 0, 1_000_000),
    "records": check_folder,
    "file": check_file,
}
"""What must be true of a parameter of this name, in every notebook, beyond what `run` checks before it trains."""


def declared(cells: Sequence[str]) -> dict[str, str]:
    """The parameters and their annotations, from the first of these cells that declares any."""
    for cell in cells:
        with suppress(SyntaxError):  # of a cell with commands for IPython
            if types := declared_types(cell):
                return types
    return {}


def declared_types(source: str) -> dict[str, str]:
    """Name -> annotation of the assignments in a parameters cell."""
    return {
        node.target.id: ast.unparse(node.annotation)
        for node in ast.parse(source).body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def assigned(source: str) -> dict[str, object]:
    """Name -> value of the assignments in Papermill's cell; its values are plain literals."""
    values: dict[str, object] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                values[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # float("nan") and its like
                values[node.targets[0].id] = ast.unparse(node.value)
    return values


def fits(value: object, annotation: str) -> bool:
    """Whether a literal is of the annotated type; any is of a type that is not checked here.

    A whole number is a float too, and one item stands for a list of it.
    """
    if annotation.endswith("| None"):
        return value is None or fits(value, annotation.removesuffix("| None").strip())
    if annotation.startswith("list["):
        items = value if isinstance(value, list) else [value]
        return all(fits(item, annotation[len("list[") : -1]) for item in items)
    if isinstance(value, bool):
        return annotation == "bool"
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": ()}
    return annotation not in kinds or isinstance(value, kinds[annotation])


def earlier_records(experiment: str) -> pd.DataFrame | None:
    """The committed records of an experiment, or None if it has not been run at the paper's scale.

    Raises InputError if the file is damaged, naming it and the line.
    """
    file = results_folder() / f"{experiment}.csv"
    return read_records(file) if file.is_file() else None


def provenance(records: pd.DataFrame) -> str:
    """Where records come from, in lines that fit a page: seeds, trainings, hardware, versions, dates, time."""

    def listed(column: str) -> str:
        return ", ".join(dict.fromkeys(records[column].astype(str)))

    distinct = distinct_trainings(records)
    days = sorted({created[:10] for created in records["created"]})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    seeds = records["seed"].nunique()
    said = (
        f"{counted(seeds, 'seed')} of {listed('network')} on {listed('data')}: "
        f"{counted(len(distinct), 'training')} in {time_spent(distinct)} by the "
        f"engine '{listed('engine')}' on {listed('hardware')} ({listed('device')}), torch {listed('torch')}, "
        f"dropnet_core {listed('version')}, {when}."
    )
    return fill(said, PAGE_WIDTH)


def says(sentence: str, holds: object) -> None:
    """State whether this run bears a finding out. Stored outputs are compared, so a change of verdict is noticed."""
    print(f"{'holds' if holds else 'does NOT hold'} in this run: {sentence}")
