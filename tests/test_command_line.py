"""The command line as a user meets it: what it prints, what it refuses, what survives an interruption."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import torch

from dropnet_core.data import DATA_SETS
from dropnet_core.experiments.records import complete_runs, read_records, same_records, write_records
from dropnet_core.pages.command_line import main
from dropnet_core.running import scheduler
from dropnet_core.running.store import Store

TINY = "--set data=tiny --set network=fc4-fc3 --set batch_size=16 --set max_epochs=2 --set p=0.4 --set".split()
TINY += ["stop=fraction 0.3"]
EMBEDDED = "--set data=mnist5k --set network=fc8-fc8 --set batch_size=256 --set max_epochs=2 --seeds 0-1".split()
EMBEDDED += "--engine reference --set metrics=min,max".split()


@pytest.fixture(autouse=True)
def surroundings(tiny_by_name, monkeypatch, tmp_path):
    """The data set "tiny", results of one's own, no bar, and a default store that does not exist yet."""
    (tmp_path / "results").mkdir()
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path / "default.sqlite"))
    monkeypatch.setenv("DROPNET_QUIET", "1")
    monkeypatch.delenv("DROPNET_DEVICE", raising=False)
    monkeypatch.setattr("warnings.showwarning", None)  # put back after the test; `main` sets its own


def run(*words, name="mnist-fc40-fc40", settings=TINY):
    return main(["run", name, *settings, *map(str, words)])


def only_file(folder):
    (file,) = folder.glob("*.csv")
    return file


def test_a_run_writes_its_records_under_a_name_of_its_own(tmp_path, capsys):
    assert run("--seeds", "0-1") == 0
    file = only_file(tmp_path / "results")
    assert file.name.startswith("mnist-fc40-fc40+")
    table = read_records(file)
    assert complete_runs(table) == 12 and set(table["experiment"]) == {file.stem} and set(table["seed"]) == {0, 1}
    out = capsys.readouterr().out
    assert f"{file.stem}: 12 of 12 runs complete" in out
    assert f"{file}: {len(table)} rows added, 0 already there, 0 refused" in out


def test_seeds_make_no_other_experiment_and_merge(tmp_path, capsys):
    for seeds in ("0", "2", "0-2"):
        assert run("--seeds", seeds) == 0
    assert complete_runs(read_records(only_file(tmp_path / "results"))) == 18
    assert "0 refused" in capsys.readouterr().out.splitlines()[-1]
    assert run("--set", "seeds=3") == 0
    assert complete_runs(read_records(only_file(tmp_path / "results"))) == 24


def test_an_unchanged_experiment_keeps_its_name(tmp_path, monkeypatch, tiny):
    monkeypatch.setitem(DATA_SETS._entries, "mnist", lambda: tiny)
    ticks = iter(range(1000))
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: next(ticks))
    assert run("--seeds", 3, "--minutes", 0.1, settings=["--set", "p=0.2"]) == 0
    assert only_file(tmp_path / "results").name == "mnist-fc40-fc40.csv"


def test_a_precision_may_be_named(tmp_path, capsys):
    for kind in ("float32", "bf16"):
        assert run("--seeds", 0, "--set", f"precision={kind}", "--out", tmp_path / kind) == 0
    float32, bf16 = (read_records(only_file(tmp_path / kind)) for kind in ("float32", "bf16"))
    assert set(bf16["engine"]) == {"compact"} and set(bf16["recipe"]).isdisjoint(float32["recipe"])
    assert set(bf16["experiment"]).isdisjoint(float32["experiment"]) and not same_records(bf16, float32).any()


def test_store_and_out_may_be_named(tmp_path):
    assert run("--seeds", 0, "--store", tmp_path / "own" / "store.sqlite", "--out", tmp_path / "new" / "folder") == 0
    assert len(Store(tmp_path / "own" / "store.sqlite")) > 10
    assert only_file(tmp_path / "new" / "folder") and not (tmp_path / "default.sqlite").exists()
    assert not list((tmp_path / "results").iterdir())


