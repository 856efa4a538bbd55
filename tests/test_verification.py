"""Records computed again."""

import pytest
from project_folders import RESULTS
from tiny_runs import small

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import experiment
from dropnet_core.experiments.plausible import faults
from dropnet_core.experiments.records import read_records, write_records
from dropnet_core.running.run import run
from dropnet_core.running.store import Store
from dropnet_core.running.verification import compare_record, missing_parts, name_matches, random_rows, verify
from dropnet_core.stops import Stop

SETTINGS = {"max_epochs": 2, "batch_size": 16}

pytestmark = pytest.mark.usefixtures("tiny_by_name")


@pytest.fixture
def table_of(tmp_path):
    """From changed settings of the small experiment to its records, as they come from a file."""

    def made(engine="auto", **changed):
        write_records(run(small(**changed), store=Store(tmp_path / "store.sqlite"), engine=engine), tmp_path / "a.csv")
        return read_records(tmp_path / "a.csv")

    return made


@pytest.fixture
def table(table_of):
    return table_of()


def grades(rows, settings=SETTINGS):
    return [verdict.grade for verdict in verify(rows, settings)]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"engine": "reference"},
        {"initial": ("rewind", "small_reinit", "redraw"), "metrics": "random"},
        {"schedule": "one_unit", "p": (None,), "seeds": 0},
        {"stops": (Stop("kappa", 0.9, "one_more"),), "seeds": 0},
        {"selection": ("exact", "authors"), "p": (0.3, 0.6), "seeds": 0, "metrics": "min"},
    ],
)
def test_true_records_are_equal(table_of, changed):
    assert set(grades(table_of(**changed))) == {"equal"}


def test_a_changed_number_is_found(table):
    table.loc[3, "test_accuracy"] += 0.1
    verdicts = list(verify(table.iloc[2:5], SETTINGS))
    assert [verdict.grade for verdict in verdicts] == ["equal", "different", "equal"]
    assert list(verdicts[1].differences) == ["test_accuracy"] and verdicts[1].same_bits
    assert str(verdicts[0]) == "small min, seed 0, cycle 2: equal"
    assert str(verdicts[1]).startswith("small min, seed 0, cycle 3: different (test_accuracy 0.")


@pytest.mark.parametrize(
    ("column", "factor", "grade"),
    [
        ("test_loss", 1 + 1e-4, "within rounding"),
        ("test_loss", 1.1, "different"),
        ("validation_accuracy", 1 + 1e-4, "within rounding"),
        ("epochs", 2, "stopped at another epoch"),
        ("units_remaining", 2, "different"),
        ("test_loss", 1 + 1e-12, "equal"),
    ],
)
def test_rounding_is_told_from_differences(table, column, factor, grade):
    table[column] *= factor
    assert grades(table[:1]) == [grade]


@pytest.mark.parametrize("column", ["hardware", "torch", "version"])
def test_equal_bits_are_asked_of_pytorch_on_the_same_machine_and_of_the_kernels_everywhere(table_of, column):
    for engine, everywhere in (("compact", False), ("kernels", True)):
        table = table_of(engine, seeds=0)
        assert next(verify(table[:1], SETTINGS)).same_bits
        table[column] = "another"
        (verdict,) = verify(table[:1], SETTINGS)
        assert verdict.grade == "equal" and verdict.same_bits == everywhere
        table["test_loss"] *= 1 + 1e-4
        (verdict,) = verify(table[:1], SETTINGS)
        assert verdict.grade == "within rounding" and verdict.failed == everywhere


