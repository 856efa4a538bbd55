"""The table behind a figure and the link that carries it."""

import io
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from check_pages import remote_in_html
from falling_records import falling_records

from dropnet_core.analysis import published
from dropnet_core.analysis.stats import summarise
from dropnet_core.figures import plots
from dropnet_core.figures.charts import Chart
from dropnet_core.figures.figure_data import csv, link


def data_of(chart: Chart) -> pd.DataFrame:
    assert chart.data is not None
    return chart.data


def test_the_table_is_what_is_drawn() -> None:
    chart = plots.accuracy_curves(falling_records(["min", "max"]), x="parameters")
    table, summary = data_of(chart), summarise(falling_records(["min", "max"]))
    drawn = {str(line.get_label()): line for line in chart.axes[0].get_lines()}
    for curve, rows in table.groupby("curve"):
        np.testing.assert_allclose(rows["test_accuracy"], np.asarray(drawn[str(curve)].get_ydata(), dtype=float))
        np.testing.assert_allclose(rows["parameters"], np.asarray(drawn[str(curve)].get_xdata(), dtype=float))
    np.testing.assert_allclose(table["test_accuracy_lower"], summary["lower"])
    assert chart.name == "mnist-fc40-fc40-test_accuracy"
    assert list(table)[:8] == list(summary)[:6] + ["n", "share_collapsed"]


def test_no_interval_where_none_is_drawn() -> None:
    for chart in (
        plots.accuracy_curves(falling_records(), interval=None),
        plots.accuracy_curves(falling_records(seeds=1)),
    ):
        assert "test_accuracy" in data_of(chart) and "test_accuracy_lower" not in data_of(chart)


def test_four_panels_stand_side_by_side() -> None:
    chart = plots.four_panels(falling_records(["min"]), published=published.curves("mnist-fc40-fc40"))
    table = data_of(chart)
    for quantity in ("train_accuracy", "validation_accuracy", "test_accuracy", "epochs"):
        assert {quantity, f"{quantity}_lower", f"{quantity}_upper"} <= set(table)
    assert chart.name == "mnist-fc40-fc40-four-panels"


def test_the_papers_points_stand_beside_ours_and_where_ours_are_missing() -> None:
    theirs = published.curves("mnist-fc40-fc40")
    theirs = theirs[theirs["curve"] == "min"]
    ours = falling_records(["min@exact"])
    ours = ours[ours["units_remaining"].isin([80, 64, 52])]
    table = data_of(plots.accuracy_curves(ours, published=theirs))
    assert set(table["curve"]) == {"min@exact"} and len(table) == len(theirs)
    np.testing.assert_allclose(table["published"], theirs["value"])
    np.testing.assert_allclose(table["fraction_remaining"], theirs["fraction_remaining"])
    assert table["test_accuracy"].notna().sum() == 3


def test_units_per_layer_carry_their_counts() -> None:
    chart = plots.units_per_layer(falling_records(["min"]))
    assert list(data_of(chart)) == ["curve", "cycle", "units_of_layer_1", "units_of_layer_2"]
    assert data_of(chart)["units_of_layer_1"].tolist()[:2] == [54, 43]
    assert chart.name == "mnist-fc40-fc40-units-per-layer"
    assert plots.units_per_layer(falling_records(["min"]).drop(columns="experiment")).name == "units-per-layer"


def test_numbers_are_short_and_none_loses_its_size() -> None:
    table = pd.DataFrame({"a": [0.123456789, 1.0, np.nan], "b": [1133450.7, 20000.0, 0.5], "c": ["x", "y, z", "w"]})
    assert csv(table) == 'a,b,c\n0.12346,1133451,x\n1,20000,"y, z"\n,0.5,w\n'


def test_the_link_gives_the_table_back_and_nothing_escapes_from_it() -> None:
    table = pd.DataFrame({"curve": ['a "b" <c> #1 50 %', "d"], "mean": [0.25, 0.5]})
    text = link(table, 'own"><b>')
    address = text.split('href="')[1].split('"')[0]
    head, _, body = address.partition(",")
    assert head == "data:text/csv;charset=utf-8" and "#" not in body and "<" not in body and " " not in body
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(unquote(body))), table)
    assert "<b>" not in text and 'download="own&quot;&gt;&lt;b&gt;.csv"' in text
    assert remote_in_html(text) == []


def test_a_chart_shows_the_link_below_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **rest: shown.append(data))
    chart = plots.accuracy_curves(falling_records(["min"]))
    chart._ipython_display_()
    picture, below = shown
    assert "image/png" in picture and "text/html" not in picture
    assert below["text/html"] == link(data_of(chart), chart.name)
    plots.method_figure()._ipython_display_()
    assert len(shown) == 3  # a drawing without numbers has no link


def test_the_link_of_a_whole_figure_stays_small() -> None:
    assert len(link(data_of(plots.four_panels(falling_records())), "a")) < 20_000
