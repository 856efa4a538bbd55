"""What no run can have left is found, by its row; what runs have left is not."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from project_folders import RESULTS
from tiny_runs import NETWORK, made_up_cycles, small

from dropnet_core.basics.errors import InputError
from dropnet_core.compaction import counts, shrink
from dropnet_core.data import load
from dropnet_core.data.facts import DATA_FACTS, DataFacts, split_sizes
from dropnet_core.experiments import plausible
from dropnet_core.experiments.plausible import check_plausible, faults, faults_of_row, possible_counts
from dropnet_core.experiments.records import read_records, records, write_records
from dropnet_core.experiments.results import add_records
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.pages.command_line import main
from dropnet_core.running.store import Store
from dropnet_core.stops import Stop


@pytest.fixture
def table_of(tiny, tmp_path):
    """From changed settings of the small experiment to its records, as a file holds them."""

    def made(**changed):
        experiment = small(**changed)
        cycles = made_up_cycles(experiment, tiny, Store(tmp_path / "store.sqlite"))
        table = records(experiment, cycles, NETWORK, tiny)
        table["validation_accuracy"] /= 2  # made up, it rises above 1
        write_records(table, tmp_path / "made.csv")
        return read_records(tmp_path / "made.csv")

    return made


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.csv")), ids=lambda file: file.stem)
def test_all_results_merge_byte_for_byte(file, tmp_path, capsys):
    assert main(["merge", str(file), "--out", str(tmp_path)]) == 0
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert f"{len(read_records(file)):,} rows added, 0 already there, 0 refused" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"schedule": "one_unit", "p": (None,)},
        {"p": (0.4, 1)},
        {"initial": ("rewind", "small_reinit", "redraw"), "metrics": "random"},
        {"selection": ("exact", "authors"), "score": ("mean_of_abs", "abs_of_mean")},
        {"stops": (Stop("kappa", 0.9, "one_more"), Stop("cycles", 2), Stop("fraction", 1 / 3))},
    ],
)
def test_what_a_run_leaves_has_no_fault(table_of, changed):
    assert faults(table_of(**changed), NETWORK) == {}


def test_a_metric_of_ones_own_may_be_of_either_scope(table_of):
    table = table_of()
    assert faults(table.replace({"min": "mine", "max_layer": "my_layer"})) == {}


BAD_VALUES = [
    ("experiment", "../x", "'../x' cannot name a file of records"),
    ("experiment", "a/b", "cannot name a file"),
    ("experiment", ".hidden", "cannot name a file"),
    ("experiment", "", "cannot name a file"),
    ("experiment", "mnist-fc40-fc40", "the experiment 'mnist-fc40-fc40' has no data 'tiny', but mnist"),
    ("network", "fc4-fx3", "unknown network"),
    ("network", "fc4-fc4", "5 units and the fraction 0.714285714 do not fit the layers' '3+2'"),
    ("network", "fc4-fc3-fc2", "'3+2' are no units of the layers 4+3+2"),
    ("p", 0.2, "the pruning rule leaves other units than '3+2'"),
    ("p", 97.0, "p is the fraction"),
    ("schedule", "two_units", "unknown schedule"),
    ("selection", "exakt", "unknown selection 'exakt'; did you mean 'exact'"),
    ("score", "mean", "unknown score"),
    ("initial", "rewound", "unknown initial"),
    ("stop", "never", "a stop reads"),
    ("stop", "fraction 0.30", "the stop 'fraction 0.30' is written 'fraction 0.3'"),
    ("curve", "max", "'max' is no curve of the metric 'min'"),
    ("curve", "min@authors", "is no curve"),
    ("curve", "min/p=0.5", "is no curve"),
    ("cycle", 2, "the pruning rule leaves other units"),
    ("cycle", 10**17, "the pruning rule leaves other units"),
    ("units_remaining", 4, "4 units and the fraction"),
    ("fraction_remaining", 0.7, "do not fit the layers' '3+2'"),
    ("units_per_layer", "4+1", "parameters of '4+1'"),
    ("units_per_layer", "5+0", "are no units of the layers 4+3"),
    ("units_per_layer", "3+-2", "are no units"),
    ("train_accuracy", 97.0, "the train_accuracy is 97, and lies between 0 and 1"),
    ("test_accuracy", np.inf, "the test_accuracy is inf"),
    ("validation_accuracy", np.nan, "the validation_accuracy is nan"),
    ("best_test_accuracy", -0.1, "the best_test_accuracy is -0.1"),
    ("test_loss", -1.0, "a cross-entropy is at least 0"),
    ("train_loss", np.nan, "the status 'ok' does not fit the losses"),
    ("status", "diverged", "the status 'diverged' does not fit the losses"),
    ("test_loss", np.inf, "the status 'ok' does not fit the losses"),
    ("test_loss", np.nan, "the status 'ok' does not fit the losses"),
    ("device", "tpu", "'tpu' is no device, which are cpu and cuda"),
    ("status", "fine", "'fine' is no status"),
    ("status", "empty-layer", "the status of '3+2' is not 'empty-layer'"),
    ("epochs", 0, "at least one epoch"),
    ("parameters", 239, "239 are not the parameters of '3+2', 212"),
    ("macs", 1, "1 are not the macs of '3+2'"),
    ("recipe", "0", "no recipe of 12 hexadecimal digits"),
    ("data_sha256", "g" * 64, "no data_sha256 of 64"),
    ("data", "mnist:1", "'mnist:1' has no classes to tell apart, or more than the 10 there are"),
    ("data", "mnist:11", "'mnist:11' has no classes"),
    ("data", "mnist", "the data_sha256 is not that of 'mnist'"),
    ("seconds", -1.0, "does not take -1.0 seconds"),
    ("created", "yesterday", "is no date and time"),
]


@pytest.mark.parametrize(("column", "value", "words"), BAD_VALUES)
def test_what_no_run_gives_is_found_by_its_row(table_of, tiny, monkeypatch, column, value, words):
    table = table_of()
    assert table["units_per_layer"][1] == "3+2"
    table[column] = table[column].astype(object)
    table.at[1, column] = value
    found = faults(table, NETWORK)
    assert set(found) <= {1, 2} and 1 in found  # what follows a row that is not its run's is no run either
    # So many images that nine digits tell no whole number of them.
    known = DataFacts(NETWORK.shape, NETWORK.classes, split_sizes(10**9, 10**9, 10**9), tiny.chance, "")
    monkeypatch.setitem(plausible.DATA_FACTS, "tiny", known)
    plausible.known_network.cache_clear()
    with pytest.raises(
        InputError, match=f"made.csv, line 3.*{re.escape(words)}.*; no run gives that, so take the file anew"
    ):
        check_plausible(table)
    plausible.known_network.cache_clear()


@pytest.mark.parametrize(
    ("row", "changes", "words"),
    [
        (0, {"status": "collapsed"}, "the status 'collapsed' does not fit the test_accuracy 0.9"),
        (0, {"test_accuracy": 0.1184}, "the status 'ok' does not fit the test_accuracy 0.1184, where 0.1185 and less"),
        (0, {"test_accuracy": 0.1185, "status": "collapsed"}, ""),
        (0, {"test_accuracy": 0.1186, "status": "collapsed"}, "does not fit"),
        (0, {"test_accuracy": 0.95005}, "the test_accuracy 0.95005 is no whole number of images of 10,000"),
        (0, {"best_test_accuracy": 0.95005}, "the best_test_accuracy"),
        (0, {"validation_accuracy": 0.9501}, "the validation_accuracy 0.9501 is no whole number of images of 6,000"),
        (0, {"train_accuracy": 0.95005}, "the train_accuracy 0.95005 is no whole number of images of 54,000"),
        (0, {"train_accuracy": 51_303 / 54_000}, ""),
    ],
)
def test_known_images_are_counted(row, changes, words):
    table = read_records(RESULTS / "mnist-fc20-fc40.csv")
    for column, value in changes.items():
        table.loc[row, column] = value
    found = faults(table[:15])
    assert bool(found) == bool(words) and words in found.get(row, "")


def test_what_is_known_of_the_digits_in_the_package_is_so():
    data, known = load("mnist5k"), DATA_FACTS["mnist5k"]
    counted = {part: len(split) for part, split in data.parts.items()}
    assert known == DataFacts(data.shape, data.classes, counted, data.chance, data.sha256)


def stopping(stop: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The same rows under another stop, with accuracies that fall by 0.2 a cycle."""
    return lambda table: table.assign(stop=stop, validation_accuracy=0.9 - 0.2 * table["cycle"])


