"""What a chapter shows of experiments that were run at the paper's scale."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import pandas as pd
from IPython.display import display

from dropnet_core.analysis import published, stats
from dropnet_core.experiments.making import check_same_settings
from dropnet_core.figures import plots
from dropnet_core.pages.notebook import PAGE_WIDTH, earlier_records, provenance

FRACTIONS = (0.5, 0.3, 0.2, 0.15, 0.1, 0.075, 0.05)
AGREEMENT = {  # what the page calls a column of `published.agreement`
    "mean": "mean_difference",
    "absolute": "mean_absolute_difference",
    "largest": "largest_difference",
    "reading": "reading_error",
    "seed noise": "seed_noise",
}


SPLIT = {  # the distance between `min` and `random_layer`, in two parts (`score_and_allocation`)
    "score": ("min", "min_redraw"),
    "allocation": ("min_redraw", "random_layer"),
}


def with_provenance(experiment: str) -> pd.DataFrame | None:
    """The records of an experiment, after a line on where they come from; None after one on how to make them.

    Raises InputError if the file of records is damaged.
    """
    records = earlier_records(experiment)
    print(provenance(records) if records is not None else not_run(experiment))
    return records


def show(experiment: str, interval: str = "t") -> None:
    """Where the records of an experiment come from, its curves under the paper's own, and how far they lie apart.

    Without records it says how to make them. An experiment without published curves has no table. Raises InputError
    if the file of records is damaged.
    """
    records = with_provenance(experiment)
    if records is None:
        return
    if (seeds := records["seed"].nunique()) < published.PUBLISHED_SEEDS:
        print(f"So far {seeds} of {published.PUBLISHED_SEEDS} seeds.")
    display(plots.accuracy_curves(records, interval=interval, published=published.curves(experiment)))
    if len(table := distances(records, experiment)):
        print(table.round(4).to_string())


def distances(records: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """The table of `published.agreement` under the names of AGREEMENT: a row for each curve that the paper has, too."""
    agreement = published.agreement(published.compare(records, experiment))
    return agreement.set_index("curve")[list(AGREEMENT.values())].set_axis(list(AGREEMENT), axis=1)


def not_run(experiment: str) -> str:
    """The words for an experiment without records; the command has a line of its own, to be copied."""
    said = fill(f"{experiment} has not been run at the paper's scale yet. This runs it:", PAGE_WIDTH)
    return f"{said}\n  python -m dropnet_core run {experiment}"


def differences(
    records: pd.DataFrame, pairs: Mapping[str, tuple[str, str]], fractions: Sequence[float] = FRACTIONS
) -> pd.DataFrame:
    """How far curves lie apart: mean and 95 % interval (Student's t) over the seeds, in words.

    records  rows of one experiment
    pairs    heading -> (curve, curve that is subtracted), compared seed by seed

    One row for each fraction remaining, interpolated; blank where no seed has both curves. A pair of which
    a curve is missing has no column. Raises InputError for records that cannot be averaged (`stats.check_averageable`).
    """
    there = set(records["curve"])
    columns: dict[str, list[str]] = {title: [] for title, pair in pairs.items() if there.issuperset(pair)}
    for fraction in fractions:
        table = stats.at_fraction(records, fraction)
        for title, cells in columns.items():
            both = table[list(pairs[title])].dropna().to_numpy()
            cells.append(difference_in_words(stats.paired(both[:, 0], both[:, 1])) if len(both) else "")
    return pd.DataFrame(columns, index=pd.Index([f"{fraction:g}" for fraction in fractions], name="fraction"))


def print_differences(experiment: str, pairs: Mapping[str, tuple[str, str]]) -> None:
    """The table of `differences` of an experiment, if it has been run."""
    records = earlier_records(experiment)
    if records is not None:
        print(differences(records, pairs).to_string(), end="\n\n")


def difference_in_words(difference: stats.Paired) -> str:
    """Such as "+0.012 (+0.004 to +0.020)"."""
    if difference.n == 1:
        return f"{difference.mean:+.3f} (one seed)"
    return f"{difference.mean:+.3f} ({difference.lower:+.3f} to {difference.upper:+.3f})"


def score_and_allocation(network: str) -> pd.DataFrame | None:
    """`min`, its redrawn control and `random_layer` on MNIST as one table of records, or None without the control.

    The first two differ in the units that are kept, not in how many each layer keeps; the last two in how
    many each layer keeps, all units being drawn at random. `random_layer` comes from the paper's experiment, as
    far as that has been run. Raises InputError if the two were not made alike.
    """
    control, paper = earlier_records(f"control-{network}"), earlier_records(f"mnist-{network}")
    if control is None or paper is None:
        return control
    chance = paper[paper["curve"] == "random_layer"].assign(experiment=f"control-{network}")
    check_same_settings(control, chance)
    return pd.concat([control, chance], ignore_index=True)


def show_score_and_allocation(network: str, interval: str = "t") -> None:
    """The curves of `score_and_allocation` and their differences, or how to make the control."""
    records = score_and_allocation(network)
    if records is None:
        print(not_run(f"control-{network}"))
        return
    display(plots.accuracy_curves(records, interval=interval))
    print(differences(records, SPLIT).to_string())
