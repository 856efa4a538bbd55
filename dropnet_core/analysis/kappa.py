"""What Algorithm 1 as printed returns: the network that each run with a stop "kappa" ends with."""

import numpy as np
import pandas as pd

from dropnet_core.analysis.stats import mean, share_collapsed, t_interval
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.records import KEY_COLUMNS, cycle_points, is_complete, returned_records
from dropnet_core.stops import READINGS, Stop

KAPPA_COLUMNS = (
    "metric kappa reading n units fewest most parameters share_of_parameters test_accuracy lower upper loss "
    "broken share_collapsed"
).split()


def networks(records: pd.DataFrame) -> pd.DataFrame:
    """One row for each run of these records that kappa has stopped: the record it returns, and some columns more.

    In the order of the metrics, of falling kappa, of the readings and of the seeds. The columns:

    kappa, reading     of the run's stop
    loss               test accuracy of the same seed's unpruned network minus that of the returned one
    share_of_parameters   returned by unpruned, 0 to 1
    broken             whether the returned network is, on the *test* images, at or below kappa times the unpruned one

    Raises InputError if none was.
    """
    by_kappa = records[records["stop"].str.startswith("kappa ")]
    ended = [run for _, run in by_kappa.groupby(KEY_COLUMNS[:-1], dropna=False, sort=False) if is_complete(run)]
    if not ended:
        raise InputError(
            "no run of these records was stopped by kappa; run an experiment with stops such as 'kappa 0.95'"
        )
    chosen = pd.concat(ended)
    stops = {text: Stop.parse(text) for text in chosen["stop"].unique()}
    found = returned_records(chosen)
    unpruned = chosen[chosen["cycle"] == 0].set_index(KEY_COLUMNS[:-1])[["test_accuracy", "parameters"]]
    start = found[KEY_COLUMNS[:-1]].merge(unpruned, left_on=KEY_COLUMNS[:-1], right_index=True, how="left")
    kappa = found["stop"].map(lambda text: stops[text].value)
    table = found.assign(
        kappa=kappa,
        reading=found["stop"].map(lambda text: stops[text].reading),
        loss=start["test_accuracy"] - found["test_accuracy"],
        share_of_parameters=found["parameters"] / start["parameters"],
        broken=found["test_accuracy"] <= kappa * start["test_accuracy"],
    )
    place = table["metric"].map({metric: i for i, metric in enumerate(dict.fromkeys(table["metric"]))})
    end = table["reading"].map(READINGS.index)
    order = np.lexsort((table["seed"], end, -table["kappa"], place))
    return table.iloc[order].reset_index(drop=True)


def summary(returned: pd.DataFrame) -> pd.DataFrame:
    """One row for each (metric, kappa, reading) of the table that `networks` gives.

    Columns: n (seeds); units, fewest, most (mean, smallest and largest number of units remaining); parameters,
    share_of_parameters (means); test_accuracy with lower and upper (Student's 95 % interval); loss (mean); broken and
    share_collapsed (shares of the seeds, 0 to 1).
    """
    rows = []
    for (metric, kappa, reading), group in returned.groupby(["metric", "kappa", "reading"], sort=False):
        lower, upper = t_interval(group["test_accuracy"])
        rows.append(
            {
                "metric": metric,
                "kappa": kappa,
                "reading": reading,
                "n": len(group),
                "units": group["units_remaining"].mean(),
                "fewest": group["units_remaining"].min(),
                "most": group["units_remaining"].max(),
                "parameters": group["parameters"].mean(),
                "share_of_parameters": group["share_of_parameters"].mean(),
                "test_accuracy": float(mean(group["test_accuracy"])),
                "lower": float(lower),
                "upper": float(upper),
                "loss": group["loss"].mean(),
                "broken": group["broken"].mean(),
                "share_collapsed": share_collapsed(group["status"]),
            }
        )
    return pd.DataFrame(rows, columns=KAPPA_COLUMNS)


def first_and_last(records: pd.DataFrame, kappas: list[float]) -> pd.DataFrame:
    """How much the first fall decides: for runs that go on below every bound, such as those to a fraction.

    One row for each run and kappa: metric, curve, seed, kappa, first (units of the last cycle before the first
    one that fell, which `last_good` returns) and last (units of the smallest network whose validation accuracy
    is above kappa times that of the unpruned one). They differ where the accuracy recovers after a fall.
    """
    rows = []
    for (metric, curve, seed), run in records.groupby(["metric", "curve", "seed"], sort=False):
        run = run.sort_values("cycle")
        cycles, units = cycle_points(run), run["units_remaining"].to_numpy()
        for kappa in kappas:
            above = np.array([cycle.validation_accuracy > kappa * cycles[0].validation_accuracy for cycle in cycles])
            first = units[Stop("kappa", kappa).result(cycles)]
            last = units[np.flatnonzero(above | (np.arange(len(cycles)) == 0))[-1]]
            rows.append([metric, curve, seed, kappa, first, last])
    return pd.DataFrame(rows, columns="metric curve seed kappa first last".split())
