"""What a chapter shows of the run that it has just made, and what it states about it.

A statement about metrics that the reader has taken out of the parameters is left out.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dropnet_core.analysis import stats
from dropnet_core.figures.layer_map import RESNET18, group_shares
from dropnet_core.pages.notebook import says


def seeds_drawn(records: pd.DataFrame, interval: str) -> dict[str, Any]:
    """How `plots` shall draw the seeds: three and more as an interval, two, which make none worth drawing, as lines."""
    seeds = records["seed"].nunique()
    return {"interval": interval if seeds > 2 else None, "seeds": seeds == 2}


def print_units_left(records: pd.DataFrame, by: str = "metric") -> None:
    """The units remaining at each cycle: a row for each metric, or each value of another column."""
    counts = records.drop_duplicates([by, "cycle"]).pivot(index=by, columns="cycle", values="units_remaining")
    print(counts.reindex(records[by].unique()).to_string(float_format="%.0f", na_rep=""))


def print_accuracies(records: pd.DataFrame, fractions: Sequence[float]) -> None:
    """Mean test accuracy of each curve, interpolated to those of the fractions remaining that the run reaches."""
    lowest = records["fraction_remaining"].min()
    means = {x: stats.at_fraction(records, x).mean() for x in fractions if x >= lowest}
    print(pd.DataFrame(means).round(3).to_string())


def says_worse(records: pd.DataFrame, metric: str, other: str, by: float, below: float) -> None:
    """State whether below a fraction remaining a metric's mean test accuracy is that much lower than another's."""
    small = records[records["fraction_remaining"] < below]
    means = small.groupby("metric")["test_accuracy"].mean()
    if {metric, other} <= set(means.index):
        says(f"below {below:g}, {metric} is {by:g} worse than {other}", means[metric] < means[other] - by)


def says_learnt(records: pd.DataFrame, chance: float) -> None:
    """State whether every whole network is right twice as often as by chance (`DataSet.chance`)."""
    whole = records[records["cycle"] == 0]["test_accuracy"].min()
    says("the whole network is at twice chance or more", whole > 2 * chance)


def says_other_widths(records: pd.DataFrame) -> None:
    """State whether the first cut by `min` leaves other layer widths than that by `min_layer`, for the first seed."""
    first = records[(records["cycle"] == 1) & (records["seed"] == records["seed"].iloc[0])]
    widths = first.drop_duplicates("metric").set_index("metric")["units_per_layer"]
    if {"min", "min_layer"} <= set(widths.index):
        says("min leaves other layer widths than min_layer", widths["min"] != widths["min_layer"])


def says_shortcuts_stay(records: pd.DataFrame) -> None:
    """State whether the first cut by `min` takes more of ResNet18's branch ends than of its shortcuts."""
    shares = group_shares(records, RESNET18)
    if ("min", 1) in shares.index and records["network"].str.startswith("resnet18").all():
        ends, shortcuts = shares["branch end"]["min", 1], shares["shortcut"]["min", 1]
        says("min drops more of branch ends than of shortcuts", ends < shortcuts)