def test_records_of_an_engine_that_is_gone_are_computed_by_the_kernels(table):
    table["engine"], table["version"] = "stacked", "0.1.0"
    table.loc[1, "epochs"] += 3
    table.loc[1, "test_accuracy"] += 0.1
    table.loc[2, "units_per_layer"] = "2+2"
    verdicts = list(verify(table[:3], SETTINGS))
    assert [verdict.grade for verdict in verdicts] == ["equal", "stopped at another epoch", "different"]
    assert not verdicts[1].same_bits and not verdicts[1].failed and verdicts[2].failed
    assert list(verdicts[1].differences) == ["test_accuracy", "epochs"]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("parameters", 1, "1 are not the parameters of '4+3', 287"),
        ("macs", 1, "1 are not the macs"),
        ("units_remaining", 6, "6 units and the fraction 1 do not fit"),
        ("fraction_remaining", 0.9, "do not fit"),
        ("curve", "max", "'max' is no curve of the metric 'min'"),
        ("curve", "min@exact@abs_of_mean", "is no curve"),
        ("stop", "fraction 2", "a stop fraction lies at or above 0"),
        ("score", "mean", "unknown score 'mean'"),
        ("data_sha256", "0", "no data_sha256"),
    ],
)
def test_what_is_exact_on_every_machine_excuses_no_other(table, column, value, words):
    table["engine"], table["version"] = "compact", "another"
    table[column] = table[column].astype(object)
    table.at[0, column] = value
    if column in ("stop", "score", "data_sha256"):
        assert words in faults(table)[0]
        return
    (verdict,) = verify(table[:1], SETTINGS)
    assert verdict.failed and not verdict.same_bits and verdict.grade == "different"
    assert words in verdict.fault and words in str(verdict)
    assert not next(verify(table[1:2], SETTINGS)).failed


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"test_accuracy": 0.99}, "losses and epochs are as before, the test_accuracy is not"),
        ({"train_accuracy": 0.99, "train_loss": 1 + 1e-7}, "the train_accuracy is not"),
        ({"status": "other"}, "the status is not"),
        ({"test_accuracy": 0.99, "test_loss": 1.5}, ""),
        ({"test_accuracy": 0.99, "epochs": 7}, ""),
        ({"test_accuracy": 0.99, "units_per_layer": "2+2"}, ""),
        ({"test_accuracy": "one image"}, ""),  # one image more or less, of few
        ({"status": "other", "test_accuracy": "one image"}, ""),
        ({"best_test_accuracy": 0.99}, ""),  # the last epoch that was allowed; another may have been the best
    ],
)
def test_an_accuracy_that_losses_contradict_is_no_rounding(table, tiny, changes, fault):
    was = table.iloc[0].copy()
    was["hardware"], was["engine"] = "another", "compact"
    now = was.copy()
    now["hardware"] = "this"
    for column, value in changes.items():
        if value == "one image":
            was[column] += 1 / len(tiny.test)
        elif value == "other":
            was[column] = "ok" if now[column] == "collapsed" else "collapsed"
        else:
            was[column] = was[column] * value if column.endswith("loss") else value
    verdict = compare_record(was, now, "", small().recipe, tiny)
    assert verdict.failed == bool(fault) and fault in verdict.fault and not (fault == "" and verdict.fault)
    if fault:
        assert verdict.grade == "different"


def test_what_a_file_lacks_is_named(table):
    assert missing_parts(table) == []
    run = table[(table["seed"] == 1) & (table["metric"] == "max_layer")]
    assert missing_parts(table.drop(index=run.index)) == ["max_layer, seed 1: the whole run"]
    assert missing_parts(table.drop(index=run.index[-1])) == ["max_layer, seed 1: what follows cycle 2"]
    assert missing_parts(table.assign(seed=table["seed"].replace(1, 9))) == ["seeds 1 to 8"]
    assert missing_parts(table[table["seed"] == 1]) == []  # no table tells where its seeds begin


def test_the_table_tells_which_curves_and_seeds_a_file_lacks():
    table = read_records(RESULTS / "mnist-fc40-fc40.csv")
    assert missing_parts(table) == []
    assert missing_parts(table[(table["metric"] != "max") & (table["seed"] != 3)]) == ["max: all its runs", "seed 3"]
    assert missing_parts(table[table["seed"] > 1]) == ["seeds 0 to 1"]


