"""How often the tests err on synthetic seeds of known truth; the bounds leave room for 200 trials."""

import re

import pandas as pd
import pytest
from project_folders import ROOT

from dropnet_core.basics.streams import stream
from dropnet_core.verdicts.claims import parse
from dropnet_core.verdicts.decisions import OUTCOMES
from dropnet_core.verdicts.error_rates import (
    CALLS,
    FAMILY_SIZE,
    error_rates,
    outcomes,
    synthetic,
    with_deaths,
    wrong_verdicts,
)

LEADS = ["a quarter of the margin", "half the margin", "nine tenths of the margin"]


@pytest.fixture(scope="module")
def rates():
    return error_rates().set_index(["test", "truth"])


@pytest.fixture(scope="module")
def wrong():
    return wrong_verdicts()


@pytest.fixture(scope="module")
def deaths():
    return with_deaths()


def test_without_an_effect_nothing_is_confirmed_but_its_absence(rates):
    none = rates.xs("no effect", level="truth")
    assert none.loc["PAIR", "holds"] <= 0.06  # nominal .025
    assert none.loc[["ORDER", "CLIFF"], "holds"].max() <= 0.01
    assert none.loc[["EQ", "DROP"], "holds"].min() >= 0.85
    assert none.loc[["EQ", "DROP"], "fails"].max() <= 0.01
    assert none.loc["PAIR", "small"] >= 0.85 and none.loc["CLIFF", "fails"] >= 0.95


def test_at_the_margin_neither_side_wins_often(rates):
    edge = rates.xs("at the margin", level="truth")
    assert edge.loc[["EQ", "DROP"], "holds"].max() <= 0.09  # nominal .05
    assert edge.loc[["EQ", "DROP", "PAIR", "CLIFF"], "fails"].max() <= 0.08  # nominal .025, .05 for CLIFF
    assert edge.loc["PAIR", "holds"] >= 0.75  # 80 % power at .018


def test_a_large_effect_is_seen(rates):
    large = rates.xs("three times the margin", level="truth")
    assert large.loc[["PAIR", "ORDER", "CLIFF"], "holds"].min() >= 0.95
    assert large.loc[["EQ", "DROP"], "fails"].min() >= 0.95


def test_a_true_lead_fails_in_no_more_than_one_trial_of_twenty(rates):
    for lead in LEADS:
        assert rates.xs(lead, level="truth").loc[["PAIR", "EQ", "DROP", "ORDER"], "fails"].max() <= 0.05


def test_outcomes_add_up(rates):
    assert rates[list(OUTCOMES)].sum(axis=1).tolist() == pytest.approx([1.0] * len(rates))


def test_true_claims_are_not_called_not_confirmed(wrong):
    """One test or twelve, whether networks die or not: in at most 5 % of the trials."""
    assert {(row.test, row.tests, row.dying > 0) for row in wrong.itertuples()} == {
        (test, tests, dying)
        for test in ("PAIR", "EQ", "DROP", "ORDER")
        for tests in (1, FAMILY_SIZE)
        for dying in (False, True)
        if not (test == "DROP" and dying)  # its mean loss is then beyond the margin
    }
    assert wrong[LEADS].to_numpy().max() <= 0.05


def test_networks_that_die_make_no_outcome_milder(deaths):
    assert deaths["milder"].tolist() == [0] * len(deaths)
    assert (deaths["fails_dying"] >= deaths["fails"]).all()
    far = deaths[deaths["truth"] == "three times the margin"]
    assert set(far["test"]) == set(CALLS) and far["fails_dying"].min() == 1


def test_shares_repeat() -> None:
    (call,) = parse(CALLS["PAIR"])
    first, second = list(outcomes(call, 0.01, trials=20)), list(outcomes(call, 0.01, trials=20))
    assert first == second and len(set(first)) > 1


def test_the_page_of_verdicts_has_these_numbers(wrong, deaths):
    """Its two tables of rates, in per cent."""
    page = (ROOT / "book" / "verdicts.md").read_text(encoding="utf-8")

    def rows(first: str) -> list[list[str]]:
        (block,) = re.findall(rf"^\| {re.escape(first)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]

    def percent(found: pd.Series) -> list[str]:
        return [f"{100 * value:.1f}" for value in found]

    assert rows("tests of a true claim") == [
        [f"{row['tests']} {row['test']}" + (", networks die" if row["dying"] else ""), *percent(row[LEADS])]
        for _, row in wrong.iterrows()
    ]
    assert rows("test, how wrong") == [
        [f"{row['test']}, {row['truth']}", *percent(row[["fails", "fails_dying", "milder"]])]
        for _, row in deaths.iterrows()
    ]


def test_the_spread_is_what_it_says() -> None:
    values = synthetic(0.1, 20_000, stream(0, "test"))
    difference = values["a"] - values["b"]
    assert difference[:, 6].std() == pytest.approx(0.023, rel=0.03)
    assert difference[:, 6].mean() == pytest.approx(0.1, abs=0.001)
    assert abs(difference[:, 0]).max() == 0  # the whole network is the same one


def test_as_many_networks_die_as_it_says() -> None:
    alive, dying = (synthetic(0.1, 20_000, stream(0, "test"), dying=curves) for curves in ("", "b"))
    assert (dying["b"][:, 6] == 0.1).mean() == pytest.approx(0.07, abs=0.005)
    assert (dying["a"] == alive["a"]).all() and (dying["b"][:, 0] == alive["b"][:, 0]).all()
