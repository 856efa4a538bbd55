"""Outcomes kept on disk, looked up before they are computed."""

import hashlib
import json
import os
import sqlite3
import time
import warnings
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np

from dropnet_core.data.places import cache_folder
from dropnet_core.errors import InputError
from dropnet_core.training import History, Outcome

VARIABLE = "DROPNET_STORE"
PATIENCE = 60  # seconds to wait for another process that writes


def default_place() -> Path:
    """The store that DROPNET_STORE names, else one in the user's cache folder."""
    return Path(os.environ.get(VARIABLE) or cache_folder() / "outcomes.sqlite").expanduser()


class Store:
    """One SQLite file of outcomes by job key. Processes may share it; a killed one loses nothing it had put.

    Raises InputError if the file cannot be made or written, or is no store.
    """

    def __init__(self, place: Path | str | None = None) -> None:
        self.place = Path(place) if place else default_place()
        try:
            self.place.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.place, timeout=PATIENCE, isolation_level=None)
            self._share()
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS outcomes "
                "(key TEXT PRIMARY KEY, sha256 TEXT NOT NULL, content BLOB NOT NULL)"
            )
            # Says now, not after an hour of training, that writing fails.
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("ROLLBACK")
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"the store {self.place} cannot be opened for writing ({error}); name another file with "
                f"--store or {VARIABLE}, or move this one away if it is damaged"
            ) from error

    def _share(self) -> None:
        """Let processes read while one writes. SQLite itself does not wait for the others here."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._database.execute("PRAGMA journal_mode=WAL")
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
            found = self._database.execute("SELECT sha256, content FROM outcomes WHERE key = ?", (key,))
            row = found.fetchone()
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"the store {self.place} cannot be read ({error}); move it away if it is damaged, and what "
                "it held is computed again"
            ) from error
        if row is None:
            return None
        sha256, content = row
        try:
            if isinstance(content, bytes) and hashlib.sha256(content).hexdigest() == sha256:
                return decode(content)
        except (TypeError, KeyError, ValueError):
            pass  # whole, but written by a version whose outcomes have other fields
        warnings.warn(f"entry {key} of the store {self.place} is damaged and will be computed again", stacklevel=2)
        return None

    def put(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome; a second one for the same key replaces the first.

        Raises InputError if it cannot be written, as on a full disk.
        """
        content = encode(outcome)
        entry = (key, hashlib.sha256(content).hexdigest(), content)
        try:
            self._database.execute("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", entry)
        except sqlite3.Error as error:
            raise InputError(
                f"the store {self.place} cannot be written ({error}); free some space or name another"
            ) from error

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM outcomes").fetchone()[0])

    def close(self) -> None:
        self._database.close()


def encode(outcome: Outcome) -> bytes:
    """An outcome as compressed JSON. Python writes floats so that they read back the same, NaN included."""
    plain = asdict(outcome) | {
        "statistics": {name: [layer.tolist() for layer in layers] for name, layers in outcome.statistics.items()}
    }
    return zlib.compress(json.dumps(plain).encode())


def decode(content: bytes) -> Outcome:
    """The outcome that `encode` wrote."""
    plain = json.loads(zlib.decompress(content))
    plain["history"] = History(**plain["history"])
    plain["statistics"] = {
        name: [np.array(layer, dtype=np.float64) for layer in layers] for name, layers in plain["statistics"].items()
    }
    return Outcome(**plain)
