"""Means, intervals and tests: pure functions of arrays, and two tables made of records.

Everywhere `values` has the seeds on its first axis, (seeds,) or (seeds, ...); the result has the other axes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats as scipy_stats

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.streams import stream

LEVEL = 0.95
EXACT_SEEDS = 20  # up to here all 2^n signs are tried (a million sums); beyond, this many are drawn:
RANDOM_SIGNS = 99_999

QUANTITY_COLUMNS = (
    "train_accuracy", "validation_accuracy", "test_accuracy", "best_test_accuracy",
    "train_loss", "validation_loss", "test_loss", "epochs", "seconds",
)  # fmt: skip

SUMMARY_COLUMNS = (
    "curve", "cycle", "fraction_remaining", "units_remaining", "parameters", "macs",
    "n", "mean", "median", "lower", "upper", "share_collapsed",
)  # fmt: skip

Interval = tuple[np.ndarray, np.ndarray]


def mean(values: ArrayLike) -> np.ndarray:
    """The mean over the seeds, the first axis."""
    return np.mean(np.asarray(values, dtype=float), axis=0)


def median(values: ArrayLike) -> np.ndarray:
    """The median over the seeds, the first axis."""
    return np.median(np.asarray(values, dtype=float), axis=0)


def standard_error(values: ArrayLike) -> np.ndarray:
    """Sample standard deviation over the root of n; NaN for one seed."""
    array = np.asarray(values, dtype=float)
    if len(array) < 2:
        return np.full(array.shape[1:], np.nan)
    return np.std(array, axis=0, ddof=1) / np.sqrt(len(array))


def _around_mean(values: ArrayLike, half_width: np.ndarray) -> Interval:
    return mean(values) - half_width, mean(values) + half_width


def paper_interval(values: ArrayLike) -> Interval:
    """(lower, upper) as the authors' code draws it: mean -+ 1.96 population standard deviations / sqrt(n).

    It calls itself a 95 % interval; at n = 15 it is 12 % narrower than Student's. NaN for one seed.
    """
    array = np.asarray(values, dtype=float)
    n = len(array)
    return _around_mean(array, 1.96 * standard_error(array) * np.sqrt((n - 1) / n))


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """(lower, upper), Student's interval of the mean, 95 % unless told. NaN for one seed."""
    array = np.asarray(values, dtype=float)
    quantile = scipy_stats.t.ppf((1 + level) / 2, max(len(array) - 1, 1))
    return _around_mean(array, quantile * standard_error(array))


def bootstrap_interval(values: ArrayLike, statistic: Callable[..., np.ndarray] = np.mean) -> Interval:
    """(lower, upper), the 95 % percentile bootstrap of a statistic that takes `axis`. NaN for one seed.

    The resamples come from a named stream, so equal values give equal intervals.
    """
    array = np.asarray(values, dtype=float)
    if len(array) < 2:
        nothing = np.full(array.shape[1:], np.nan)
        return nothing, nothing
    found = scipy_stats.bootstrap(
        (array,), statistic, axis=0, confidence_level=LEVEL, method="percentile", rng=stream(0, "bootstrap")
    ).confidence_interval
    return found.low, found.high


INTERVAL_METHODS: dict[str, Callable[[ArrayLike], Interval]] = {
    "paper": paper_interval,
    "t": t_interval,
    "bootstrap": bootstrap_interval,
}


def share_collapsed(status: Iterable[str]) -> float:
    """The share (0 to 1) of trainings whose status is not "ok": collapsed, diverged, emptied layer."""
    return float(np.mean([s != "ok" for s in status]))


def sign_flip_p_value(differences: ArrayLike) -> float:
    """Two-sided p value that differences (seeds,) are symmetric about 0.

    The share of the 2^n ways to choose their signs whose sum is at least as far from 0 as the one seen.
    Beyond 20 seeds the signs are drawn from a named stream.
    """
    array = np.asarray(differences, dtype=float)
    if len(array) > EXACT_SEEDS:
        signs = stream(0, "sign flips")
        drawn = scipy_stats.permutation_test(
            (array,), np.mean, permutation_type="samples", n_resamples=RANDOM_SIGNS, rng=signs
        )
        return float(drawn.pvalue)
    sums = np.zeros(1)
    for difference in array:
        sums = np.concatenate([sums + difference, sums - difference])
    rounding = 1e-12 * np.abs(array).sum()  # sums equal but for the order of addition are equal
    return float(np.mean(np.abs(sums) >= abs(array.sum()) - rounding))


@dataclass(frozen=True)
class Paired:
    """First minus second, seed by seed: mean, Student's 95 % interval, sign-flip p value, number of seeds."""

    mean: float
    lower: float
    upper: float
    p_value: float
    n: int


