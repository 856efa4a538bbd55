"""What has been run, what it cost and what is left: as a table, and in Markdown for the book's pages."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dropnet_core.basics.places import results_folder
from dropnet_core.basics.plural import counted
from dropnet_core.experiments.experiment import experiment, table_rows
from dropnet_core.experiments.records import core_seconds, distinct_trainings, read_records
from dropnet_core.experiments.results import results_summary, time_spent
from dropnet_core.pages.overview import trainings as ahead_in_words

COMPLETE, IN_PART, NOT_RUN = "complete", "in part", "not yet run"
STATES = (COMPLETE, IN_PART, NOT_RUN)
COMMAND = "python -m dropnet_core run"


def ledger(folder: Path | None = None) -> pd.DataFrame:
    """One row for each experiment of the table, then for any other one with records in the folder.

    Columns: experiment, figures (of the paper; "" without one), state (a name in `STATES`), planned (runs by the
    table; 0 for others), ahead (what a full run takes), and those of `results.results_summary`, which are
    empty where there are no records. `folder` is the project's results by default.

    Raises InputError for a damaged file of records.
    """
    done = results_summary(folder or results_folder()).set_index("experiment")
    made = []
    for row in table_rows():
        planned = experiment(row["name"])
        ahead, count = ahead_in_words(planned), len(planned.runs())
        state = NOT_RUN
        if row["name"] in done.index:
            state = COMPLETE if done.loc[row["name"], "complete"] == count else IN_PART
        figures = row["figures"].replace("Supplement", "Supp")
        made.append((row["name"], figures, state, count, ahead))
    known = {name for name, *_ in made}
    for name in sorted(set(done.index) - known):
        state = COMPLETE if done.loc[name, "complete"] == done.loc[name, "runs"] else IN_PART
        made.append((name, "", state, 0, ""))
    table = pd.DataFrame(made, columns=["experiment", "figures", "state", "planned", "ahead"])
    return table.join(done, on="experiment")


def once(folder: Path | None = None) -> pd.DataFrame:
    """The records of all experiments with each training once, also where experiments share it."""
    tables = [table for file in sorted((folder or results_folder()).glob("*.csv")) if len(table := read_records(file))]
    return distinct_trainings(pd.concat(tables, ignore_index=True)) if tables else pd.DataFrame()


def cost(folder: Path | None = None) -> str:
    """What all records cost, a sentence for each kind of processor; a training that experiments share counts once."""
    table = once(folder)
    if table.empty:
        return "Nothing has been run at the paper's scale yet."
    time, kind = spent(table), time_spent(table).partition(" hours")[2]
    if " and " in kind:
        said = [f"**{time}** were spent on all records under `results/`: {time_spent(table)}."]
    else:
        said = [f"**{time}**{kind} were spent on all records under `results/`."]
    for (hardware, device, torch), part in table.groupby(["hardware", "device", "torch"]):
        said.append(f"On {hardware} ({device}, torch {torch}): {spent(part)}.")
    return " ".join(said) if len(said) > 2 else f"{said[0]} {said[1].partition(':')[0]}."


def spent(table: pd.DataFrame) -> str:
    """ "1,365 trainings in 0.6 hours", from records with each training once."""
    return f"{counted(len(table), 'training')} in {core_seconds(table).sum() / 3600:,.1f} hours"


def headline(table: pd.DataFrame) -> str:
    """How many experiments of a ledger are in each state, in a sentence."""
    planned = table[table["planned"] > 0]
    counts = [int((planned["state"] == state).sum()) for state in STATES]
    return (
        f"Of the {len(planned)} experiments in the table, {counts[0]} have been run in full and {counts[1]} in part; "
        f"{counts[2]} wait to be run."
    )


def experiments_in_words(table: pd.DataFrame, states: Sequence[str]) -> str:
    """The experiments of a ledger that are in these states, as a list in Markdown, or the words that there is none."""
    chosen = table[table["state"].isin(list(states))]
    return "\n".join(f"- {_entry(row)}" for _, row in chosen.iterrows()) or "None."


def _entry(row: pd.Series) -> str:
    name = f"**{row['experiment']}**" + (f" ({row['figures']})" if row["figures"] else "")
    command = f"`{COMMAND} {row['experiment']}`"
    if row["state"] == NOT_RUN:
        return f"{name}: {row['ahead']}. {command}"
    runs = row["planned"] or row["runs"]
    days = row["first"] if row["first"] == row["last"] else f"{row['first']} to {row['last']}"
    of = f"all {runs:,.0f} runs" if row["state"] == COMPLETE else f"{row['complete']:,.0f} of {runs:,.0f} runs"
    said = (
        f"{name}: {of}, seeds {row['seeds']}, up to {counted(row['cycles'], 'cycle')}. "
        f"{counted(row['trainings'], 'training')} in "
        f"{row['time']}, {days}, {row['hardware']}, torch {row['torch']}."
    )
    return f"{said} The rest: {command}" if row["state"] == IN_PART and row["planned"] else said
