"""The paper's own numbers, and how far ours are from them."""

import numpy as np
import pandas as pd

from dropnet_core.analysis.stats import check_averageable, standard_error
from dropnet_core.basics.errors import InputError
from dropnet_core.basics.places import results_folder

PUBLISHED_SEEDS = 15  # of every published curve, by the paper's word

CURVE_COLUMNS = (
    "curve", "cycle", "units_remaining", "fraction_remaining", "value", "lower", "upper",
    "reading_error", "figure",
)  # fmt: skip

COMPARISON_COLUMNS = (
    "curve", "cycle", "units_remaining", "fraction_remaining", "n", "ours", "published", "difference",
    "reading_error", "seed_noise", "published_noise",
)  # fmt: skip


def _read(name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    path = results_folder() / "published" / name
    remedy = "take it anew from the project's repository, folder results/published"
    if not path.is_file():
        raise InputError(f"there is no file {path}; {remedy}")
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); {remedy}") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}; {remedy}")
    numbers = [column for column in columns if column not in ("experiment", "quantity", "curve", "figure")]
    wrong = table[numbers].apply(pd.to_numeric, errors="coerce").isna().any(axis=1)
    if wrong.any():
        line = int(np.argmax(wrong)) + 2  # the header is line 1
        raise InputError(f"{path}, line {line}: a number is missing or damaged; {remedy}")
    return table


def curves(experiment: str, quantity: str = "test_accuracy") -> pd.DataFrame:
    """The curves that the paper or its supplement shows for an experiment, one row for each (curve, cycle).

    Columns: curve, cycle, units_remaining, fraction_remaining, value (mean over 15 seeds), lower and upper
    (ends of the drawn bar: 1.96 population standard deviations / sqrt(15)), reading_error (by how much value
    may be off because it was read from a picture), figure. No rows where the paper shows nothing: it has
    test accuracy, for some experiments training accuracy, and nothing else.
    """
    table = _read("curves.csv", ("experiment", "quantity", *CURVE_COLUMNS))
    table = table[(table["experiment"] == experiment) & (table["quantity"] == quantity)]
    return _with_exact_fractions(table)[list(CURVE_COLUMNS)]


def seeds(experiment: str) -> pd.DataFrame:
    """The authors' stored results seed by seed, as records: one row for each (curve, seed, cycle).

    They exist for cifar10-conv64x2-conv128x2 alone; no rows for any other experiment. Columns: experiment,
    curve, seed, cycle, units_remaining, fraction_remaining, {train,validation,test}_{accuracy,loss}, epochs.
    """
    table = _read("seeds.csv", ("experiment", "curve", "seed", "cycle", "units_remaining", "test_accuracy"))
    return _with_exact_fractions(table[table["experiment"] == experiment])


def _with_exact_fractions(table: pd.DataFrame) -> pd.DataFrame:
    """The files round fractions to six digits; as each curve starts with all units, exact ones can be had."""
    whole = table.groupby("curve")["units_remaining"].transform("max")
    return table.assign(fraction_remaining=table["units_remaining"] / whole).reset_index(drop=True)


def base_curve(curve: str) -> str:
    """The published name of one of our curves: without the reading of the code, "min" for "min@exact"."""
    return curve.partition("@")[0]


def compare(records: pd.DataFrame, experiment: str, quantity: str = "test_accuracy") -> pd.DataFrame:
    """Our means beside the published ones at each (curve, cycle) with the same number of units.

    Columns: curve, cycle, units_remaining, fraction_remaining, n (our seeds), ours, published, difference
    (ours minus published), reading_error, seed_noise (standard error of our mean; NaN for one seed),
    published_noise (standard error of theirs, from the drawn bar). No rows where nothing is published.

    Raises InputError for records that cannot be averaged (`stats.check_averageable`).
    """
    check_averageable(records, quantity)
    ours: list[dict[str, object]] = []
    for (curve, cycle), group in records.groupby(["curve", "cycle"], sort=False):
        values = group[quantity].dropna().to_numpy(dtype=float)
        if len(values):
            ours.append(
                {
                    "curve": curve,
                    "published_curve": base_curve(str(curve)),
                    "cycle": cycle,
                    "units_remaining": int(group["units_remaining"].iloc[0]),
                    "n": len(values),
                    "ours": values.mean(),
                    "seed_noise": float(standard_error(values)),
                }
            )
    theirs = curves(experiment, quantity).rename(columns={"curve": "published_curve", "value": "published"})
    if not ours:
        return pd.DataFrame(columns=list(COMPARISON_COLUMNS))
    table = pd.DataFrame(ours).merge(theirs, on=["published_curve", "cycle", "units_remaining"])
    return table.assign(difference=table["ours"] - table["published"], published_noise=standard_errors(table))[
        list(COMPARISON_COLUMNS)
    ]


def standard_errors(table: pd.DataFrame) -> pd.Series:
    """The standard errors of published means, from the ends of the drawn bars, columns lower and upper."""
    drawn = (table["upper"] - table["lower"]) / 2 / 1.96  # from the population standard deviation
    return drawn * np.sqrt(PUBLISHED_SEEDS / (PUBLISHED_SEEDS - 1))


def agreement(comparison: pd.DataFrame) -> pd.DataFrame:
    """What `compare` found in one row for each curve and a last row "all".

    Columns: curve, points, mean_difference, mean_absolute_difference, largest_difference (absolute), and what
    it is to be seen beside, means over the same points: reading_error, seed_noise, published_noise.
    """
    names = [*dict.fromkeys(comparison["curve"]), "all"] if len(comparison) else []
    rows = []
    for name in names:
        part = comparison if name == "all" else comparison[comparison["curve"] == name]
        rows.append(
            {
                "curve": name,
                "points": len(part),
                "mean_difference": part["difference"].mean(),
                "mean_absolute_difference": part["difference"].abs().mean(),
                "largest_difference": part["difference"].abs().max(),
                "reading_error": part["reading_error"].mean(),
                "seed_noise": part["seed_noise"].mean(),
                "published_noise": part["published_noise"].mean(),
            }
        )
    columns = [
        "curve", "points", "mean_difference", "mean_absolute_difference", "largest_difference",
        "reading_error", "seed_noise", "published_noise",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