def test_unequal_rows_stay_and_are_counted(tmp_path, capsys):
    run("--seeds", 0)
    file = only_file(tmp_path / "results")
    table = read_records(file)
    table.loc[[1, 4], "test_accuracy"] = 0.987
    write_records(table, file)
    assert run("--seeds", 0) == 0
    out = capsys.readouterr().out
    assert "2 refused" in out and "refused rows differ from those in the file, which stay" in out
    assert read_records(file).loc[[1, 4], "test_accuracy"].tolist() == [0.987, 0.987]


def test_a_dry_run_trains_nothing(tmp_path, capsys):
    assert run("--seeds", "0-1", "--dry-run", "--workers", 2) == 0
    out = capsys.readouterr().out
    assert "trainings; the store holds 0 of them" in out and "minutes" in out and "GB of memory" in out
    assert len(Store()) == 0 and not list((tmp_path / "results").iterdir())


def test_workers_that_the_memory_cannot_hold_are_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dropnet_core.engines.memory.free_bytes", lambda device: 1_000_000)
    assert run("--seeds", 0, "--workers", 2) == 2
    assert "use workers=1" in capsys.readouterr().err and not list((tmp_path / "results").iterdir())


def test_a_time_budget_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    ticks = iter(range(10_000))
    with monkeypatch.context() as patch:
        patch.setattr(scheduler.time, "monotonic", lambda: next(ticks))
        assert run("--seeds", 0, "--minutes", 5 / 60, "--engine", "compact") == 0
    out = capsys.readouterr().out
    assert "0 of 6 runs complete" in out
    assert "the time budget is used up; the same command goes on from here" in out
    part = read_records(only_file(tmp_path / "results"))
    assert 0 < len(part) < 22
    assert run("--seeds", 0, "--engine", "compact") == 0
    assert "6 of 6 runs complete" in capsys.readouterr().out
    assert complete_runs(read_records(only_file(tmp_path / "results"))) == 6


def test_ctrl_c_writes_what_is_finished(tmp_path, capsys, monkeypatch):
    put = Store.put

    def interrupted(store, key, outcome):
        put(store, key, outcome)
        if len(store) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Store, "put", interrupted)
    assert run("--seeds", 0, "--engine", "compact") == 130
    assert "interrupted; the same command goes on from here" in capsys.readouterr().out
    table = read_records(only_file(tmp_path / "results"))
    assert (table["cycle"] == 0).sum() == 6 and len(table) < 10
    monkeypatch.setattr(Store, "put", put)
    assert run("--seeds", 0, "--engine", "compact") == 0
    assert complete_runs(read_records(only_file(tmp_path / "results"))) == 6


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The records of the run that others interrupt, made in one go."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    os.environ["DROPNET_QUIET"] = "1"
    main(
        [
            "run",
            "mnist-fc40-fc40",
            *EMBEDDED,
            "--store",
            f"{folder}/store.sqlite",
            "--out",
            f"{folder}/results",
        ]
    )
    return read_records(only_file(folder / "results"))


