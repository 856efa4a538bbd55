"""A folder of results: one file of records for each experiment."""

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.provenance import rounding
from dropnet_core.experiments.records import (
    RECORD_COLUMNS,
    cannot_write,
    check_name,
    complete_runs,
    core_seconds,
    distinct_trainings,
    merge_tables,
    read_records,
    write_records,
)
from dropnet_core.experiments.settings import seeds_text

LOCK = ".records.lock"  # the file in a folder of records that whoever writes there locks


@dataclass(frozen=True)
class MergeReport:
    """What became of rows that were merged into a file.

    added      rows that were not there
    already    rows that stood there equal
    refused    rows that stood there otherwise; those in the file stay
    roundings  whose arithmetic the file's rows were rounded by (see `provenance`)
    """

    file: Path
    added: int
    already: int
    refused: int
    roundings: tuple[str, ...]

    def __str__(self) -> str:
        rest = f"{self.already:,} already there, {self.refused:,} refused"
        mixed = f"; rounded by {' and by '.join(self.roundings)}" if self.added and len(self.roundings) > 1 else ""
        return f"{self.file}: {self.added:,} rows added, {rest}{mixed}"


def file_of(experiment: str, folder: Path) -> Path:
    """The file of an experiment's records; it need not exist. Raises InputError for a name that is no file's."""
    check_name(experiment)
    return folder / f"{experiment}.csv"


def stored_records(experiment: str, folder: Path) -> pd.DataFrame:
    """The records of an experiment in this folder, perhaps none. Raises InputError if the file is damaged."""
    file = file_of(experiment, folder)
    return read_records(file) if file.exists() else pd.DataFrame(columns=RECORD_COLUMNS)


def check_writable(folder: Path) -> None:
    """Make the folder and a file in it, which is removed, and lock it. Raises InputError if that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writable-"):
            pass
    except OSError as error:
        raise cannot_write(folder, error) from error
    with folder_lock(folder, wait=False):
        pass


def add_records(tables: Iterable[pd.DataFrame], folder: Path) -> list[MergeReport]:
    """Merge records into the files of their experiments. Nothing is written unless all of it can be merged.

    Raises InputError if a file is damaged, if rows belong to another experiment of the same name, or if the
    folder cannot be written.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    for table in tables:
        for name, part in table.groupby("experiment", sort=False):
            part.attrs = table.attrs  # where it was read, for the errors
            parts.setdefault(str(name), []).append(part)
    with one_at_a_time(folder):
        return _add(parts, folder)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process merges into this folder: of two that read, merge and replace, one would lose."""
    check_writable(folder)
    with folder_lock(folder, wait=True):
        yield


@contextmanager
def folder_lock(folder: Path, wait: bool) -> Iterator[None]:
    """Hold the folder's lock; without waiting, only if nobody has it. Raises InputError where there are no locks.

    It lies on a file that is there as long as somebody holds or awaits it: NFS locks only what is open for writing,
    and no folder can be.
    """
    file = folder / LOCK
    try:
        handle = lock_file(file, wait)
    except OSError as error:  # some network file systems have no locks
        raise InputError(
            f"{folder} cannot be locked ({error.strerror}), so two processes might overwrite each other's records; "
            "choose a folder on another file system with --out"
        ) from error
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                file.unlink()  # while it is locked: whoever waits for it then finds that it is gone, and makes another
            os.close(handle)  # which ends the lock


def lock_file(file: Path, wait: bool) -> int | None:
    """The handle of a file that is now there and locked, or, without waiting, None if somebody else has locked it."""
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with suppress(FileNotFoundError):
                seen = os.fstat(handle)
                if seen.st_nlink and os.path.samestat(seen, os.stat(file)):
                    return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except OSError as error:
            os.close(handle)
            if error.errno != errno.ESTALE:
                raise
        else:
            os.close(handle)
        # Who held it has removed it; ESTALE is how NFS says so.


def _add(parts: dict[str, list[pd.DataFrame]], folder: Path) -> list[MergeReport]:
    before = {name: stored_records(name, folder) for name in parts}
    merged = {name: merge_tables(before[name], new) for name, new in parts.items()}
    done = []
    for name, (after, refused) in merged.items():
        file, added = file_of(name, folder), len(after) - len(before[name])
        if added:
            write_records(after, file)
        already = sum(map(len, parts[name])) - added - refused
        done.append(MergeReport(file, added, already, refused, roundings(after)))
    return done


def roundings(table: pd.DataFrame) -> tuple[str, ...]:
    """Whose arithmetic records were rounded by, each named once."""
    makers = table[["engine", "hardware"]].drop_duplicates().itertuples(index=False)
    return tuple(sorted({rounding(engine, hardware) for engine, hardware in makers}))


def results_summary(folder: Path) -> pd.DataFrame:
    """One row for each experiment with records in this folder.

    Columns: experiment, seeds ("0-14"), cycles (the most of any run), rows, runs, complete (runs that reached
    their stop), trainings, hours (each training once), time (in words: of one core or of one GPU), hardware, torch,
    first and last (days).
    """
    rows = []
    for file in sorted(folder.glob("*.csv")):
        table = read_records(file)
        if table.empty:
            continue
        days = table["created"].str[:10]
        distinct = distinct_trainings(table)
        rows.append(
            {
                "experiment": table["experiment"].iloc[0],
                "seeds": seeds_text(table["seed"].unique()),
                "cycles": int(table["cycle"].max()) + 1,
                "rows": len(table),
                "runs": int((table["cycle"] == 0).sum()),
                "complete": complete_runs(table),
                "trainings": len(distinct),
                "hours": float(core_seconds(distinct).sum()) / 3600,
                "time": time_spent(distinct),
                "hardware": ", ".join(table["hardware"].unique()),
                "torch": ", ".join(table["torch"].unique()),
                "first": days.min(),
                "last": days.max(),
            }
        )
    columns = "experiment seeds cycles rows runs complete trainings hours time hardware torch first last".split()
    return pd.DataFrame(rows, columns=columns)


def time_spent(table: pd.DataFrame) -> str:
    """ "0.6 hours of one core", or of one GPU, or both, from records with each training once."""
    where = table["device"].eq("cpu").map({True: "core", False: "GPU"})
    hours = core_seconds(table).groupby(where, sort=False).sum() / 3600
    return " and ".join(f"{hours[kind]:,.1f} hours of one {kind}" for kind in ("core", "GPU") if kind in hours)
