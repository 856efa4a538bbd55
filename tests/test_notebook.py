import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml
from project_folders import NOTEBOOKS

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import experiment
from dropnet_core.experiments.records import RECORD_COLUMNS
from dropnet_core.pages.notebook import (
    check_cells,
    check_values,
    declared_types,
    earlier_records,
    fits,
    provenance,
    says,
)

DECLARED = """
p: float = 0.2
seeds: list[int] = [0, 1]
metrics: list[str] = ["min"]
label: str | None = None
fast: bool = True
"""


@pytest.mark.parametrize(
    "line",
    [
        "p = 0.3",
        "p = 1",
        "seeds = [3]",
        "seeds = 3",
        'metrics = ["min", "max"]',
        'metrics = "min"',
        "label = None",
        'label = "a"',
        "fast = False",
    ],
)
def test_good_parameters_pass(line):
    check_cells(["", DECLARED, f"# Parameters\n{line}\n"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('metrcs = "min"', "unknown parameter 'metrcs'; did you mean 'metrics'"),
        ('p = "0.3"', "p is declared as float, not '0.3'; give one of that type"),
        ("p = True", "p is declared as float"),
        ("seeds = [0.5]", r"seeds is declared as list\[int\]"),
        ("metrics = [1]", r"-y '\{metrics: \[a, b\]\}'"),
        ("label = 3", "label is declared as str | None"),
        ("fast = 1", "fast is declared as bool"),
        ('p = float("nan")', "p is declared as float"),
    ],
)
def test_a_bad_parameter_is_named_with_its_remedy(line, message):
    with pytest.raises(InputError, match=message):
        check_cells(["", DECLARED, f"# Parameters\n{line}\n"])


def test_without_papermill_there_is_nothing_to_check():
    check_cells(["", DECLARED, "p = 'anything'"])
    check_cells([""])


def test_one_item_given_for_a_list_becomes_one():
    values = {"p": 0.2, "seeds": 3, "metrics": "min", "label": None, "fast": True}
    check_values(["", "%matplotlib inline", DECLARED], values)
    assert values == {"p": 0.2, "seeds": [3], "metrics": ["min"], "label": None, "fast": True}
    values["seeds"] = range(3)  # by a reader who edits the cell
    check_values(["", DECLARED], values)
    assert values["seeds"] == range(3)


