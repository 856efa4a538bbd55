"""What a chapter prints of its own run, and states about it, follows from the records."""

import pandas as pd
import pytest

from dropnet_core.pages import quick_run

ROWS = [
    ("resnet18/8", metric, seed, cycle, units, accuracy - drop * cycle + 0.01 * seed, widths[cycle])
    for metric, accuracy, drop, widths in (
        ("min", 0.8, 0.1, ["4+4", "4+0", "2+0"]),
        ("max", 0.8, 0.3, ["4+4", "0+4", "0+2"]),
        ("min_layer", 0.8, 0.1, ["4+4", "2+2", "1+1"]),
    )
    for seed in (0, 1)
    for cycle, units in enumerate((8, 4, 2))
]
NAMES = ["network", "metric", "seed", "cycle", "units_remaining", "test_accuracy", "units_per_layer"]


@pytest.fixture
def records() -> pd.DataFrame:
    """Two seeds of three metrics, of which `max` falls faster; accuracies of the whole network 0.80 and 0.81."""
    table = pd.DataFrame(ROWS, columns=NAMES)
    return table.assign(
        curve=table["metric"], fraction_remaining=table["units_remaining"] / 8, status="ok", experiment="trial"
    )


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_two_seeds_are_lines_and_more_an_interval(records):
    assert quick_run.seeds_drawn(records, "t") == {"interval": None, "seeds": True}
    assert quick_run.seeds_drawn(records[records["seed"] == 0], "t") == {"interval": None, "seeds": False}
    three = pd.concat([records, records.assign(seed=2)])
    assert quick_run.seeds_drawn(three, "paper") == {"interval": "paper", "seeds": False}


def test_units_are_listed_in_the_order_of_the_metrics(records, capsys):
    ends_sooner = records[(records["metric"] != "max") | (records["cycle"] < 2)]
    quick_run.print_units_left(ends_sooner)
    assert [line.split() for line in said(capsys)[2:]] == [["min", *"842"], ["max", *"84"], ["min_layer", *"842"]]
    quick_run.print_units_left(records.assign(p=0.5), by="p")
    assert [line.split() for line in said(capsys)[2:]] == [["0.5", "8", "4", "2"]]


def test_accuracies_are_means_at_the_fractions_that_are_reached(records, capsys):
    quick_run.print_accuracies(records, (1.0, 0.5, 0.2))
    head, _, *rows = said(capsys)
    assert head.split() == ["1.0", "0.5"]
    assert {row.split()[0]: row.split()[1:] for row in rows}["max"] == ["0.805", "0.505"]


@pytest.mark.parametrize(
    ("metric", "other", "by", "below", "holds"),
    [("max", "min", 0.35, 0.3, True), ("max", "min", 0.45, 0.3, False), ("max", "min", 0.35, 0.6, False)],
)
def test_worse_by_how_much_and_where(records, capsys, metric, other, by, below, holds):
    quick_run.says_worse(records, metric, other, by=by, below=below)
    words = "holds" if holds else "does NOT hold"
    assert said(capsys) == [f"{words} in this run: below {below}, max is {by} worse than min"]


def test_nothing_is_said_of_metrics_that_were_not_run(records, capsys):
    alone = records[records["metric"] == "max"]
    quick_run.says_worse(alone, "max", "min", by=0.1, below=0.5)
    quick_run.says_other_widths(alone)
    quick_run.says_shortcuts_stay(alone)
    assert said(capsys) == []


def test_what_is_said_of_whole_networks_and_of_layers(records, capsys):
    quick_run.says_learnt(records, 0.39)
    quick_run.says_learnt(records, 0.41)
    quick_run.says_other_widths(records)
    quick_run.says_other_widths(records.assign(units_per_layer="2+2"))
    assert [line.startswith("holds") for line in said(capsys)] == [True, False, True, False]


def test_shortcuts_stay_if_branch_ends_lose_more(records, capsys):
    layers = ["4"] * 20
    ends, shortcut = layers.copy(), layers.copy()
    ends[2], shortcut[7] = "0", "0"  # layers 3 and 8
    for cut in (ends, shortcut):
        first = records["cycle"] == 0
        deep = records.assign(units_per_layer=["+".join(layers) if whole else "+".join(cut) for whole in first])
        quick_run.says_shortcuts_stay(deep)
        quick_run.says_shortcuts_stay(deep.assign(network="vgg19"))
    assert [line.startswith("holds") for line in said(capsys)] == [True, False]
