"""Clusters and containers: file systems, users, streams and settings that are not those of a desk.

Each is told before any training, or works.
"""

import errno
import fcntl
import io
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import torch
from image_files import classes, write_files
from stored_outcomes import KEYS, found, outcome
from tiny_runs import small

from dropnet_core.basics import file_systems
from dropnet_core.basics.errors import InputError
from dropnet_core.data import DATA_SETS, DataSet, Split, load
from dropnet_core.data.sources import SourceFiles, locate
from dropnet_core.experiments import results
from dropnet_core.experiments.records import read_records, same_records, write_records
from dropnet_core.pages.command_line import main
from dropnet_core.recipe import Recipe
from dropnet_core.running.run import PreparedExperiment
from dropnet_core.running.run import run as run_experiment
from dropnet_core.running.smaller import smaller_network
from dropnet_core.running.store import Store

TINY = (
    "--set data=tiny --set network=fc4-fc3 --set batch_size=16 --set max_epochs=2 --set p=0.4 --seeds 0 --set".split()
)
TINY += ["stop=cycles 2"]
NO_TEXT = "b\udcff"  # the byte 255 in the name of a file, as Python has it


@pytest.fixture(autouse=True)
def surroundings(tiny, monkeypatch, tmp_path):
    """The data set "tiny", results of one's own, no bar, and a default store that does not exist yet."""
    (tmp_path / "results").mkdir()
    monkeypatch.setitem(DATA_SETS._entries, "tiny", lambda: tiny)
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "default.sqlite"))
    monkeypatch.setenv("DROPNET_QUIET", "1")
    monkeypatch.setattr("warnings.showwarning", None)  # put back after the test; `main` sets its own


def run(*words):
    return main(["run", "mnist-fc40-fc40", *TINY, *map(str, words)])


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*.csv")
    return file


@pytest.mark.parametrize("cause", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF])
def test_a_results_folder_without_locks_is_told_before_training(tmp_path, capsys, monkeypatch, cause):
    """EBADF: what NFS answers where it makes of this lock one that needs a file open for writing."""

    def no_locks(*_):
        raise OSError(cause, os.strerror(cause))

    monkeypatch.setattr(results.fcntl, "flock", no_locks)
    assert run() == 2
    said = capsys.readouterr().err
    assert f"results cannot be locked ({os.strerror(cause)})" in said and "another file system with --out" in said
    assert not (tmp_path / "default.sqlite").exists()


def test_a_results_folder_that_another_process_has_locked_is_waited_for_after_training(tmp_path):
    results.check_writable(tmp_path)
    with results.one_at_a_time(tmp_path):
        results.check_writable(tmp_path)  # says only that there are locks


def test_a_results_folder_on_nfs_is_locked(tmp_path, monkeypatch):
    """It makes of this lock one that needs a file open for writing. Nothing stays in the folder."""
    flock = fcntl.flock

    def lock_of_nfs(handle, how):
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(handle, how)

    monkeypatch.setattr(results.fcntl, "flock", lock_of_nfs)
    with results.one_at_a_time(tmp_path / "here"):
        results.check_writable(tmp_path / "here")
        assert [file.name for file in (tmp_path / "here").iterdir()] == [results.LOCK]
    assert not list((tmp_path / "here").iterdir())


def test_one_process_at_a_time_has_the_lock(tmp_path):
    """Also where whoever had it before has removed the file that another already waits for."""
    count = tmp_path / "count"
    count.write_text("0")

    def add_one(_):
        with results.folder_lock(tmp_path, wait=True):
            before = int(count.read_text())
            time.sleep(0.001)
            count.write_text(str(before + 1))

    with ThreadPoolExecutor(8) as others:
        list(others.map(add_one, range(200)))
    assert count.read_text() == "200" and list(tmp_path.glob(".*")) == []


def test_a_lock_that_nfs_says_is_gone_is_made_again(tmp_path, monkeypatch):
    flock, answers = fcntl.flock, [OSError(errno.ESTALE, "Stale file handle"), None]

    def gone_at_first(handle, how):
        if answer := answers.pop(0):
            raise answer
        flock(handle, how)

    monkeypatch.setattr(results.fcntl, "flock", gone_at_first)
    with results.folder_lock(tmp_path, wait=True):
        assert not answers


