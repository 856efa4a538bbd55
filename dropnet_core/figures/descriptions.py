"""Words for what is measured and drawn: axis labels, and text alternatives for the figures."""

import numpy as np
import pandas as pd

from dropnet_core.analysis.stats import interpolate, summarise
from dropnet_core.basics.errors import InputError
from dropnet_core.figures.curve_styles import label

QUANTITIES = {
    "train_accuracy": "training accuracy",
    "validation_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
    "best_test_accuracy": "test accuracy at the best epoch",
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "test_loss": "test loss",
    "epochs": "early-stopping epoch",
    "seconds": "seconds of training",
}
SIZES = {
    "fraction_remaining": "fraction of units remaining",
    "units_remaining": "units remaining",
    "parameters": "parameters (k: thousand, M: million)",
    "macs": "multiply-accumulates (k: thousand, M: million)",
}  # all on a logarithmic axis
INTERVALS = {
    "paper": "95 % interval as in the paper",
    "t": "95 % interval (Student's t)",
    "bootstrap": "95 % interval (bootstrap)",
}
PANELS = ("train_accuracy", "validation_accuracy", "test_accuracy", "epochs")
LANDMARKS = (0.5, 0.2, 0.1, 0.05)  # fractions at which a description gives values


def sentence(words: str) -> str:
    """The words with a capital letter."""
    return words[:1].upper() + words[1:]


def seeds_in_words(summary: pd.DataFrame) -> str:
    """ "mean of 5 seeds", from the column n of a summary."""
    fewest, most = int(summary["n"].min()), int(summary["n"].max())
    if most == 1:
        return "one seed"
    return f"mean of {most} seeds" if fewest == most else f"mean of {fewest} to {most} seeds"


def figures_in_words(published: pd.DataFrame) -> str:
    """The paper's names of the figures that a table of published curves was read from."""
    return ", ".join(dict.fromkeys(published["figure"]))


def alt_text(records: pd.DataFrame, quantity: str = "test_accuracy", published: pd.DataFrame | None = None) -> str:
    """What the curves show: the value of each with all units and at fractions on the way down."""
    table = summarise(records, quantity)
    digits = 3 if quantity.endswith(("accuracy", "loss")) else 1
    what = f"{sentence(QUANTITIES[quantity])} against the fraction of units remaining"
    said = [f"{what}, {seeds_in_words(table)}."]
    for curve in dict.fromkeys(table["curve"]):
        rows = table[table["curve"] == curve]
        start = float(rows["fraction_remaining"].max())
        values = []
        for fraction in (start, *(landmark for landmark in LANDMARKS if landmark < start)):
            value = interpolate(rows["fraction_remaining"], rows["mean"], fraction)
            if near(rows["fraction_remaining"], fraction) and not np.isnan(value):
                values.append(f"{value:.{digits}f} at {fraction:g}")
        said.append(f"{label(curve)}: {', '.join(values)}.")
    if published is not None and len(published):
        said.append(f"Open markers: the paper's curves ({figures_in_words(published)}).")
    return " ".join(said)


def near(fractions: pd.Series, fraction: float) -> bool:
    """Whether a cycle lies within a fifth of a fraction: a value between far cycles would be a guess."""
    return bool((np.log(fractions / fraction).abs() < 0.2).any())


def panels_alt_text(records: pd.DataFrame, published: pd.DataFrame | None = None) -> str:
    """The text alternative of `plots.four_panels`: its four quantities one after the other."""
    overlays = {"test_accuracy": published}
    return " ".join(alt_text(records, quantity, overlays.get(quantity)) for quantity in PANELS)


def layer_counts(records: pd.DataFrame) -> pd.DataFrame:
    """Units remaining, mean over the seeds: columns curve, cycle and one for each layer, named 1, 2, ...

    Raises InputError for records without rows or without the columns curve, cycle and units_per_layer.
    """
    missing = {"curve", "cycle", "units_per_layer"} - set(records.columns)
    if missing or records.empty:
        what = f"no column {', '.join(sorted(missing))}" if missing else "no rows"
        raise InputError(f"the records have {what}; pass the records of an experiment")
    counts = records["units_per_layer"].str.split("+", expand=True).astype(float)
    counts.columns = pd.Index(range(1, counts.shape[1] + 1))
    counts.insert(0, "curve", records["curve"])
    counts.insert(1, "cycle", records["cycle"])
    return counts.groupby(["curve", "cycle"], sort=False).mean().reset_index()


def layers_alt_text(records: pd.DataFrame) -> str:
    """The text alternative of `plots.units_per_layer`: each layer's units at start, half-way and end."""
    counts = layer_counts(records)
    said = ["Units remaining in each layer against the pruning cycle, mean over the seeds."]
    for curve in dict.fromkeys(counts["curve"]):
        rows = counts[counts["curve"] == curve].sort_values("cycle")
        places = dict.fromkeys((0, len(rows) // 2, len(rows) - 1))
        values = []
        for place in places:
            units = " + ".join(f"{units:.3g}" for units in rows.iloc[place, 2:])
            values.append(f"{units} in cycle {rows['cycle'].iloc[place]}")
        said.append(f"{label(curve)}: {', '.join(values)}.")
    return " ".join(said)