RUNS: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], int, str]] = [
    (lambda table: table.drop(index=2), 3, "cycle 3 of its run stands here, but cycle 2 is missing"),
    (lambda table: table.drop(index=0), 1, "cycle 1 of its run stands here, but cycle 0 is missing"),
    (stopping("cycles 3"), 3, "its run ended with cycle 2, by its stop 'cycles 3'"),
    (stopping("fraction 0.5"), 3, "its run ended with cycle 2, by its stop 'fraction 0.5'"),
    (stopping("kappa 0.9 already_trained"), 2, "its run ended with cycle 1"),
    (lambda table: table.assign(units_per_layer=["4+3", "4+1", "1+2", "0+2"]), 2, "'4+1' cannot become '1+2'"),
]


@pytest.mark.parametrize(("change", "row", "words"), RUNS)
def test_rows_that_cannot_stand_beside_each_other(table_of, change, row, words):
    table = table_of(metrics="min", seeds=0)
    assert table["units_per_layer"].tolist() == ["4+3", "3+2", "1+2", "0+2"]
    found = faults(change(table))
    assert set(found) == {row} and words in found[row]


def test_after_a_run_that_diverged_there_is_nothing(table_of):
    table = table_of(metrics="min", seeds=0)
    table.loc[1, ["status", "train_loss"]] = ["diverged", np.nan]
    assert set(faults(table)) == {2}


