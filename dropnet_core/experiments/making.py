"""What all records of one experiment share: they are averaged over seeds, so they must have been made alike."""

import re
from collections.abc import Mapping

import pandas as pd

from dropnet_core.basics.errors import InputError

ALIKE = ("data", "network", "schedule", "recipe", "data_sha256")
MAY_VARY = ("p", "stop", "selection", "score")  # what an experiment may vary, if its curves are named by it
CURVE = re.compile(r"(?:/p=(?P<p>[^/@]+))?(?:/(?P<stop>[^@]+))?(?:@(?P<selection>exact|authors))?(?:@(?P<score>\w+))?")
NAMED_BY_CURVE = "as its curve says"


def place_of(table: pd.DataFrame, row: int) -> str:
    """ "results/a.csv, line 7" for the row counted from 0, where the table was read from a file; else "row 5"."""
    return f"{table.attrs['file']}, line {row + 2}" if "file" in table.attrs else f"row {row}"


def columns_in_curve(record: Mapping[str, object]) -> set[str] | None:
    """Which of the columns that may vary a row's curve names; None if the name is no curve of this row.

    `Experiment.curve` makes these names: the metric, the first weights unless rewound, then what varies.
    """
    own = str(record["metric"]) + ("" if record["initial"] == "rewind" else f"_{record['initial']}")
    curve = str(record["curve"])
    match = CURVE.fullmatch(curve.removeprefix(own)) if curve.startswith(own) else None
    if match is None:
        return None
    named = {column: text for column, text in match.groupdict().items() if text is not None}
    return set(named) if all(agree(text, record[column]) for column, text in named.items()) else None


def agree(text: str, value: object) -> bool:
    """Whether a part of a curve's name stands for a value; p is a number."""
    try:
        return text == value if isinstance(value, str) else abs(float(text) - float(str(value))) < 1e-9
    except ValueError:
        return False


def shared_settings(table: pd.DataFrame) -> pd.DataFrame:
    """The columns in which all rows of an experiment agree; what its curves name varies, and is replaced by words."""
    found = table[[*ALIKE, *MAY_VARY]].astype(object)
    found["p"] = [f"{float(p):.9g}" for p in found["p"]]
    columns = ["curve", "metric", "initial", *MAY_VARY]
    for _, rows in table.groupby(columns, dropna=False, sort=False):
        for column in columns_in_curve(dict(rows.iloc[0])) or ():
            found.loc[rows.index, column] = NAMED_BY_CURVE
    return found


def check_same_settings(old: pd.DataFrame, new: pd.DataFrame) -> None:
    """Refuse rows that were not made as the rows of their experiment: another network, data, recipe, stop.

    Raises InputError, naming the row, what differs and both values.
    """
    for name, part in new.groupby("experiment", sort=False):
        known = old[old["experiment"] == name]
        first = shared_settings(known.head(1) if len(known) else part.head(1)).iloc[0]
        own = shared_settings(part)
        for column in own.columns:
            differing = own.index[own[column] != first[column]]
            if len(differing):
                row = int(differing[0])
                raise InputError(
                    f"{place_of(new, row)}: records of '{name}' differ in {column} ({own.at[row, column]!s} and "
                    f"{first[column]}); they belong to another experiment: keep them in another folder"
                )
