"""The store: what is put is got, whatever happens to the file or beside it."""

import hashlib
import os
import random
import sqlite3
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from stored_outcomes import KEYS, found, outcome

from dropnet_core.basics.errors import InputError
from dropnet_core.running.store import Store, decode_outcome, default_place, encode_outcome


@pytest.fixture
def place(tmp_path):
    return tmp_path / "deep" / "store.sqlite"


def test_an_outcome_comes_back_digit_for_digit(place):
    Store(place).put("a", outcome())
    back = found(Store(place), "a")
    assert repr(back.history) == repr(outcome().history) and back.test_loss == 0.1 + 0.2
    assert back.provenance == {"engine": "reference"} and back.seconds == 1.5
    for name, layers in outcome().statistics.items():
        for expected, layer in zip(layers, back.statistics[name], strict=True):
            assert layer.dtype == np.float64 and layer.tolist() == expected.tolist()
    assert encode_outcome(decode_outcome(encode_outcome(outcome()))) == encode_outcome(outcome())


def test_a_key_holds_one_outcome(place):
    store = Store(place)
    assert store.get("a") is None and len(store) == 0
    store.put("a", outcome(1.0))
    store.put("a", outcome(2.0))
    store.put("b", outcome(3.0))
    assert len(store) == 2 and found(store, "a").test_loss == 2.0
    store.close()


@pytest.mark.parametrize("content", [b"", b"\x00" * 50, "text"])
def test_a_damaged_entry_is_named_and_counts_as_missing(place, content):
    store = Store(place)
    store.put("abc", outcome(1.0))
    store.put("def", outcome(2.0))
    with sqlite3.connect(place) as database:
        database.execute("UPDATE outcomes SET content = ? WHERE key = 'abc'", (content,))
    with pytest.warns(UserWarning, match=r"entry abc of the store .*store\.sqlite is damaged and will be comp"):
        assert store.get("abc") is None
    assert found(store, "def").test_loss == 2.0
    store.put("abc", outcome(3.0))
    assert found(store, "abc").test_loss == 3.0


@pytest.mark.parametrize(
    "sha256", ["CAST(x'ff' || substr(sha256, 2) AS TEXT)", "x'00'", "7", "'a' || substr(sha256, 2)"]
)
def test_a_damaged_checksum_is_named_and_counts_as_missing(place, sha256):
    store = Store(place)
    store.put("abc", outcome(1.0))
    store.put("def", outcome(2.0))
    with sqlite3.connect(place) as database:
        database.execute("UPDATE outcomes SET sha256 = 'b' || substr(sha256, 2) WHERE key = 'abc'")
        database.execute(f"UPDATE outcomes SET sha256 = {sha256} WHERE key = 'abc'")
    with pytest.warns(UserWarning, match=r"entry abc of the store .* is damaged and will be computed again"):
        assert store.get("abc") is None
    assert found(store, "def").test_loss == 2.0


def in_the_old_form(store: Store, key: str) -> None:
    """Give an entry the checksum that version 0.1.0 wrote: that of its content alone."""
    (content,) = store._database.execute("SELECT content FROM outcomes WHERE key = ?", (key,)).fetchone()
    sha256 = hashlib.sha256(content).hexdigest()
    store._database.execute("UPDATE outcomes SET sha256 = ? WHERE key = ?", (sha256, key))


def filled(place: Path, old: bool) -> bytes:
    """A store with an outcome for each of KEYS, its loss the key's number; closed, as bytes."""
    store = Store(place)
    for number, key in enumerate(KEYS):
        store.put(key, outcome(number))
        if old:
            in_the_old_form(store, key)
    store.close()
    return place.read_bytes()


def index_page(content: bytes | bytearray) -> int:
    """Where the page begins on which SQLite keeps the order of the keys."""
    (start,) = (at for at in range(0, len(content), 4096) if content[at] == 10)
    return start


@pytest.mark.parametrize("old", [False, True])
def test_an_entry_in_either_form_is_read(place, old):
    filled(place, old)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [found(Store(place), key).test_loss for key in KEYS] == list(range(40))


