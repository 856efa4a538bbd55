"""The store: what is put is got, whatever happens to the file or beside it."""

import math
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dropnet_core.errors import InputError
from dropnet_core.store import Store, decode, default_place, encode
from dropnet_core.training import History, Outcome


def outcome(loss: float = 0.1 + 0.2) -> Outcome:
    history = History([loss, math.nan], [1 / 3, 0.5], [math.inf, 1e-300], [0.25, 0.75])
    statistics = {
        "mean_of_abs": [np.array([0.1, 1 / 3, 0.0]), np.array([])],
        "zeros": [np.ones(3), np.zeros(0)],
    }
    return Outcome(history, loss, 0.5, 0.625, statistics, 1.5, {"engine": "reference"})


def found(store: Store, key: str) -> Outcome:
    """What the store must hold under this key."""
    outcome = store.get(key)
    assert outcome is not None
    return outcome


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
    assert encode(decode(encode(outcome()))) == encode(outcome())


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
