"""The history of a run as a figure."""

import matplotlib
import pandas as pd
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from dropnet_core.figures.charts import RC, Chart, chart
from dropnet_core.figures.curve_styles import label
from dropnet_core.stops import Stop

BLUE, RED = "#0b6ba8", "#b3261e"


def history_figure(history: pd.DataFrame, stop: Stop, metric: str) -> Chart:
    """Accuracy over the share of parameters that each network of `Result.history` has, the whole one at the left."""
    share = history["parameters"] / history["parameters"].iloc[0]
    returned = history[history["returned"]].iloc[0]
    words = (
        f"Accuracy of {len(history)} networks over the share of parameters that they have; metric {label(metric)}. The "
        f"whole network has {history['accuracy'].iloc[0]:.3f}, the returned one {returned['accuracy']:.3f} with "
        f"{share[returned.name]:.3f} of the parameters."
    )
    with matplotlib.rc_context(RC):
        made = chart(6.4, 3.6, words)
        axes = made.subplots()
        axes.plot(share, history["accuracy"], color=BLUE, marker="o", ms=5, lw=1.6, label=label(metric))
        axes.plot(
            share[returned.name], returned["accuracy"], ls="none", marker="o", ms=12, mfc="none", mew=2, color=RED,
            label="returned",
        )  # fmt: skip
        if stop.rule == "kappa":
            bound = stop.value * history["accuracy"].iloc[0]
            axes.axhline(bound, color="#555555", lw=1, ls="--", label=f"{stop.value:g} of the whole network's")
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks([float(value) for value in share])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
        axes.set_xlabel("share of parameters left")
        axes.set_ylabel("accuracy")
        made.legend_below(axes)
    table = history.assign(share_of_parameters=share)
    return made.showing("pruned", table.drop(columns=["seconds"]))
