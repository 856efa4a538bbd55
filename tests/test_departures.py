"""Departures: what they switch belongs where they say, their experiments exist, and the page of departures agrees."""

import re
from pathlib import Path

import pytest
from project_folders import ROOT
from tiny_runs import NETWORK

from dropnet_core.algorithm import pruning
from dropnet_core.analysis.departures import DEPARTURES, Departure, Side
from dropnet_core.analysis.stats import INTERVAL_METHODS
from dropnet_core.experiments.experiment import Experiment, experiment
from dropnet_core.experiments.records import RECORD_COLUMNS
from dropnet_core.experiments.settings import parse_settings
from dropnet_core.pages.command_line import parser
from dropnet_core.recipe import Recipe
from dropnet_core.running.forecast import made_up
from dropnet_core.runs import Job, Run

PAGE = (ROOT / "book" / "departures.md").read_text(encoding="utf-8")
COMPARED = [departure for departure in DEPARTURES if departure.sides]


def by_title(departure: Departure) -> str:
    return departure.title


def sides(departure: Departure) -> tuple[Side, Side]:
    assert departure.sides is not None
    return departure.sides


def switched(departure: Departure, value: str) -> Run:
    """A tiny run with the option of a departure at this value."""
    initial = "rewind" if departure.option in ("stop", "metrics") else "reinit"
    base = Experiment("small", "tiny", "fc4-fc3", ("min",), (0,), ("exact",), initial=(initial,))
    (run,) = base.with_settings(parse_settings([f"{departure.option}={value}"])).runs()
    return run


def asked(run: Run) -> list[Job]:
    """All jobs that a run asks for, answered with made-up outcomes."""
    jobs, trainings = [], pruning(run, NETWORK)
    job, _ = next(trainings)
    while True:
        jobs.append(job)
        try:
            job, _ = trainings.send(made_up(run, job))
        except StopIteration:
            return jobs


@pytest.mark.parametrize("departure", COMPARED, ids=by_title)
def test_switching_a_departure_changes_the_identity_it_belongs_to_and_no_other(departure: Departure) -> None:
    if departure.belongs == "record":
        values = {side.value for side in sides(departure)}
        assert {side.quantity for side in sides(departure)} == values <= set(RECORD_COLUMNS)
        return
    first, second = (switched(departure, side.value) for side in sides(departure))
    assert first != second
    jobs = [asked(run) for run in (first, second)]
    recipes = [{job.recipe.digest for job in mine} for mine in jobs]
    if departure.belongs == "run":
        assert recipes == [{Recipe().digest}] * 2
        assert jobs[0][0].key("data") == jobs[1][0].key("data"), "both readings share the unpruned outcome"
    else:
        assert departure.belongs == "recipe"
        assert recipes[0] != recipes[1]
        assert [job.mask.units_remaining for job in jobs[0]] == [job.mask.units_remaining for job in jobs[1]]


def test_the_identities_are_pinned() -> None:
    """A change here renames stored outcomes: raise `Recipe.definition` only if their numbers change, too."""
    selection = next(departure for departure in DEPARTURES if departure.anchor == "departure-selection")
    for side in sides(selection):
        assert asked(switched(selection, side.value))[0].key("data") == "8e2fe93e6dc9c3acb7ccda6238362647"
    assert Recipe(initial_range="small").digest == "1ffdcdc89c69"
    assert Recipe(shuffle=True).digest == "8a571e2f41fc"


@pytest.mark.parametrize("departure", COMPARED, ids=by_title)
def test_both_sides_can_be_run_and_have_the_curves_that_are_compared(departure: Departure) -> None:
    for side in sides(departure):
        planned = side.experiment
        words = side.command.split()
        assert words[:3] == ["python", "-m", "dropnet_core"]
        given = parser().parse_args(words[3:])
        assert experiment(given.name).variant(parse_settings(given.set)).name == planned.name
        curves = {planned.curve(run) for run in planned.runs()}
        assert {side.curve.format(metric=metric) for metric in departure.metrics} <= curves
        assert side.quantity in RECORD_COLUMNS


@pytest.mark.parametrize("departure", COMPARED, ids=by_title)
def test_the_sides_differ_in_the_option_and_in_nothing_else(departure: Departure) -> None:
    """But for the metric of one departure, whose option it is, and the ends where the end is the option."""
    if departure.belongs == "record":
        return
    fields = "data network metric p schedule selection score initial recipe stop".split()
    option = {"stop": "stop", "metrics": "metric", "shuffle": "recipe"}.get(departure.option, departure.option)
    runs = []
    for side in sides(departure):
        planned, curve = side.experiment, side.curve.format(metric=departure.metrics[0])
        runs.append(next(run for run in planned.runs() if planned.curve(run) == curve))
    assert {name for name in fields if getattr(runs[0], name) != getattr(runs[1], name)} == {option}


@pytest.mark.parametrize("departure", DEPARTURES, ids=by_title)
def test_the_page_of_departures_tells_of_each(departure: Departure) -> None:
    (section,) = re.findall(rf"\({departure.anchor}\)=\n### (.*?)(?=\n\(departure-|\n## |\Z)", PAGE, re.DOTALL)
    title, _, text = section.partition("\n")
    assert title == departure.title
    here = text.partition("\nHere\n")[2]
    for side in departure.sides or ():
        assert side.value.split()[-1] in here, side.value
    (row,) = re.findall(rf"\* - \[{departure.title}\]\(#{departure.anchor}\)\n((?:  - .*\n)+)", PAGE)
    option, _, effect = row.splitlines()
    assert f"`{departure.option}`" in option
    assert "as_written.ipynb" in effect


def test_the_page_of_departures_sends_nobody_to_what_is_not_there() -> None:
    measured = re.findall(r"\* - \[.*?\]\(#(.*?)\)\n  - .*\n  - .*\n  - .*as_written\.ipynb", PAGE)
    assert sorted(measured) == sorted(departure.anchor for departure in DEPARTURES)


def test_what_has_not_been_run_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPNET_RESULTS", str(tmp_path))
    selection = next(departure for departure in DEPARTURES if departure.anchor == "departure-selection")
    assert selection.missing() == ["python -m dropnet_core run probe-selection-fc40-fc40"]
    order = next(departure for departure in DEPARTURES if departure.option == "shuffle")
    shuffled = sides(order)[0]
    assert shuffled.settings and shuffled.file.name.startswith("reinit-fc20-fc20+")
    shuffled.file.touch()
    assert order.missing() == ["python -m dropnet_core run reinit-fc20-fc20"]


def test_the_departure_without_sides_is_that_of_the_bars() -> None:
    (bars,) = [departure for departure in DEPARTURES if departure.sides is None]
    assert (bars.option, bars.belongs, bars.missing()) == ("interval", "figure", [])
    assert {"t", "paper"} <= set(INTERVAL_METHODS)
