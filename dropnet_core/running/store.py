"""Outcomes kept on disk, looked up before they are computed."""

import hashlib
import json
import os
import sqlite3
import time
import warnings
import zlib
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.file_systems import network_file_system
from dropnet_core.basics.places import cache_folder, expand_home
from dropnet_core.training import History, Outcome

STORE_VARIABLE = "DROPNET_STORE"
LOGS = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a file, by the end of its name
PATIENCE = 60  # seconds to wait for another process that writes
REMEDIES = {  # beside naming another file
    sqlite3.SQLITE_CORRUPT: "move this one away, for it is damaged; what it held is computed again",
    sqlite3.SQLITE_NOTADB: "move this one away if it is a damaged store",
    sqlite3.SQLITE_FULL: "free some space",
    sqlite3.SQLITE_READONLY: "make it writable",
}


def default_place() -> Path:
    """The store that DROPNET_STORE names, else one in the user's cache folder."""
    named = os.environ.get(STORE_VARIABLE)
    return expand_home(named) if named else cache_folder() / "outcomes.sqlite"


class Store:
    """One SQLite file of outcomes by job key. Processes may share it; a killed one loses nothing it had put.

    What was put last may lie in a second file, FILE-wal, until the last process has closed the store: whoever copies a
    store uses `backup`. On a network file system there is none, because machines cannot share it there, and a warning
    names the store. Raises InputError if the file cannot be made or written, or is no store; with `read_only`, if it
    is not there or is no store, and nothing is put into it.
    """

    def __init__(self, place: Path | str | None = None, read_only: bool = False) -> None:
        self.place = Path(place) if place else default_place()
        try:
            if read_only:
                self._database = self._open_to_read()
                return
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.place, timeout=PATIENCE, isolation_level=None)
            self._database.text_factory = bytes  # a damaged letter is damage to one entry, not an error of its own
            self._share()
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS outcomes "
                "(key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, content BLOB NOT NULL)"
            )
            self._try_to_write()
        except (OSError, sqlite3.Error) as error:
            raise self._failure(f"opened for {'reading' if read_only else 'writing'}", error) from error

    def _open_to_read(self, how: str = "mode=rw") -> sqlite3.Connection:
        """A connection to a store that is there: it makes no file, and no table in a file of something else."""
        address = f"{self.place.absolute().as_uri()}?{how}"
        database = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
        database.text_factory = bytes
        try:
            database.execute("SELECT key, sha256, content FROM outcomes LIMIT 1")
        except sqlite3.Error as error:
            database.close()
            unshared = getattr(error, "sqlite_errorcode", 0) & 0xFF in (
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
            )
            if unshared and how == "mode=rw" and not os.path.exists(f"{self.place}-wal"):
                return self._open_to_read("immutable=1")  # in a folder where SQLite can make no log
            raise
        return database

    def _failure(self, what: str, error: Exception) -> InputError:
        """The error for a store that cannot be read or written, with the remedy for its cause."""
        cause = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the upper bits tell variants of one cause apart
        remedy = f"{REMEDIES[cause]}, or " if cause in REMEDIES else ""
        another = f"name another file with --store or {STORE_VARIABLE}"
        return InputError(f"the store {self.place} cannot be {what} ({error}); {remedy}{another}")

    def _try_to_write(self) -> None:
        """Say now, not after an hour of training, that writing fails."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.execute("INSERT OR REPLACE INTO outcomes VALUES ('', '', '')")
        finally:
            self._database.rollback()

    def _share(self) -> None:
        """Let processes read while one writes. SQLite itself does not wait for the others here."""
        mode = "WAL"
        if kind := network_file_system(self.place):
            mode = "DELETE"  # needs locks of the file system, but no memory that all its users share
            warnings.warn(
                f"the store {self.place} lies on a network file system ({kind}), whose locks are not always kept; let "
                "one machine at a time use it, or name a file on a disk of this machine with --store or "
                f"{STORE_VARIABLE}",
                stacklevel=4,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._database.execute(f"PRAGMA journal_mode={mode}")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def get(self, key: str) -> Outcome | None:
        """The outcome of this key, or None. A damaged entry is named in a warning and counts as missing.

        Raises InputError if the file as a whole is damaged.
        """
        try:
            # Read by its row number: SQLite may else answer with the key that the index holds, not with the entry's.
            place = "SELECT rowid FROM outcomes WHERE key = ?"
            found = self._database.execute(f"SELECT key, sha256, content FROM outcomes WHERE rowid = ({place})", (key,))
            entry = found.fetchone()
        except sqlite3.Error as error:
            raise self._failure("read", error) from error
        if entry is None:
            return None
        try:
            if is_intact(key, *entry):
                return decode_outcome(entry[2])
        except (TypeError, KeyError, ValueError):
            pass  # whole, but written by a version whose outcomes have other fields
        warnings.warn(f"entry {key} of the store {self.place} is damaged and will be computed again", stacklevel=2)
        return None

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome; a second one for the same key replaces the first.

        Raises InputError if it cannot be written, as on a full disk.
        """
        content = encode_outcome(outcome)
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (key, entry_checksum(key, content), content)
            )
        except sqlite3.Error as error:
            raise self._failure("written", error) from error

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM outcomes").fetchone()[0])

    def backup(self, file: Path) -> int:
        """Make one whole file of the store, also while others write to it. Returns the number of its outcomes.

        Raises InputError if there is such a file already, or a log of one, or it cannot be written.
        """
        for there in (file.with_name(file.name + log) for log in ("", *LOGS)):
            if os.path.lexists(there):  # SQLite would play another store's log into this one
                raise InputError(f"{there} is there already; name a file that is not, or move that one away")
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(part)) as copied:
                self._database.backup(copied)
                copied.execute("PRAGMA journal_mode=DELETE")  # so that nothing lies beside it
                (count,) = copied.execute("SELECT count(*) FROM outcomes").fetchone()
            os.replace(part, file)
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"the store {self.place} cannot be copied to {file} ({error}); free some space, or name another place"
            ) from error
        finally:
            with suppress(OSError):
                part.unlink()
        return int(count)

    def close(self) -> None:
        """Close the file; the store cannot be used any more."""
        self._database.close()


def entry_checksum(key: str, content: bytes) -> str:
    """The checksum of an entry. It covers the key too, so that no outcome passes for another key's."""
    return hashlib.sha256(key.encode() + content).hexdigest()


def is_intact(key: str, own_key: object, sha256: object, content: object) -> bool:
    """Whether an entry, as it was read, is the one that was put under this key.

    Stores of version 0.1.0 have checksums of the content alone.
    """
    if own_key != key.encode() or not isinstance(content, bytes):
        return False
    return sha256 in (entry_checksum(key, content).encode(), hashlib.sha256(content).hexdigest().encode())


def encode_outcome(outcome: Outcome) -> bytes:
    """An outcome as compressed JSON. Python writes floats so that they read back the same, NaN included."""
    plain = asdict(outcome) | {
        "statistics": {name: [layer.tolist() for layer in layers] for name, layers in outcome.statistics.items()}
    }
    return zlib.compress(json.dumps(plain).encode())


def decode_outcome(content: bytes) -> Outcome:
    """The outcome that `encode_outcome` wrote."""
    plain = json.loads(zlib.decompress(content))
    plain["history"] = History(**plain["history"])
    plain["statistics"] = {
        name: [np.array(layer, dtype=np.float64) for layer in layers] for name, layers in plain["statistics"].items()
    }
    return Outcome(**plain)