@pytest.mark.parametrize(
    ("name", "annotation", "value", "message"),
    [
        ("interval", "str", "T", "unknown interval 'T'.* Known: bootstrap, paper, t"),
        ("paper", "str", "mnist-fc40-fc4", "unknown experiment .* did you mean 'mnist-fc40-fc40'"),
        ("paper", "list[str]", ["mnist-fc40-fc40", "b"], "unknown experiment 'b'"),
        ("quantity", "str", "accuracy", "unknown quantity 'accuracy'; did you mean"),
        ("x", "str", "units", "unknown x axis 'units'; did you mean 'units_remaining'"),
        ("lowest", "float", 1.0, "a stop fraction lies at or above 0 and below 1"),
        ("fractions", "list[float]", [0.5, 0.0], "fractions holds 0.0; give a number above 0, at most 1"),
        ("margin", "float", -0.1, "margin holds -0.1"),
        ("margin", "float", float("nan"), "margin holds nan"),
        ("trials", "int", 0, "trials holds 0"),
        ("records", "str", "nowhere", "records is 'nowhere', which is no folder"),
        ("file", "str", "speed.csv", "there is no file 'speed.csv' in"),
        ("seeds", "list[int]", [], "seeds is an empty list"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_or_without_papermill(name, annotation, value, message):
    with pytest.raises(InputError, match=message):
        check_values(["", f"{name}: {annotation} = 0"], {name: value})


def test_records_of_a_changed_experiment_can_be_compared_with(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path))
    (tmp_path / "mnist-fc40-fc40+3fa2b1.csv").touch()
    check_values(["paper: str = ''"], {"paper": "mnist-fc40-fc40+3fa2b1"})
    check_values(["file: str = ''"], {"file": "benchmarks/speed.csv"})  # which may not have been measured yet


def parameters_cell(notebook: Path) -> str:
    cells = nbformat.read(notebook, as_version=4).cells
    (tagged,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", ())]
    return tagged.source


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_parameter_is_typed_and_commented(notebook):
    source = parameters_cell(notebook)
    assert all(" = " in line and "  # " in line for line in source.splitlines())
    values: dict = {}
    exec(source, values)
    types = declared_types(source)
    assert len(types) == len(source.splitlines())
    assert all(fits(values[name], annotation) for name, annotation in types.items())


def with_settings(notebook, settings):
    """The source of a notebook's parameters cell and the settings of a file, after the checks that a run makes."""
    given = yaml.safe_load(settings.read_text())
    source = parameters_cell(notebook)
    check_cells([source, "# Parameters\n" + "\n".join(f"{name} = {value!r}" for name, value in given.items())])
    return source, given


@pytest.mark.parametrize("settings", sorted((NOTEBOOKS / "params" / "reduced").glob("*.yaml")), ids=lambda p: p.stem)
def test_reduced_settings_differ_from_the_defaults_and_read_real_images(settings):
    source, given = with_settings(NOTEBOOKS / f"{settings.stem}.ipynb", settings)
    values: dict = {}
    exec(source, values)
    assert all(values[name] != value for name, value in given.items()), "a value equal to the default says nothing"
    assert given["data"].partition(":")[0] in ("cifar10", "tinyimagenet") and given["size"] == 0


@pytest.mark.parametrize("settings", sorted((NOTEBOOKS / "params").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_papers_settings_give_the_experiment_of_the_table(settings):
    """A notebook run with them computes the very runs that `python -m dropnet_core run` computes."""
    (name,) = re.findall(r"^# The paper's settings for (\w+):", settings.read_text())
    source, given = with_settings(NOTEBOOKS / f"{name}.ipynb", settings)
    cells = [cell.source for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells]
    values: dict = {}
    exec(source, values)
    assert all(values[name] != value for name, value in given.items()), "a value equal to the default says nothing"
    values |= given
    (setup,) = [cell for cell in cells if "check_parameters()" in cell]
    (making,) = [cell for cell in cells if "experiment = Experiment(" in cell]
    exec(f"{setup}\n{making}", values)
    assert set(values["experiment"].runs()) == set(experiment(settings.stem).runs())


def test_an_experiment_that_has_not_been_run_has_no_earlier_records(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path))
    assert earlier_records("mnist-fc40-fc40") is None
    (tmp_path / "mnist-fc40-fc40.csv").write_text("experiment,data\nmnist-fc40-fc40,mnist\n")
    with pytest.raises(InputError, match=r"mnist-fc40-fc40.csv, line 1: the column"):
        earlier_records("mnist-fc40-fc40")


def test_provenance_counts_a_shared_training_once():
    row = dict.fromkeys(RECORD_COLUMNS, "x") | {
        "seed": 0,
        "device": "cpu",
        "seconds": 9000.0,
        "processor_seconds": 1800.0,
        "created": "2026-01-02T03:04:05+00:00",
        "test_loss": 1.0,
    }
    table = pd.DataFrame(
        [
            row,
            row | {"metric": "max"},
            row | {"seed": 1, "test_loss": 2.0, "created": "2026-01-04T00:00:00+00:00"},
        ]
    )
    text = " ".join(provenance(table).split())
    assert "2 seeds" in text
    assert "2 trainings in 1.0 hours" in text
    assert "2026-01-02 to 2026-01-04" in text


@pytest.mark.parametrize(("device", "hours", "kind"), [("cpu", 0.5, "core"), ("cuda", 2.5, "GPU")])
def test_provenance_says_whose_hours_they_are(device, hours, kind):
    """On a CPU those of the processor, which the process may have had to share; on a GPU those of the clock."""
    times = {"seconds": 9000.0, "processor_seconds": 1800.0, "created": "2026-01-02T03:04:05+00:00"}
    row = dict.fromkeys(RECORD_COLUMNS, "x") | {"seed": 0} | times
    text = " ".join(provenance(pd.DataFrame([row | {"device": device, "test_loss": 1.0}])).split())
    assert f"1 training in {hours} hours of one {kind} by the engine" in text


def test_a_finding_is_stated_either_way(capsys):
    says("water is wet", True)
    says("water is dry", False)
    assert capsys.readouterr().out == "holds in this run: water is wet\ndoes NOT hold in this run: water is dry\n"
