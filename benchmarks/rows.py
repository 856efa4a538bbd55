"""What was measured, as rows of a table that is printed and kept as CSV."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.processes import cores
from dropnet_core.basics.errors import InputError
from dropnet_core.basics.provenance import processor
from dropnet_core.basics.version import VERSION


@dataclass(frozen=True)
class Row:
    """One number: the median over the rounds, with the smallest and the largest.

    part      what was measured together, and is replaced together
    quantity  what it is, in `unit`
    way       who did it; "a/b" for a ratio of two
    at        where: a cycle, the units of the layers; empty if there is one only
    """

    part: str
    model: str
    quantity: str
    way: str
    at: str
    value: float
    low: float
    high: float
    unit: str
    rounds: int

    @classmethod
    def of(
        cls, part: str, model: str, quantity: str, way: str, at: object, values: Sequence[float], unit: str
    ) -> "Row":
        middle, low, high = (float(f"{f(values):.4g}") for f in (np.median, np.min, np.max))
        return cls(part, model, quantity, way, str(at), middle, low, high, unit, len(values))


MEASURED = [field.name for field in fields(Row)]
COLUMNS = [*MEASURED, "hardware", "cores", "libraries", "version", "created"]
# What computes beside PyTorch, where it is installed.
OTHERS = "numba", "onnxruntime", "keras", "tensorflow", "tensorflow_cpu", "jax"


def libraries() -> str:
    """What trains here, with versions."""
    found = [f"torch {torch.__version__}"]
    for name in OTHERS:
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


def table(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows with where and when they were measured."""
    here = {
        "hardware": processor(),
        "cores": cores(),
        "libraries": libraries(),
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="minutes"),
    }
    return pd.DataFrame([asdict(row) | here for row in rows], columns=COLUMNS)


def read(file: Path) -> pd.DataFrame:
    """The table of an earlier measurement; empty if there is none.

    Raises InputError if the file is none of ours.
    """
    if not file.is_file():
        return pd.DataFrame(columns=COLUMNS)
    try:
        found = pd.read_csv(file, keep_default_na=False, dtype={"at": str})  # also where all are numbers
    except ValueError as error:
        raise InputError(f"{file.name} is no table of measurements ({error}); remove it and measure again") from None
    if list(found.columns) != COLUMNS:
        raise InputError(f"{file.name} has other columns than {', '.join(COLUMNS)}; remove it and measure again")
    return found


def merged(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The old table in which the new one's parts stand in place of their earlier measurements on the same processor;
    what other processors took stays."""
    again = set(zip(new["part"], new["hardware"], strict=True))
    stays = [place not in again for place in zip(old["part"], old["hardware"], strict=True)]
    kept = old[np.array(stays, dtype=bool)]
    return new.reset_index(drop=True) if kept.empty else pd.concat([kept, new], ignore_index=True)


def printed(measured: pd.DataFrame) -> str:
    """The table for a terminal: medians, and the spread where there is one."""
    if measured.empty:
        return "nothing was measured"
    lines = measured[["part", "model", "quantity", "way", "at"]].copy()
    lines["median"] = measured["value"].map("{:.4g}".format)
    spread = measured["low"].map("{:.4g}".format) + " to " + measured["high"].map("{:.4g}".format)
    lines["spread"] = spread.where(measured["rounds"].astype(int) > 1, "")
    lines["unit"] = measured["unit"]
    return lines.to_string(index=False)
