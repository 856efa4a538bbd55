"""The tables of README.md, written from what lies in results/, so that nobody types a number."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from dropnet_core.analysis import published
from dropnet_core.analysis.discrepancies import agreements, comparisons
from dropnet_core.analysis.stats import summarise
from dropnet_core.experiments.records import read_records

MODEL_1 = "mnist-fc40-fc40"
SHOWN = (("min", 80), ("min", 23), ("min_layer", 24), ("random", 23), ("max", 23), ("min", 8), ("min_layer", 8))
ENGINE, WAYS = "kernels", ("usual", "usual-1", "keras")  # what is measured, and what it is compared with


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return [lines[0], "|---" * len(head) + "|", *lines[1:]]


def model_1(results: Path) -> list[str]:
    """Mean test accuracy of some networks of Model 1 with its interval, and the published mean."""
    means = summarise(read_records(results / f"{MODEL_1}.csv")).set_index(["curve", "units_remaining"])
    paper = published.curves(MODEL_1).set_index(["curve", "units_remaining"])["value"]
    rows = []
    for place in SHOWN:
        mean, lower, upper = means.loc[place, ["mean", "lower", "upper"]]
        rows.append([f"`{place[0]}`", str(place[1]), f"{mean:.3f} ({lower:.3f} to {upper:.3f})", f"{paper[place]:.3f}"])
    return table(["metric", "units of 80", "ours", "paper"], rows)


def distances(results: Path) -> list[str]:
    """How far the mean test accuracies of each experiment lie from its figure."""
    found = agreements(comparisons(results)).set_index(["experiment", "curve"]).xs("all", level="curve")
    rows = []
    for name, row in found.iterrows():
        (figure,) = set(published.curves(str(name))["figure"])
        numbers = row[["mean_absolute_difference", "largest_difference", "seed_noise"]]
        texts = ["–" if pd.isna(number) else f"{number:.3f}" for number in numbers]
        rows.append([f"`{name}`", figure.removeprefix("Fig "), f"{row['n']:.0f}", f"{row['points']:.0f}", *texts])
    return table(["experiment", "figure", "seeds", "points", "mean", "largest", "standard error"], rows)


def ratios(measured: pd.DataFrame) -> list[str]:
    """Of each processor and network the hours of a schedule, and how many times as fast that is as the usual ways."""
    rows = []
    schedules = measured[measured["part"] == "schedule"]
    for (hardware, cores, model), group in schedules.groupby(["hardware", "cores", "model"]):
        values = group.set_index(["quantity", "way"])["value"]
        wanted = [("one seed, six metrics", ENGINE), *(("times faster", f"{ENGINE}/{way}") for way in WAYS)]
        numbers = [three_figures(float(values[place])) if place in values.index else "–" for place in wanted]
        rows.append([f"{hardware}, {cores} cores", str(model), *numbers])
    return table(["processor", "network", "hours", "PyTorch", "PyTorch, one thread", "Keras"], rows)


def three_figures(value: float) -> str:
    """Without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def with_tables(text: str, results: Path) -> str:
    """The text of README.md with today's tables in place of those that begin with the same line."""
    measured = pd.read_csv(results / "benchmarks" / "speed.csv", keep_default_na=False)
    for lines in (model_1(results), distances(results), ratios(measured)):
        before, head, rest = text.partition(lines[0] + "\n")
        if not head:
            raise ValueError(f"README.md has no table that begins with: {lines[0]}")
        text = before + "\n".join(lines) + "\n\n" + rest.partition("\n\n")[2]
    return text
