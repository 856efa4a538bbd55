"""How far the curves that were run lie from the published ones, and which differences are more than noise."""

from pathlib import Path

import numpy as np
import pandas as pd

from dropnet_core.analysis import published
from dropnet_core.basics.places import results_folder
from dropnet_core.experiments.experiment import experiment_names
from dropnet_core.experiments.results import stored_records

ERRORS = 2  # standard errors of a difference of means; chance alone exceeds them at about one point in twenty


def comparisons(folder: Path | None = None) -> dict[str, pd.DataFrame]:
    """`published.compare` for each experiment of the table that has records and a published curve.

    Raises InputError if a file of records is damaged, naming it and the line.
    """
    where = folder or results_folder()
    tables = {
        name: published.compare(records, name)
        for name in experiment_names()
        if len(records := stored_records(name, where))
    }
    return {name: table for name, table in tables.items() if len(table)}


def agreements(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each curve and, called "all", each experiment: experiment, then `published.agreement`'s columns.

    And n, the seeds of ours.
    """
    rows = [
        published.agreement(table).assign(experiment=name, n=int(table["n"].max())) for name, table in tables.items()
    ]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["experiment", "curve", "n"])


def noise_bound(comparison: pd.DataFrame) -> pd.Series:
    """How large a difference chance and reading may make at each point: two standard errors and the reading error.

    The standard error of the difference comes from our seeds and the drawn bars. One seed shows no spread; there
    the spread of the paper's seeds stands for ours.
    """
    one = comparison["published_noise"] * np.sqrt(published.PUBLISHED_SEEDS / comparison["n"])
    ours = comparison["seed_noise"].fillna(one)
    return ERRORS * np.hypot(ours, comparison["published_noise"]) + comparison["reading_error"]


def beyond_noise(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The curves with points that differ by more than `noise_bound`: open questions, the largest difference first.

    Columns: experiment, curve, points, beyond (how many of them), fraction_remaining (of the largest such
    difference), ours, published, difference, noise.
    """
    rows = []
    for name, table in tables.items():
        table = table.assign(noise=noise_bound(table))
        for curve, points in table.groupby("curve", sort=False):
            open_ones = points[points["difference"].abs() > points["noise"]]
            if len(open_ones):
                worst = open_ones.iloc[int(open_ones["difference"].abs().argmax())]
                place = worst[["fraction_remaining", "ours", "published", "difference", "noise"]].to_dict()
                rows.append(
                    {"experiment": name, "curve": curve, "points": len(points), "beyond": len(open_ones)} | place
                )
    columns = "experiment curve points beyond fraction_remaining ours published difference noise".split()
    return pd.DataFrame(rows, columns=columns).sort_values("difference", key=abs, ascending=False, ignore_index=True)