def test_a_residual_network_counts_by_what_its_sums_keep():
    """How many channels a sum keeps depends on which filters its inputs keep; on how many, only the bounds do."""
    network = describe("resnet18/32", (3, 32, 32), 10)
    draw = np.random.default_rng(0)
    for _ in range(20):
        mask = Mask(draw.random(width) < 0.6 for width in network.widths)
        least, most = possible_counts(network, mask.units_per_layer)
        cost = counts(shrink(network, mask))
        assert least[0] <= cost.parameters <= most[0] and least[1] <= cost.macs <= most[1]
    full = counts(network)
    assert possible_counts(network, network.widths) == ((full.parameters, full.macs),) * 2


def test_counts_that_may_vary_are_told_as_a_range(table_of):
    network = describe("resnet18/32", (3, 32, 32), 10)
    halved = tuple(width // 2 for width in network.widths)
    kept = "+".join(map(str, halved))
    table = table_of()[:1].assign(network=network.name, units_per_layer=kept, parameters=1)
    least, most = possible_counts(network, halved)
    assert least[0] < most[0]
    found = list(faults_of_row(plausible.row_dicts(table)[0], network))
    assert f"1 are not the parameters of '{kept}', {least[0]} to {most[0]}" in found


def test_further_rows_are_counted_in_words(table_of):
    table = table_of()
    for rows, words in ((2, "(and 1 other row):"), (3, "(and 2 other rows):")):
        table.loc[table.index[-rows:], "test_accuracy"] = 97.0
        with pytest.raises(InputError, match=re.escape(words)):
            check_plausible(table)


MIXED = [
    ("network", "fc4-fc2"),
    ("data", "other"),
    ("schedule", "one_unit"),
    ("p", 0.5),
    ("stop", "cycles 4"),
    ("selection", "authors"),
    ("score", "abs_of_mean"),
    ("recipe", "0" * 12),
    ("data_sha256", "0" * 64),
]


@pytest.mark.parametrize(("column", "value"), MIXED)
@pytest.mark.parametrize("where", ["in one file", "in the folder"])
def test_rows_of_another_making_do_not_share_a_name(table_of, tmp_path, column, value, where):
    table = table_of()
    changed = table.assign(**{column: value})
    parts = [pd.concat([table[:8], changed[8:]])] if where == "in one file" else [table[:8], changed[8:]]
    with pytest.raises(InputError, match=f"records of 'small' differ in {column} .*; they belong to another exp"):
        add_records(parts, tmp_path / "results")
    assert not list((tmp_path / "results").glob("*.csv"))


def test_curves_may_name_what_an_experiment_varies(table_of, tmp_path):
    table = table_of(p=(0.4, 0.7), stops=(Stop("cycles", 2), Stop("cycles", 3)))
    (merged,) = add_records([table], tmp_path / "results")
    assert merged.added == len(table)
    with pytest.raises(InputError, match="differ in score"):
        add_records([table.assign(score="abs_of_mean", seed=7)], tmp_path / "results")


BAD_FILES = [
    ("experiment", "../x", "line 4.*: '../x' cannot name a file of records"),
    ("test_accuracy", "97", "line 4.*: the test_accuracy is 97"),
    ("test_accuracy", "inf", "line 4.*: the test_accuracy is inf"),
    ("units_remaining", "-3", "line 4: '-3' is no whole number of at least 0 for units_remaining"),
    ("seed", "1.5", "line 4: '1.5' is no whole number of at least 0 for seed"),
    ("seed", "18446744073709551616", "line 4: '18446744073709551616' is no whole number"),
    ("seed", "", "line 4: '' is no whole number"),
    ("test_loss", "inf", "line 4.*: the status 'ok' does not fit the losses"),
    ("device", "tpu", "line 4.*: 'tpu' is no device"),
    ("test_accuracy", "0.95005", "line 4.*: the test_accuracy 0.95005 is no whole number of images of 10,000"),
    ("status", "collapsed", "line 4.*: the status 'collapsed' does not fit the test_accuracy"),
    ("status", "fine", "line 4.*: 'fine' is no status"),
    ("stop", "fraction 0.1", "line 4.*: the experiment 'mnist-fc20-fc40' has no stop 'fraction 0.1'"),
    ("network", "fc40-fc40", "line 4.*: the experiment 'mnist-fc20-fc40' has no network 'fc40-fc40'"),
    ("data", "mnist5k", "line 4.*: the experiment 'mnist-fc20-fc40' has no data 'mnist5k', but mnist"),
    ("recipe", "0" * 12, "line 4.*: the experiment 'mnist-fc20-fc40' has no recipe '0+'"),
    ("score", "abs_of_mean", "line 4.*: the experiment 'mnist-fc20-fc40' has no score"),
    ("curve", "max", "line 4.*: this run of 'mnist-fc20-fc40' belongs to the curve 'min', not 'max'"),
    ("epochs", "101", "line 4.*: a training of 'mnist-fc20-fc40' has at most 100 epochs, not 101"),
    ("parameters", "1", "line 4.*: 1 are not the parameters of"),
]


@pytest.mark.parametrize("command", ["merge", "verify"])
@pytest.mark.parametrize(("column", "text", "words"), BAD_FILES)
def test_a_changed_file_is_refused_by_line(command, column, text, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path / "deep" / "results"))
    header, *lines = (RESULTS / "mnist-fc20-fc40.csv").read_text("utf-8").splitlines()[:16]
    at = header.split(",").index(column)
    values = lines[2].split(",")
    lines[2] = ",".join([*values[:at], text, *values[at + 1 :]])
    file = tmp_path / "mnist-fc20-fc40.csv"
    file.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    (tmp_path / "deep" / "results").mkdir(parents=True)
    assert main([command, str(file)]) in (1, 2)
    out, err = capsys.readouterr()
    said = err if command == "merge" or column in ("seed", "units_remaining") else out
    assert re.search(words, said) and str(file) in said
    assert not list((tmp_path / "deep").rglob("*.csv"))
