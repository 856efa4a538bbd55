"""How often the tests err on synthetic seeds of known truth; the bounds leave room for 200 trials."""

import pytest

from dropnet_core.claims import parse
from dropnet_core.error_rates import CALLS, error_rates, outcomes, synthetic
from dropnet_core.streams import stream


@pytest.fixture(scope="module")
def rates():
    return error_rates().set_index(["test", "truth"])


def test_without_an_effect_nothing_is_confirmed_but_its_absence(rates):
    none = rates.xs("no effect", level="truth")
    assert none.loc["PAIR", "holds"] <= 0.06  # nominal .025
    assert none.loc[["ORDER", "CLIFF"], "holds"].max() <= 0.01
    assert none.loc[["EQ", "DROP"], "holds"].min() >= 0.85
    assert none.loc[["EQ", "DROP"], "fails"].max() <= 0.01
    assert none.loc["PAIR", "fails"] >= 0.85 and none.loc["CLIFF", "fails"] >= 0.95


def test_at_the_margin_neither_side_wins_often(rates):
    edge = rates.xs("at the margin", level="truth")
    assert edge.loc[["EQ", "DROP"], "holds"].max() <= 0.09  # nominal .05
    assert edge.loc[["EQ", "DROP", "PAIR", "CLIFF"], "fails"].max() <= 0.08  # nominal .025, .05 for CLIFF
    assert edge.loc["PAIR", "holds"] >= 0.75  # 80 % power at .018


def test_a_large_effect_is_seen(rates):
    large = rates.xs("three times the margin", level="truth")
    assert large.loc[["PAIR", "ORDER", "CLIFF"], "holds"].min() >= 0.95
    assert large.loc[["EQ", "DROP"], "fails"].min() >= 0.95


def test_shares_add_up_and_repeat() -> None:
    (call,) = parse(CALLS["PAIR"])
    first, second = list(outcomes(call, 0.01, trials=20)), list(outcomes(call, 0.01, trials=20))
    assert first == second and len(set(first)) > 1


def test_the_spread_is_what_it_says() -> None:
    values = synthetic(0.1, 20_000, stream(0, "test"))
    difference = values["a"] - values["b"]
    assert difference[:, 6].std() == pytest.approx(0.023, rel=0.03)
    assert difference[:, 6].mean() == pytest.approx(0.1, abs=0.001)
    assert abs(difference[:, 0]).max() == 0  # the whole network is the same one