def start(*words):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "dropnet_core", "run", "mnist-fc40-fc40", *EMBEDDED, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def entries(place):
    """How many outcomes a store holds that another process may be about to make."""
    try:
        with sqlite3.connect(f"file:{place}?mode=ro", uri=True) as database:
            return database.execute("SELECT count(*) FROM outcomes").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def wait_for(process, place, count):
    while entries(place) < count:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def same(a, b):
    keys = ["metric", "seed", "cycle"]
    return len(a) == len(b) and same_records(a.sort_values(keys), b.sort_values(keys)).all()


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_and_resumed_is_uninterrupted(tmp_path, uninterrupted, workers):
    place, out = tmp_path / "store.sqlite", tmp_path / "out"
    process = start("--store", place, "--out", out, "--workers", workers)
    wait_for(process, place, 3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and 3 <= entries(place) < len(uninterrupted) - 2
    assert not list(out.glob("*.csv"))
    assert main(["run", "mnist-fc40-fc40", *EMBEDDED, "--store", str(place), "--out", str(out)]) == 0
    assert same(read_records(only_file(out)), uninterrupted)


def test_two_processes_share_a_store(tmp_path, uninterrupted):
    place = tmp_path / "store.sqlite"
    process = start("--store", place, "--out", tmp_path / "theirs")
    wait_for(process, place, 1)  # it has begun, and both go on at once
    assert main(["run", "mnist-fc40-fc40", *EMBEDDED, "--store", str(place), "--out", str(tmp_path / "ours")]) == 0
    output, _ = process.communicate()
    assert process.returncode == 0, output
    for folder in ("ours", "theirs"):
        assert same(read_records(only_file(tmp_path / folder)), uninterrupted)


def test_a_damaged_entry_is_named_and_computed_again(tmp_path, capsys):
    run("--seeds", 0)
    before = read_records(only_file(tmp_path / "results"))
    with sqlite3.connect(tmp_path / "default.sqlite") as database:
        (key,) = database.execute("SELECT key FROM outcomes LIMIT 1 OFFSET 2").fetchone()
        database.execute("UPDATE outcomes SET content = x'00' WHERE key = ?", (key,))
    capsys.readouterr()
    assert run("--seeds", 0, "--out", tmp_path / "again") == 0
    assert f"warning: entry {key} of the store {tmp_path}/default.sqlite is damaged" in capsys.readouterr().err
    assert same_records(read_records(only_file(tmp_path / "again")), before).all()


def test_a_loss_that_is_no_number_ends_nothing_else(tmp_path, capsys):
    assert run("--seeds", "0-5", "--set", "learning_rate=1e30", "--set", "metrics=min") == 0
    table = read_records(only_file(tmp_path / "results"))
    assert "6 of 6 runs complete" in capsys.readouterr().out
    assert 0 < (table["status"] == "diverged").sum() < 6


BAD = [
    ("mnist-fc40-fc4", "", "unknown experiment 'mnist-fc40-fc4'; did you mean 'mnist-fc40-fc40'"),
    ("mnist-fc40-fc40", "--set metrcs=min", "unknown setting 'metrcs'; did you mean 'metrics'"),
    ("mnist-fc40-fc40", "--set metrics=mim", "unknown metric 'mim'; did you mean 'min'"),
    ("mnist-fc40-fc40", "--set network=fc40-cf40", "unknown network 'fc40-cf40': 'cf40' is no layer"),
    ("mnist-fc40-fc40", "--set data=mnst5k", "unknown data set 'mnst5k'; did you mean 'mnist5k'"),
    ("mnist-fc40-fc40", "--set selection=exakt", "unknown selection 'exakt'; did you mean 'exact'"),
    ("mnist-fc40-fc40", "--set precision=flot64", "unknown precision 'flot64'; did you mean 'float64'"),
    ("mnist-fc40-fc40", "--set precision=tf32", "cpu cannot compute in TF32"),
    ("mnist-fc40-fc40", "--engine kernels --set precision=float64", "kernels compute in float32; choose 'compact'"),
    ("mnist-fc40-fc40", "--set score=mean", "unknown score 'mean'; did you mean 'mean_of_abs'"),
    ("mnist-fc40-fc40", "--set initial=rewound", "unknown initial 'rewound'; did you mean 'rewind'"),
    (
        "mnist-fc40-fc40",
        "--set p=0",
        "p is the fraction of the remaining units to drop, above 0 and at most 1",
    ),
    ("mnist-fc40-fc40", "--set p=1.01", "p is the fraction"),
    ("mnist-fc40-fc40", "--set p=half", "'half' is no value for p"),
    ("mnist-fc40-fc40", "--set|stop=kappa 0", "kappa lies above 0 and at most at 1, not 0.0; try 0.95"),
    ("mnist-fc40-fc40", "--set|stop=kappa 1.2", "kappa lies above 0 and at most at 1"),
    ("mnist-fc40-fc40", "--set|stop=kapa 0.9", "unknown stop rule 'kapa'; did you mean 'kappa'"),
    ("mnist-fc40-fc40", "--set name=other", "leave out name="),
    ("mnist-fc40-fc40", "--set max_epochs", "a setting reads name=value, not 'max_epochs'"),
    ("mnist-fc40-fc40", "--seeds 0,1,0", "names '0' twice in its seeds"),
    ("mnist-fc40-fc40", "--seeds|", "seeds read 0-14 or 0,3,7, not ''"),
    ("mnist-fc40-fc40", "--seeds 3-1", "seeds read 0-14"),
    (
        "mnist-fc40-fc40",
        "--device cuda",
        "the device 'cuda' is not there: torch sees 0 GPUs; use 'cpu' or 'auto'",
    ),
    ("mnist-fc40-fc40", "--device gpu", "unknown device 'gpu'"),
    ("mnist-fc40-fc40", "--engine kernals", "unknown engine 'kernals'; did you mean 'kernels'"),
    ("mnist-fc40-fc40", "--workers 0", "workers is a whole number of at least 1"),
    ("mnist-fc40-fc40", "--workers two", "argument --workers: invalid int value: 'two'"),
    ("mnist-fc40-fc40", "--minutes 0", "minutes is a time budget above 0"),
    ("mnist-fc40-fc40", "--seed 0", "unrecognized arguments: --seed 0"),
    ("mnist-fc40-fc40", "--seeds 0-99999999999", "'0-99999999999' makes more than 5,000 seeds; take fewer"),
    ("mnist-fc40-fc40", "--seeds 0-1999", "has 12,000 runs, and at most 5,000 are meant; take fewer seeds"),
    ("mnist-fc40-fc40", "--seeds \u0663", "seeds read 0-14 or 0,3,7, not '\u0663'"),
    ("mnist-fc40-fc40", "--set data=glyphs --set size=999999999", "at least 1 and at most 4,096, not 999999999"),
    ("mnist-fc40-fc40", "--set data=glyphs --set size=4096", "at least 16 pixels and at most 256, not 4096"),
    ("mnist-fc40-fc40", "--seeds 18446744073709551616", "a seed is at most 9223372036854775807; '184467440"),
    ("mnist-fc40-fc40", "--seeds 9223372036854775808", "at most 9223372036854775807, not 9223372036854775808"),
    ("mnist-fc40-fc40", f"--seeds {'9' * 5000}", "a seed is at most 9223372036854775807"),
    ("mnist-fc40-fc40", "--seeds 0-4 --set seeds=0", "--seeds and --set seeds= give the seeds twice"),
    ("mnist-fc40-fc40", "--set p=0.2 --set p=0.3", "'p=0.2' and 'p=0.3' give one setting twice; leave one of them"),
    ("mnist-fc40-fc40", "--set|stop=cycles 2|--set|stops=cycles 3", "'stop=cycles 2' and 'stops=cycles 3' give one"),
    ("mnist-fc40-fc40", "--set network=fc99999999", "network 'fc99999999': a layer has at most 1,000,000 units"),
    ("mnist-fc40-fc40", f"--set network=fc4-conv{'9' * 5000}", "a layer has at most 1,000,000 units"),
    ("mnist-fc40-fc40", f"--set network=resnet18/{'9' * 5000}", "is no layer"),
    ("mnist-fc40-fc40", "--set network=fc1000000-fc1000000", "needs more than 20.0 TB for its weights"),
    (
        "mnist-fc40-fc40",
        "--set learning_rate=1e308",
        "a positive number, at most 3e+38, not 1e+308; the paper uses 0.1",
    ),
    ("mnist-fc40-fc40", "--set p=nan", "above 0 and at most 1, not nan; the paper has 0.2"),
    (
        "mnist-fc40-fc40",
        "--set metrics=min,",
        "'min,' is no value for metrics: a value is missing at one of its commas",
    ),
    ("mnist-fc40-fc40", "--set p=0.2,,0.3", "'0.2,,0.3' is no value for p: a value is missing"),
    ("mnist-fc40-fc40", "--set recipe=", "the parts of a recipe are settings themselves: augment, batch_size, lear"),
    (
        "mnist-fc40-fc40",
        "--set max_epochs=1e3",
        "'1e3' is no value for max_epochs: a whole number in plain digits, suc",
    ),
    ("mnist-fc40-fc40", "--set shuffle=yes", "'yes' is no value for shuffle: shuffle=true or shuffle=false"),
    (
        "mnist-fc40-fc40",
        "--set learning_rate=fast",
        "'fast' is no value for learning_rate: numbers such as learning_rate",
    ),
]


@pytest.mark.parametrize(("name", "words", "message"), BAD)
def test_bad_input_is_one_line_and_trains_nothing(name, words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    words = words.split("|") if "|" in words else words.split()
    data = [] if "data=" in " ".join(words) else ["--set", "data=mnist5k"]
    assert main(["run", name, *data, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and message in err and len(err.splitlines()) == 1
    assert entries(tmp_path / "default.sqlite") == 0 and not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--out", "cannot be written .* choose another folder with --out"),
        ("--store", "cannot be opened for writing"),
    ],
)
def test_places_that_cannot_be_written_are_told_before_training(option, message, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run("--seeds", 0, option, tmp_path / "file" / "below") == 2
    _, err = capsys.readouterr()
    assert re.search(message, err) and "file/below" in err
    assert entries(tmp_path / "default.sqlite") == 0


def test_a_results_folder_that_is_not_there(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path / "nowhere"))
    for words in (["status"], ["list"], ["run", "mnist-fc40-fc40"]):
        assert main(words) == 2 and "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [[], ["rum"], ["merge"], ["verify", "nowhere.csv"], ["verify", "a.csv", "--rows", "0"]]
)
def test_other_commands_refuse_in_one_line_too(words, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and len(err.splitlines()) == 1


def test_help_says_what_there_is(capsys):
    for words in (["--help"], ["run", "--help"], ["verify", "--help"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("list", "status", "merge", "--dry-run", "--minutes", "example:"))


def test_records_of_other_settings_are_refused_before_training(tmp_path, capsys):
    run("--seeds", 0)
    file = only_file(tmp_path / "results")
    write_records(read_records(file).assign(recipe="0123456789ab"), file)
    (tmp_path / "default.sqlite").unlink()
    assert run("--seeds", 1) == 2
    assert "differ in recipe" in capsys.readouterr().err and entries(tmp_path / "default.sqlite") == 0


def test_shards_merge(tmp_path, capsys):
    for seed in (0, 1):
        run("--seeds", seed, "--out", tmp_path / str(seed))
    files = [only_file(tmp_path / str(seed)) for seed in (0, 1)]
    capsys.readouterr()
    assert main(["merge", *map(str, files)]) == 0
    merged = only_file(tmp_path / "results")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].endswith(f"{len(read_records(merged))} rows added, 0 already there, 0 refused")
    run("--seeds", "0-1", "--out", tmp_path / "both")
    assert same(read_records(merged), read_records(only_file(tmp_path / "both")))
    assert main(["merge", *map(str, files), "--out", str(tmp_path / "both")]) == 0
    assert f"0 rows added, {len(read_records(merged))} already there, 0 refused" in capsys.readouterr().out


def test_list_and_status_print_what_has_records(tmp_path, capsys):
    run("--seeds", 0)
    name = only_file(tmp_path / "results").stem
    capsys.readouterr()
    assert main(["status"]) == 0
    out = capsys.readouterr().out
    assert f"{name}: 6 of 6 runs complete" in out and "mnist-fc40-fc40: not yet run" in out
    only_file(tmp_path / "results").rename(tmp_path / "results" / "x.csv")
    write_records(
        read_records(tmp_path / "results" / "x.csv").assign(experiment="mnist-fc40-fc40"),
        tmp_path / "results" / "x.csv",
    )
    assert main(["list"]) == 0
    assert "records: seeds 0\n" in capsys.readouterr().out


def test_verify_tells_true_rows_from_false_ones(tmp_path, capsys):
    run("--seeds", 0, "--engine", "compact")
    file = only_file(tmp_path / "results")
    again = ["verify", str(file), "--rows", "4", "--seed", "3", *TINY]
    assert main(again) == 0
    assert "4 of 4 rows are equal" in capsys.readouterr().out
    table = read_records(file)
    write_records(table.assign(test_loss=table["test_loss"] + 1), file)
    assert main(again) == 1
    out = capsys.readouterr().out
    assert "different (test_loss" in out and "4 should be equal, made by the same arithmetic" in out
    write_records(table.assign(test_loss=table["test_loss"] + 1, hardware="another"), file)
    assert main(again) == 0
    out = capsys.readouterr().out
    assert "0 of 4 rows are equal" in out and "Rows made by PyTorch on another kind of machine" in out
    assert main([*again, "--rows", "0"]) == 2
    assert "--rows is a whole number of at least 1" in capsys.readouterr().err
    assert main(["verify", str(file)]) == 2
    assert "give the settings they were made with" in capsys.readouterr().err


def test_verify_finds_what_a_few_rows_do_not_show(tmp_path, capsys):
    """Whatever rows are drawn: exchanged curves, a row too few, another name."""
    run("--seeds", 0)
    file = only_file(tmp_path / "results")
    table = read_records(file)

    def told(changed, name=file.name):
        write_records(changed, tmp_path / name)
        code = main(["verify", str(tmp_path / name), "--rows", "1", *TINY])
        return code, capsys.readouterr().out

    capsys.readouterr()
    assert told(table)[0] == 0
    exchanged = table.assign(curve=table["curve"].replace({"min": "max", "max": "min"}))
    code, out = told(exchanged.assign(hardware="another"))
    assert code == 1 and "line 2: 'max' is no curve of the metric 'min'" in out
    assert "rows cannot come from any run: the file has been changed" in out
    code, out = told(table.drop(index=1))
    assert code == 1 and "line 3: cycle 2 of its run stands here, but cycle 1 is missing" in out
    code, out = told(table.drop(index=table.index[-1]))  # it may also have been interrupted, which is no lie
    assert (
        code == 0 and f"not in the file, never run or deleted: {table['curve'].iloc[-1]}, seed 0: what follows" in out
    )
    code, out = told(table.assign(experiment=file.stem[:-6] + "123456"))
    assert code == 1 and f"is named after the experiment '{file.stem}', and its rows after" in out
    code, out = told(table.assign(score="abs_of_mean"))
    assert code == 1 and f"the name '{file.stem}' does not follow from the rows' settings" in out
    code, out = told(table[table["metric"] == "min"])  # interrupted, or run with fewer metrics: not told by the rows
    assert code == 0, out


def test_a_batch_of_more_images_than_there_are_can_be_planned(capsys):
    huge = [word.replace("batch_size=16", "batch_size=999999999") for word in TINY]
    assert run("--seeds", 0, "--set", "metrics=min", "--dry-run", settings=huge) == 0
    assert "if all take 2" in capsys.readouterr().out


def test_an_interrupted_run_is_not_accused_of_its_name(tmp_path, capsys):
    run("--seeds", 0, "--set", "metrics=min,max")
    file = only_file(tmp_path / "results")
    table = read_records(file)
    write_records(table[table["metric"] == "min"], file)
    again = ["verify", str(file), "--rows", "1", *TINY]
    assert main(again) == 0
    told = f"the name '{file.stem}' cannot be confirmed from these rows alone; repeat all --set of the run, for example"
    assert told in capsys.readouterr().out
    assert main([*again, "--set", "metrics=min,max"]) == 0
    assert "the name" not in capsys.readouterr().out


def test_records_that_merge_writes_stay_in_its_folder(tmp_path, capsys):
    run("--seeds", 0)
    file = only_file(tmp_path / "results")
    write_records(read_records(file).assign(experiment="../x"), tmp_path / "bad.csv")
    assert main(["merge", str(tmp_path / "bad.csv"), "--out", str(tmp_path / "deep")]) == 2
    assert "bad.csv, line 2" in (err := capsys.readouterr().err) and "'../x' cannot name a file of records" in err
    assert not (tmp_path / "x.csv").exists()


def test_a_run_says_what_it_found_in_the_store(tmp_path, capsys):
    assert run("--seeds", 0, "--set", "metrics=min", "--engine", "compact") == 0
    assert "in the store" not in capsys.readouterr().out
    assert run("--seeds", 0, "--set", "metrics=min", "--engine", "reference") == 0
    assert "all 4 outcomes were found in the store, made by the engine 'compact', not by 'reference'" in (
        capsys.readouterr().out
    )
    assert run("--seeds", "0-1", "--set", "metrics=min", "--engine", "compact") == 0
    assert "4 of 8 outcomes were found in the store, made by the engine 'compact'\n" in capsys.readouterr().out