def paired(first: ArrayLike, second: ArrayLike) -> Paired:
    """The paired comparison of two arrays (seeds,) in the same order; a pair with a NaN is left out.

    Raises InputError for arrays of different length or without a complete pair.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"pairs need two arrays of the same seeds, not of shapes {a.shape} and {b.shape}")
    difference = (a - b)[~np.isnan(a - b)]
    if not len(difference):
        raise InputError("no seed has both values; take curves that share seeds and reach this fraction")
    lower, upper = t_interval(difference)
    p_value = sign_flip_p_value(difference)
    return Paired(float(mean(difference)), float(lower), float(upper), p_value, len(difference))


def check_averageable(records: pd.DataFrame, quantity: str) -> None:
    """Refuse records that cannot be averaged over seeds: InputError names the cause.

    An unknown quantity, no rows, several experiments (their curves may share names), two rows for one seed
    and cycle.
    """
    if quantity not in QUANTITY_COLUMNS:
        raise unknown("quantity", quantity, QUANTITY_COLUMNS)
    if records.empty:
        raise InputError("there are no records; run the experiment first")
    missing = {"experiment", "curve", "seed", "cycle", "status", quantity} - set(records.columns)
    if missing:
        raise InputError(f"the records have no column {', '.join(sorted(missing))}; pass a table of records")
    names = sorted(set(records["experiment"]))
    if len(names) > 1:
        raise InputError(f"records of {len(names)} experiments ({', '.join(names)}); select one first")
    twice = records[records.duplicated(["curve", "cycle", "seed"])]
    if len(twice):
        row = twice.iloc[0]
        where = f"curve '{row['curve']}', seed {row['seed']}, cycle {row['cycle']}"
        raise InputError(f"the records have {where} twice; merge them first")


def summarise(records: pd.DataFrame, quantity: str = "test_accuracy", interval: str = "t") -> pd.DataFrame:
    """One row for each (curve, cycle) of one experiment's records, in the order of the records' curves.

    Columns: curve, cycle, fraction_remaining, units_remaining (the pruning rule makes them equal for all
    seeds; the median if a schedule does not), parameters and macs (means over the seeds, which may keep
    different units), n (seeds with a value), mean, median, lower, upper, share_collapsed (0 to 1). One seed
    has no interval: lower and upper are NaN.

    Raises InputError for an unknown quantity or interval and for records that `check_averageable` refuses.
    """
    check_averageable(records, quantity)
    if interval not in INTERVAL_METHODS:
        raise unknown("interval", interval, INTERVAL_METHODS)
    rows = []
    for (curve, cycle), group in records.groupby(["curve", "cycle"], sort=False):
        values = group[quantity].dropna().to_numpy(dtype=float)
        lower, upper = INTERVAL_METHODS[interval](values) if len(values) else (np.nan, np.nan)
        rows.append(
            {
                "curve": curve,
                "cycle": cycle,
                "fraction_remaining": group["fraction_remaining"].median(),
                "units_remaining": group["units_remaining"].median(),
                "parameters": group["parameters"].mean(),
                "macs": group["macs"].mean(),
                "n": len(values),
                "mean": float(mean(values)) if len(values) else np.nan,
                "median": float(median(values)) if len(values) else np.nan,
                "lower": float(lower),
                "upper": float(upper),
                "share_collapsed": share_collapsed(group["status"]),
            }
        )
    table = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    place = table["curve"].map({curve: i for i, curve in enumerate(dict.fromkeys(records["curve"]))})
    return table.assign(place=place).sort_values(["place", "cycle"], ignore_index=True).drop(columns="place")


def at_fraction(records: pd.DataFrame, fraction: float, quantity: str = "test_accuracy") -> pd.DataFrame:
    """The quantity at a fraction of the units remaining: one row for each seed, one column for each curve.

    Curves pass through different fractions (a layer-wise metric drops other counts than a global one), so
    values are interpolated between the two neighbouring cycles, linear in the logarithm of the fraction. NaN
    outside a curve: nothing is extrapolated.
    """
    check_averageable(records, quantity)
    if not 0 < fraction <= 1:
        raise InputError(f"a fraction remaining lies in (0, 1], not at {fraction}; 0.5 is half of the units")
    values = {
        run: interpolate(rows["fraction_remaining"], rows[quantity], fraction)
        for run, rows in records.groupby(["curve", "seed"], sort=False)
    }
    index = pd.MultiIndex.from_tuples(values, names=["curve", "seed"])
    table = pd.Series(values.values(), index=index, dtype=float).unstack("curve")
    return table[list(dict.fromkeys(records["curve"]))].sort_index()


def interpolate(fractions: ArrayLike, values: ArrayLike, fraction: float) -> float:
    """The value at one fraction, linear in ln(fraction); NaN outside the curve. Both arrays (cycles,)."""
    weights, y = interpolation(fractions, [fraction])[0], np.asarray(values, dtype=float)
    used = weights != 0  # a cycle without a value is no matter elsewhere
    return float(weights[used] @ y[used]) if len(y) else float("nan")


def interpolation(fractions: ArrayLike, at: ArrayLike) -> np.ndarray:
    """The weights (points, cycles) that turn the values of a curve's cycles into its values at some fractions.

    Linear in ln(fraction) between the two neighbouring cycles; a row of NaN outside the curve. The curve ends at its
    last cycle with a unit left: without any, a network has no place on the axis, and nothing leads there.
    """
    fraction, points = np.asarray(fractions, dtype=float), np.log(np.asarray(at, dtype=float))
    weights = np.zeros((len(points), len(fraction)))
    order = np.argsort(fraction)
    order = order[fraction[order] > 0]
    if not len(order):
        weights[:] = np.nan
        return weights
    x = np.log(fraction[order])
    place = np.interp(points, x, np.arange(len(x)))  # 2.25: a quarter of the way from third to fourth
    left = np.minimum(place.astype(int), len(x) - 1)
    right = np.minimum(left + 1, len(x) - 1)
    rows = np.arange(len(points))
    weights[rows, order[left]] = 1 - (place - left)
    weights[rows, order[right]] += place - left
    weights[(points < x[0] - 1e-6) | (points > x[-1] + 1e-6)] = np.nan
    return weights


def paired_differences(
    records: pd.DataFrame, first: str, second: str, fraction: float, quantity: str = "test_accuracy"
) -> Paired:
    """Curve `first` minus curve `second` at one fraction remaining, paired by seed.

    Raises InputError for a curve that the records do not have, or if no seed reaches the fraction in both.
    """
    table = at_fraction(records, fraction, quantity)
    for curve in (first, second):
        if curve not in table:
            raise unknown("curve", curve, table.columns)
    return paired(table[first].to_numpy(), table[second].to_numpy())
