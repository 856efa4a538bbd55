"""The table of README.md, from what was measured."""

import pandas as pd

from benchmarks.models import ENGINE

COLUMNS = "processor", "network", "hours", "PyTorch", "PyTorch, one thread", "Keras"
WAYS = "usual", "usual-1", "keras"  # that the last columns compare with


def summary(table: pd.DataFrame) -> list[str]:
    """Lines in Markdown: of each processor and network, the hours of a schedule and how many times as fast that is as
    the usual ways, with three figures."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    measured = table[table["part"] == "schedule"]
    for (hardware, cores, model), rows in measured.groupby(["hardware", "cores", "model"]):
        values = rows.set_index(["quantity", "way"])["value"]
        wanted = [("one seed, six metrics", ENGINE), *(("times faster", f"{ENGINE}/{way}") for way in WAYS)]
        numbers = [three_figures(float(values[place])) if place in values.index else "–" for place in wanted]
        lines.append(f"| {hardware}, {cores} cores | {model} | {' | '.join(numbers)} |")
    return lines


def three_figures(value: float) -> str:
    """Without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