def test_a_lock_that_cannot_be_opened_is_told_before_training(tmp_path, capsys):
    (tmp_path / "results" / results.LOCK).mkdir()
    assert run() == 2
    assert "results cannot be locked (Is a directory)" in capsys.readouterr().err
    assert not (tmp_path / "default.sqlite").exists()


def test_workers_need_no_shared_memory(tmp_path, monkeypatch):
    """A container has 64 MB of it, unless somebody asked for more."""

    def full(*_):
        raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")

    for name in ("_share_fd_cpu_", "_share_filename_cpu_"):
        monkeypatch.setattr(torch.UntypedStorage, name, full)
    prepared = PreparedExperiment.of(small(), "kernels")
    board = prepared.board(Store(tmp_path / "a.sqlite"))
    prepared.train(board, workers=2)
    alone = run_experiment(small(), engine="kernels", store=Store(tmp_path / "b.sqlite"))
    assert same_records(prepared.records(board.cycles), alone).all()


def test_no_room_for_the_images_that_workers_share_is_told(capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert run("--workers", 2) == 2
    said = capsys.readouterr().err
    assert "(No space left on device); free some space, name another folder by TMPDIR, or use one worker" in said


@pytest.fixture
def homeless(monkeypatch):
    """A user whom the system does not know, without HOME."""
    for name in ("HOME", "XDG_CACHE_HOME", "DROPNET_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 12345)


@pytest.mark.parametrize(
    ("variable", "value", "words", "path"),
    [
        ("DROPNET_QUIET", "1", [], "~/.cache"),
        ("DROPNET_STORE", "~/store.sqlite", [], "~/store.sqlite"),
        ("DROPNET_RESULTS", "~/results", [], "~/results"),
        ("DROPNET_DATA", "~/data", ["--store", "S", "--set", "network=fc4-fc5", "--set", "data=cifar10"], "~/data"),
        ("DROPNET_QUIET", "1", ["--store", "S", "--set", "network=fc4-fc5", "--set", "data=imagefolder:~/a"], "~/a"),
    ],
)
def test_a_user_without_a_home_folder_is_told(homeless, tmp_path, capsys, monkeypatch, variable, value, words, path):
    monkeypatch.setenv(variable, value)
    monkeypatch.chdir(tmp_path)
    settings = [] if "data=" in " ".join(words) else ["--set", "data=tiny"]
    assert main(["run", "mnist-fc40-fc40", *settings, "--seeds", "0", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: this user has no home folder, so '{path}' leads nowhere; set HOME, or XDG_CACHE_")
    assert not (tmp_path / "~").exists()


def test_a_user_without_a_home_folder_needs_none_for_the_cache(homeless, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert run() == 0 and (tmp_path / "cache" / "dropnet" / "outcomes.sqlite").exists()
    with pytest.raises(InputError, match="unknown data set '~/a'"):
        load("~/a")


def test_a_user_without_a_home_folder_may_have_data_elsewhere(homeless, tmp_path, monkeypatch):
    (tmp_path / "data" / "set").mkdir(parents=True)
    (tmp_path / "data" / "set" / "file").write_bytes(b"content")
    monkeypatch.setenv("DROPNET_DATA", str(tmp_path / "data"))
    assert locate(SourceFiles("Some", {"set/file": (7, "")})) == tmp_path / "data"
    with pytest.raises(InputError, match="this user has no home folder"):
        locate(SourceFiles("Some", {"set/file": (7, ""), "set/missing": (7, "")}))


def test_images_in_a_folder_whose_name_is_no_text_are_refused_before_training(tmp_path, capsys):
    path = write_files(tmp_path / NO_TEXT, classes())
    settings = ["--set", f"data=imagefolder:{path}", "--set", "size=8", "--seeds", "0"]
    assert main(["run", "mnist-fc40-fc40", *settings]) == 2
    said = capsys.readouterr().err
    assert "b\\udcff' is no text in UTF-8, so no record could name it; rename the folder, or make a link" in said
    assert not list((tmp_path / "results").iterdir())
    (tmp_path / "link").symlink_to(path)
    settings[1] = f"data=imagefolder:{tmp_path / 'link'}"
    assert main(["run", "mnist-fc40-fc40", *settings, "--set", "network=fc4-fc3", "--set", "max_epochs=1"]) == 0


def test_a_table_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    table = run_experiment(small(seeds=0)).assign(data=NO_TEXT)
    with pytest.raises(UnicodeEncodeError):
        write_records(table, tmp_path / "results" / "a.csv")
    assert not list((tmp_path / "results").iterdir())


def test_records_in_a_folder_whose_name_is_no_text(tmp_path, monkeypatch):
    """On a terminal that takes nothing but UTF-8."""
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="utf-8", errors="strict"))
    assert run("--out", tmp_path / NO_TEXT) == 0
    sys.stdout.flush()
    assert len(read_records(only_file(tmp_path / NO_TEXT))) > 3
    assert b"/b\\udcff/mnist-fc40-fc40" in shown.getvalue() and b"rows added" in shown.getvalue()


def test_an_error_can_be_shown_whatever_it_names(tmp_path):
    path = write_files(tmp_path / "a", classes() | {f"dog/{NO_TEXT}.png": b"no image"})
    with pytest.raises(InputError) as caught:
        load(f"imagefolder:{path}")
    assert "dog/b\\udcff.png in" in str(caught.value) and str(caught.value).encode("utf-8")


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
@pytest.mark.parametrize("engine", ["kernels", "compact", "reference"])
def test_a_run_learns_inside_whatever_the_caller_has_switched_off(mode, engine, tmp_path):
    expected = run_experiment(small(seeds=0), engine=engine, store=Store(tmp_path / "a.sqlite"))
    with mode():
        table = run_experiment(small(seeds=0), engine=engine, store=Store(tmp_path / "b.sqlite"))
        assert not torch.is_grad_enabled()
    assert same_records(table, expected).all()


def test_images_that_were_made_in_inference_mode_can_be_learned_from(tiny, monkeypatch, tmp_path):
    augmented = small(seeds=0, recipe=Recipe(max_epochs=2, batch_size=16, augment="affine"))
    expected = run_experiment(augmented, engine="compact", store=Store(tmp_path / "a.sqlite"))
    with torch.inference_mode():
        splits = {part: Split(split.images.clone(), split.labels.clone()) for part, split in tiny.parts.items()}
        own = DataSet.of("tiny", **splits, classes=3)
    monkeypatch.setitem(DATA_SETS._entries, "tiny", lambda: own)
    table = run_experiment(augmented, engine="compact", store=Store(tmp_path / "b.sqlite"))
    assert same_records(table, expected).all()


def test_a_small_network_from_inference_mode_is_one_like_any_other():
    with torch.inference_mode():
        model = smaller_network(small(), "min", 0)
    model(torch.rand(2, 1, 8, 8)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


SCRIPT = """
from dropnet_core import Experiment, Recipe, Stop, run

if __name__ == "__main__":
    settings = dict(seeds=[0, 1], selection="exact", stops=Stop("cycles", 1), recipe=Recipe(max_epochs=1))
    table = run(Experiment("piped", "mnist5k", "fc4-fc4", ["min"], **settings), workers=2)
    print(len(table), __file__)
"""


@pytest.mark.parametrize("way", ["standard input", "a pipe"])
def test_a_script_that_is_no_file_may_ask_for_two_workers(way, tmp_path):
    command = {"standard input": '"$0" - < "$1"', "a pipe": '"$0" <(cat "$1")'}[way]
    (tmp_path / "script.py").write_text(SCRIPT)
    words = ["bash", "-c", command, sys.executable, str(tmp_path / "script.py")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", "<stdin>" if way == "standard input" else done.stdout.split()[1]]


# Moving a store.

KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from stored_outcomes import KEYS, outcome
from dropnet_core.running.store import Store
store = Store(sys.argv[1])
for number, key in enumerate(KEYS):
    store.put(key, outcome(number))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def killed(tmp_path) -> Path:
    """A store of forty outcomes whose process was killed."""
    place = tmp_path / "here" / "store.sqlite"
    words = [sys.executable, "-c", KILLED, str(place), str(Path(__file__).parent)]
    assert subprocess.run(words).returncode == -signal.SIGKILL
    return place


def test_killed_copied_and_moved_a_store_is_whole(killed, tmp_path, capsys):
    (tmp_path / "careless").mkdir()
    shutil.copy(killed, tmp_path / "careless")
    assert main(["backup", str(tmp_path / "there" / "moved.sqlite"), "--store", str(killed)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'there' / 'moved.sqlite'}: 40 outcomes of the store {killed}\n"
    assert [file.name for file in (tmp_path / "there").iterdir()] == ["moved.sqlite"]
    moved = Store(shutil.move(tmp_path / "there" / "moved.sqlite", tmp_path / "elsewhere.sqlite"))
    assert len(moved) == 40 and [found(moved, key).test_loss for key in KEYS] == list(range(40))
    assert len(Store(killed)) == 40
    assert len(Store(tmp_path / "careless" / "store.sqlite")) < 40  # why there is a command


def test_a_store_is_copied_while_another_process_writes_to_it(tmp_path):
    store, other = Store(tmp_path / "store.sqlite"), Store(tmp_path / "store.sqlite")
    store.put("a", outcome())
    other._database.execute("BEGIN IMMEDIATE")
    other.put("b", outcome())
    assert store.backup(tmp_path / "copy.sqlite") == 1
    other._database.execute("COMMIT")
    assert (tmp_path / "copy.sqlite").read_bytes()[18:20] == b"\1\1"  # it needs no log, also where none can be made
    assert len(Store(tmp_path / "copy.sqlite")) == 1 and len(store) == 2


@pytest.mark.parametrize("log", ["-wal", "-shm", "-journal"])
def test_a_copy_is_not_put_beside_the_log_of_another_store(killed, tmp_path, capsys, log):
    left = tmp_path / f"copy.sqlite{log}"
    for is_link in (False, True):
        left.unlink(missing_ok=True)
        left.symlink_to("nowhere") if is_link else left.write_bytes(b"of another store")
        assert main(["backup", str(tmp_path / "copy.sqlite"), "--store", str(killed)]) == 2
        assert f"{left} is there already; name a file that is not, or move that" in capsys.readouterr().err
        assert not (tmp_path / "copy.sqlite").exists()


@pytest.mark.parametrize("tables", ["", "CREATE TABLE photos (name)", "CREATE TABLE outcomes (weather)"])
def test_a_file_of_something_else_is_no_store_to_copy(tmp_path, capsys, tables):
    other = tmp_path / "other 100%?.sqlite"
    with closing(sqlite3.connect(other)) as database:
        database.executescript(tables)
    before = other.read_bytes()
    assert main(["backup", str(tmp_path / "copy.sqlite"), "--store", str(other)]) == 2
    assert re.search(
        r"cannot be opened for reading \(no such .*; name another file with --store", capsys.readouterr().err
    )
    assert other.read_bytes() == before and list(tmp_path.glob("*.sqlite*")) == [other]


def test_a_copy_that_fails_at_its_last_step_leaves_nothing(tmp_path, monkeypatch):
    store = Store(tmp_path / "store.sqlite")

    def full(part, file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(InputError, match=r"cannot be copied to .*copy.sqlite \(.*No space left.*; free some space"):
        store.backup(tmp_path / "there" / "copy.sqlite")
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize(
    ("file", "store", "message"),
    [
        ("there.sqlite", "store.sqlite", "there.sqlite is there already; name a file that is not"),
        ("store.sqlite", "store.sqlite", "store.sqlite is there already"),
        ("new.sqlite", "none.sqlite", "there is no store .*none.sqlite; name it with --store"),
        ("there.sqlite/new.sqlite", "store.sqlite", "cannot be copied to .*there.sqlite/new.sqlite"),
        ("new.sqlite", "there.sqlite", "cannot be opened for reading"),
    ],
)
def test_a_backup_that_cannot_be_made_is_told(tmp_path, capsys, file, store, message):
    Store(tmp_path / "store.sqlite").close()
    (tmp_path / "there.sqlite").write_text("something else " * 100)
    before = sorted(tmp_path.iterdir())
    assert main(["backup", str(tmp_path / file), "--store", str(tmp_path / store)]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert sorted(tmp_path.iterdir()) == before and (tmp_path / "there.sqlite").read_text().startswith("something else")


@pytest.fixture
def mounts(tmp_path, monkeypatch):
    """A machine on which a folder with a blank in its name comes from elsewhere."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "far away/local").mkdir(parents=True)
    monkeypatch.setattr(file_systems, "ROOT", tmp_path)

    def mounted(kind: str) -> Path:
        escaped = str(tmp_path).replace(" ", "\\040")
        (tmp_path / "proc/self/mountinfo").write_text(
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
            f"50 22 0:40 /home {escaped}/far\\040away rw shared:7 master:1 - {kind} server:/home rw,vers=4.2\n"
            f"51 50 8:2 / {escaped}/far\\040away/local rw - xfs /dev/sdb1 rw\n"
        )
        return tmp_path / "far away"

    return mounted


@pytest.mark.parametrize("kind", ["nfs4", "nfs", "cifs", "lustre", "fuse.sshfs"])
def test_a_network_file_system_is_known(mounts, tmp_path, kind):
    place = mounts(kind)
    assert file_systems.network_file_system(place / "new" / "store.sqlite") == kind
    (tmp_path / "link").symlink_to(place)
    assert file_systems.network_file_system(tmp_path / "link" / "store.sqlite") == kind
    for other in (place / "local" / "store.sqlite", tmp_path / "store.sqlite", tmp_path / "far away and further"):
        assert file_systems.network_file_system(other) == ""
    assert mounts("ext4") and file_systems.network_file_system(place / "store.sqlite") == ""
    (tmp_path / "proc/self/mountinfo").unlink()
    assert file_systems.network_file_system(place / "store.sqlite") == ""


def test_a_store_on_a_network_file_system_is_told_and_has_no_second_file(mounts):
    place = mounts("nfs4") / "store.sqlite"
    with pytest.warns(UserWarning, match=r"store.sqlite lies on a network file system \(nfs4\).* with --store or DROP"):
        store = Store(place)
    store.put("a", outcome())
    assert [file.name for file in place.parent.iterdir() if file.is_file()] == ["store.sqlite"]
    mounts("ext4")
    beside = Store(place.parent / "local" / "store.sqlite")
    beside.put("a", outcome())
    assert (place.parent / "local" / "store.sqlite-wal").exists()


# Records of own images.


@pytest.fixture
def own(tmp_path, monkeypatch) -> list[str]:
    """A project with images of its own, the records of a run on them, made where they lie; the words to verify them."""
    write_files(tmp_path / "photos", classes())
    monkeypatch.chdir(tmp_path)
    made = ["data=imagefolder:photos", "network=fc4-fc3", "max_epochs=1", "size=8", "colour=false", "stop=cycles 2"]
    settings = [word for setting in made for word in ("--set", setting)]
    assert main(["run", "mnist-fc40-fc40", *settings, "--seeds", "0", "--set", "metrics=min"]) == 0
    kept = ["max_epochs=1", "size=8", "colour=false", "metrics=min"]
    return ["verify", str(only_file(tmp_path / "results")), *(w for s in kept for w in ("--set", s))]


def test_records_of_own_images_are_verified_from_another_folder(own, tmp_path, monkeypatch, capsys):
    assert main(own) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    capsys.readouterr()
    assert main(own) == 0
    assert "2 of 2 rows are equal" in capsys.readouterr().out


def test_own_images_that_have_moved_may_be_named(own, tmp_path, capsys):
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert main(own) == 2
    said = capsys.readouterr().err
    assert "the images of these records are not in photos; say where they are: --set data=imagefolder:PATH" in said
    assert main([*own, "--set", "data=imagefolder:moved"]) == 0
    assert "2 of 2 rows are equal\n" == capsys.readouterr().out.split("cycle 1: equal\n")[1]
    (tmp_path / "moved" / "cat" / "000.png").write_bytes(classes()["dog/000.png"])
    assert main([*own, "--set", "data=imagefolder:moved"]) == 2
    assert "is not the one of these records: its checksum differs" in capsys.readouterr().err


@pytest.mark.parametrize(("left_out", "read"), [("size=8", "32x32 pixels and in grey"), ("colour=false", "in colour")])
def test_the_size_and_colour_of_own_images_are_asked_for(own, capsys, left_out, read):
    at = own.index(left_out)
    assert main(own[: at - 1] + own[at + 1 :]) == 2
    said = capsys.readouterr().err
    assert read in said and "repeat --set size= and --set colour= of the run" in said