@pytest.mark.parametrize(("part", "old"), [("index", False), ("index", True), ("entry", False)])
def test_no_outcome_passes_for_another_keys(place, part, old):
    """One bit makes one key another: in the index alone, or in the entry, from which the index was made anew."""
    store = Store(place)
    store.put("0" * 31 + "b", outcome(1.0))
    if old:
        in_the_old_form(store, "0" * 31 + "b")
    if part == "entry":
        store._database.execute("UPDATE outcomes SET key = ?", ("0" * 31 + "c",))
    store.close()
    if part == "index":
        content = bytearray(place.read_bytes())
        content[content.index(b"0" * 31 + b"b", index_page(content)) + 31] ^= 1
        place.write_bytes(content)
    with pytest.warns(UserWarning, match=r"entry 0*c of the store .* is damaged and will be computed again"):
        assert Store(place).get("0" * 31 + "c") is None


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("part", ["anywhere", "in the index"])
def test_flipped_bits_never_give_a_wrong_outcome(place, old, part):
    content = filled(place, old)
    first, last = (index_page(content), index_page(content) + 4096) if part == "in the index" else (0, len(content))
    draw, right, missing = random.Random(0), 0, 0
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(draw.choice((1, 1, 3))):
            damaged[draw.randrange(first, last)] ^= 1 << draw.randrange(8)
        for file in place.parent.iterdir():
            file.unlink()
        place.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                store = Store(place)
            except InputError:
                continue
            for number, key in enumerate(KEYS):
                try:
                    got = store.get(key)
                except InputError:
                    got = None
                assert got is None or got.test_loss == number
                right, missing = right + (got is not None), missing + (got is None)
            store.close()
    assert right > 2000 and missing > 20


def test_a_file_that_is_no_store_is_refused(place):
    place.parent.mkdir()
    place.write_text("no database at all, but long enough to look like one " * 100)
    with pytest.raises(InputError, match=r"store\.sqlite cannot be opened .* move this one away"):
        Store(place)


def test_a_store_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be opened for writing .* name another file with --store"):
        Store(tmp_path / "file" / "store.sqlite")
    with pytest.raises(InputError, match="cannot be opened for writing"):
        Store(tmp_path)


@pytest.fixture
def read_only():
    """A store that this user may read and not write."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/store.sqlite")
        store.put("a", outcome())
        store.close()
        Path(folder, "store.sqlite").chmod(0o444)
        Path(folder).chmod(0o755)
        if user == 0:
            os.seteuid(65534)  # the administrator may write everything
        yield Path(folder, "store.sqlite")
        os.seteuid(user)


def test_a_store_that_may_only_be_read_is_told_before_training(read_only):
    with pytest.raises(
        InputError, match="cannot be opened for writing .*readonly.*; make it writable, or name another"
    ):
        Store(read_only)


def test_a_store_that_may_only_be_read_is_copied(read_only):
    """SQLite can make no file beside it, either."""
    with tempfile.TemporaryDirectory() as folder:
        assert Store(read_only, read_only=True).backup(Path(folder, "copy.sqlite")) == 1
        assert repr(found(Store(Path(folder, "copy.sqlite")), "a")) == repr(
            found(Store(read_only, read_only=True), "a")
        )
    assert [file.name for file in read_only.parent.iterdir()] == ["store.sqlite"]


def test_what_cannot_be_written_is_told_by_its_cause(place):
    store = Store(place)
    store._database.execute("PRAGMA max_page_count = 3")  # a full disk
    with pytest.raises(InputError, match=r"cannot be written \(database or disk is full\); free some space, or name"):
        for number in range(100):
            store.put(str(number), outcome(number))
    store._database.execute("PRAGMA query_only = ON")
    with pytest.raises(InputError, match="cannot be written .*; make it writable, or name another file with --store"):
        store.put("a", outcome())


def test_damage_of_the_whole_file_is_told(place):
    store = Store(place)
    for number in range(200):
        store.put(f"{number:032}", outcome(number))
    store.close()
    content = bytearray(place.read_bytes())
    content[8192:] = b"\x07" * (len(content) - 8192)
    place.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be (opened|read) .* move (it|this one) away"):
        damaged = Store(place)
        for number in range(200):
            damaged.get(f"{number:032}")


def test_a_new_store_waits_for_another_process_that_opens_it(place):
    """Two commands may start at the same moment; SQLite does not wait when a file becomes a shared one."""
    place.parent.mkdir()
    other = sqlite3.connect(place, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE begun (key TEXT)")
    other.execute("BEGIN IMMEDIATE")

    def leave() -> None:
        time.sleep(0.3)
        other.execute("COMMIT")

    thread = threading.Thread(target=leave)
    thread.start()
    assert len(Store(place)) == 0
    thread.join()
    other.close()


def test_many_write_at_once(place):
    def write(first: int) -> None:
        store = Store(place)
        for number in range(first, first + 20):
            store.put(str(number), outcome(number))
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(0, 60, 15)))  # the ranges overlap
    store = Store(place)
    assert len(store) == 65 and all(found(store, str(n)).test_loss == n for n in range(65))


def test_the_default_place(monkeypatch, tmp_path):
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "named.sqlite"))
    assert default_place() == Store().place == tmp_path / "named.sqlite"
    monkeypatch.delenv("DROPNET_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_place() == tmp_path / "dropnet" / "outcomes.sqlite"
