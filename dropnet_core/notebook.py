"""What a chapter's notebook does first, and what it shows of earlier results."""

import ast
from collections.abc import Sequence
from textwrap import fill

import pandas as pd
from IPython.core.getipython import get_ipython

from dropnet_core.errors import InputError, unknown
from dropnet_core.places import results_folder
from dropnet_core.plural import counted
from dropnet_core.records import read, trainings
from dropnet_core.results import time_spent

PAGE_WIDTH = 66  # letters of a cell's output that a page shows without scrolling
INJECTED = "# Parameters"  # first line of the cell that Papermill puts behind the declared parameters


def check_parameters() -> None:
    """Refuse a Papermill parameter that the notebook does not declare, or one of another type.

    Papermill itself warns of the first and is silent about the second, and then trains with the wrong value.
    Raises InputError with the nearest declared name or the declared type. Outside Papermill there is nothing to
    check: a reader who edits the cell sees Python's own errors.
    """
    shell = get_ipython()
    check_cells(shell.user_ns["In"] if shell else [])


def check_cells(cells: Sequence[str]) -> None:
    """The check of `check_parameters` on the source texts of the cells run so far."""
    for declared, injected in zip(cells, cells[1:], strict=False):
        if injected.split("\n", 1)[0] == INJECTED:
            types = declared_types(declared)
            for name, value in assigned(injected).items():
                if name not in types:
                    raise unknown("parameter", name, types)
                if not fits(value, types[name]):
                    remedy = (
                        f"write a list as -y '{{{name}: [a, b]}}'"
                        if "list[" in types[name]
                        else "give one of that type"
                    )
                    raise InputError(f"the parameter {name} is declared as {types[name]}, not {value!r}; {remedy}")


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
    return read(file) if file.is_file() else None


def provenance(records: pd.DataFrame) -> str:
    """Where records come from, in lines that fit a page: seeds, trainings, hardware, versions, dates, time."""

    def listed(column: str) -> str:
        return ", ".join(dict.fromkeys(records[column].astype(str)))

    distinct = trainings(records)
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