def test_the_digits_of_a_changed_experiments_name_follow_from_its_rows(table_of):
    assert name_matches(table_of(), SETTINGS)  # a name without digits
    own = small(seeds=0)
    settings = {
        "data": "tiny", "network": "fc4-fc3", "metrics": own.metrics, "selection": own.selection, "p": own.p,
        "stops": own.stops, **SETTINGS,
    }  # fmt: skip
    name = experiment("mnist-fc40-fc40").variant(settings).name
    table = table_of(seeds=0).assign(experiment=name)
    assert name_matches(table, SETTINGS)
    given = SETTINGS | {"metrics": own.metrics}
    assert name_matches(table.assign(score="abs_of_mean"), given) is False
    assert name_matches(table.assign(experiment="mnist-fc40-fc40+123456"), given) is False
    assert name_matches(table, {"metrics": own.metrics}) is False
    # Without them a metric may be missing that no row is left of.
    assert name_matches(table.assign(score="abs_of_mean"), SETTINGS) is None
    assert name_matches(table.assign(experiment="mnist-fc40-fc40+123456"), SETTINGS) is None


@pytest.mark.parametrize("change", ["interrupted", "reordered", "cut off"])
def test_a_name_that_rows_alone_do_not_explain_is_no_lie(table_of, change):
    own = small()
    settings = {"data": "tiny", "network": "fc4-fc3", "selection": own.selection, "p": own.p, "stops": own.stops}
    name = experiment("mnist-fc40-fc40").variant({"metrics": own.metrics, **settings, **SETTINGS}).name
    table = table_of().assign(experiment=name)
    honest = {
        "interrupted": table[table["metric"] == "min"],
        "reordered": table[::-1],
        "cut off": table[table["metric"] == "min"][:-1],
    }[change]
    assert name_matches(honest, SETTINGS) is None
    assert name_matches(honest, SETTINGS | {"metrics": own.metrics}) is True


def test_the_committed_changed_experiments_bear_the_right_names():
    for name, settings in (("oracle-fc20-fc20+9ea250", {}), ("reinit-fc20-fc20+37d81e", {"shuffle": True})):
        assert name_matches(read_records(RESULTS / f"{name}.csv"), settings)


def test_a_run_that_ends_earlier_now_is_different(table):
    table.loc[3, "cycle"] = 30
    (verdict,) = verify(table.iloc[[3]], SETTINGS)
    assert verdict.grade == "different" and verdict.differences["cycle"][0] == "30"


@pytest.mark.parametrize(
    ("column", "value", "settings", "words"),
    [
        ("recipe", "abc", SETTINGS, "were made by recipe abc, not by .* --set max_epochs=2"),
        ("seed", 0, {}, "give the settings they were made with"),
        ("data_sha256", "0", SETTINGS, "its checksum differs"),
        ("engine", "kernals", SETTINGS, "unknown engine 'kernals'; did you mean 'kernels'"),
        ("metric", "mim", SETTINGS, "unknown metric 'mim'"),
        ("data", "elsewhere", SETTINGS, "unknown data set 'elsewhere'"),
    ],
)
def test_what_cannot_be_verified_is_refused(table, column, value, settings, words):
    table[column] = value
    with pytest.raises(InputError, match=words):
        list(verify(table[:1], settings))


def test_an_experiment_of_the_table_brings_its_recipe(table_of):
    own = table_of(seeds=0).assign(experiment="probe-lr-fc20-fc20+123456")
    with pytest.raises(InputError, match="give the settings"):
        list(verify(own[:1], SETTINGS))  # its learning rate is 0.01
    assert grades(own[:1], SETTINGS | {"learning_rate": 0.1}) == ["equal"]


def test_rows_are_chosen_by_lot(table):
    chosen = [random_rows(table, 3, seed).index.tolist() for seed in range(8)]
    assert all(len(rows) == 3 == len(set(rows)) for rows in chosen) and len(set(map(tuple, chosen))) > 4
    assert random_rows(table, 3, 0).index.tolist() == chosen[0]
    assert random_rows(table, 99, 0).index.tolist() == table.index.tolist()
