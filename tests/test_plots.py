"""Figures: what is drawn equals the tables, looks stay fixed, words say it, and nothing is left behind."""

import io
import subprocess
import sys

import numpy as np
import pytest
from falling_records import FALLING_FRACTIONS, METRICS, falling_records
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from dropnet_core.analysis import published, stats
from dropnet_core.basics.errors import InputError
from dropnet_core.figures import curve_styles, descriptions, plots
from dropnet_core.figures.charts import Chart


def lines(axes: Axes) -> dict[str, list[np.ndarray]]:
    """Label -> the y values of its lines."""
    found: dict[str, list[np.ndarray]] = {}
    for line in axes.get_lines():
        found.setdefault(str(line.get_label()), []).append(np.asarray(line.get_ydata(), dtype=float))
    return found


def legend_names(chart: Chart) -> list[str]:
    return [text.get_text() for text in chart.legends[0].get_texts()]


def tick_labels(axes: Axes) -> list[str]:
    return [axes.xaxis.get_major_formatter()(tick) for tick in sorted(axes.get_xticks(), reverse=True)]


@pytest.mark.parametrize("quantity", ["test_accuracy", "epochs"])
def test_lines_are_the_means(quantity: str) -> None:
    chart = plots.accuracy_curves(falling_records(), quantity)
    summary = stats.summarise(falling_records(), quantity)
    drawn = lines(chart.axes[0])
    assert list(drawn) == METRICS == legend_names(chart)
    for metric in METRICS:
        np.testing.assert_allclose(drawn[metric][0], summary.loc[summary["curve"] == metric, "mean"])


@pytest.mark.parametrize("interval", ["paper", "t", "bootstrap"])
def test_bands_are_the_intervals(interval: str) -> None:
    chart = plots.accuracy_curves(falling_records(["min"]), interval=interval)
    (band,) = chart.axes[0].collections
    heights = np.asarray(band.get_paths()[0].vertices, dtype=float)[:, 1]
    summary = stats.summarise(falling_records(["min"]), interval=interval)
    assert heights.min() == pytest.approx(summary["lower"].min())
    assert heights.max() == pytest.approx(summary["upper"].max())
    assert descriptions.INTERVALS[interval] in chart.legends[0].get_title().get_text()


def test_no_band_on_request_and_none_for_one_seed() -> None:
    assert not plots.accuracy_curves(falling_records(), interval=None).axes[0].collections
    chart = plots.accuracy_curves(falling_records(seeds=1))
    assert chart.legends[0].get_title().get_text() == "Line: one seed"
    chart.image()


def test_single_seeds_are_drawn_on_demand() -> None:
    assert "_one seed" not in lines(plots.accuracy_curves(falling_records()).axes[0])
    singles = lines(plots.accuracy_curves(falling_records(["min"]), seeds=True).axes[0])["_one seed"]
    np.testing.assert_allclose(singles, falling_records(["min"])["test_accuracy"].to_numpy().reshape(3, -1))


def test_fractions_run_down_on_a_logarithmic_axis_with_plain_numbers() -> None:
    axes = plots.accuracy_curves(falling_records()).axes[0]
    left, right = axes.get_xlim()
    assert left > 1 > 0.05 > right > 0 and axes.get_xscale() == "log"
    assert tick_labels(axes) == ["1.0", "0.5", "0.2", "0.1", "0.05"]
    assert not axes.xaxis.get_minorticklocs().size


@pytest.mark.parametrize(
    ("x", "labels"),
    [
        ("units_remaining", ["80", "50", "20", "10", "5"]),
        ("parameters", ["32 k", "20 k", "10 k", "5 k", "2 k"]),
        ("macs", ["8 M", "5 M", "2 M", "1 M", "500 k"]),
    ],
)
def test_other_sizes_as_x(x: str, labels: list[str]) -> None:
    axes = plots.accuracy_curves(falling_records(), x=x).axes[0]
    assert tick_labels(axes) == labels
    means = stats.summarise(falling_records())[x].to_numpy()[: len(FALLING_FRACTIONS)]
    np.testing.assert_allclose(np.asarray(axes.get_lines()[0].get_xdata(), dtype=float), means)
    assert axes.get_xlabel().startswith(descriptions.SIZES[x][:6])


def test_published_curves_lie_over_their_own() -> None:
    table = published.curves("mnist-fc40-fc40")
    chart = plots.accuracy_curves(falling_records(["min@authors", "min@exact", "max@exact"]), published=table)
    overlaid = lines(chart.axes[0])["_published"]
    assert len(overlaid) == 2  # min once for its two readings, max once
    np.testing.assert_allclose(overlaid[0], table.loc[table["curve"] == "min", "value"])
    for line in chart.axes[0].get_lines():
        if line.get_label() == "_published":
            assert line.get_markerfacecolor() == "none" and line.get_linestyle() == "None"
    assert "open markers: the paper (Fig 3)" in chart.legends[0].get_title().get_text()
    assert "paper's curves (Fig 3)" in chart.alt_text


def test_nothing_is_laid_over_where_nothing_is_known() -> None:
    for table, x in (
        (published.curves("unheard-of"), "fraction_remaining"),
        (published.curves("mnist-fc40-fc40"), "parameters"),
    ):
        chart = plots.accuracy_curves(falling_records(), x=x, published=table)
        assert "_published" not in lines(chart.axes[0])
        assert "paper" not in chart.legends[0].get_title().get_text() + chart.alt_text


def test_four_panels() -> None:
    chart = plots.four_panels(falling_records(), published=published.curves("mnist-fc40-fc40"))
    titles = [axes.get_title() for axes in chart.axes]
    assert titles == ["Training accuracy", "Validation accuracy", "Test accuracy", "Early-stopping epoch"]
    assert ["_published" in lines(axes) for axes in chart.axes] == [False, False, True, False]
    assert len({axes.get_ylim() for axes in chart.axes[:3]}) == 1
    for quantity in ("Training accuracy", "Validation accuracy", "Test accuracy", "Early-stopping epoch"):
        assert f"{quantity} against" in chart.alt_text


def test_units_per_layer() -> None:
    chart = plots.units_per_layer(falling_records(["min", "random_layer"]))
    assert [axes.get_title() for axes in chart.axes] == ["min", "random_layer"]
    drawn = lines(chart.axes[0])
    assert list(drawn) == ["layer 1", "layer 2"] == legend_names(chart)
    np.testing.assert_array_equal(drawn["layer 1"][0] + drawn["layer 2"][0], [80, 64, 52, 34, 16, 8, 4])
    assert "min: 54 + 26 in cycle 0, 23 + 11 in cycle 3, 3 + 1 in cycle 6." in chart.alt_text
    with pytest.raises(InputError, match="units_per_layer"):
        plots.units_per_layer(falling_records().drop(columns="units_per_layer"))


def test_panels_without_a_curve_stay_empty_and_columns_keep_their_labels() -> None:
    chart = plots.units_per_layer(falling_records(METRICS[:4]))
    assert [axes.axison for axes in chart.axes] == [True] * 4 + [False] * 2
    assert [axes.get_xlabel() for axes in chart.axes[:4]] == [
        "",
        "pruning cycle",
        "pruning cycle",
        "pruning cycle",
    ]


def test_alt_text_says_where_curves_start_and_what_they_have_at_landmarks() -> None:
    words = plots.alt_text(falling_records(["min", "max_layer"], seeds=1))
    assert words == (
        "Test accuracy against the fraction of units remaining, one seed. "
        "min: 0.950 at 1, 0.893 at 0.5, 0.870 at 0.2, 0.850 at 0.1, 0.830 at 0.05. "
        "max_layer: 0.950 at 1, 0.855 at 0.5, 0.790 at 0.2, 0.750 at 0.1, 0.710 at 0.05."
    ).replace("0.893", f"{0.91 - 0.02 * np.log(0.5 / 0.65) / np.log(0.425 / 0.65):.3f}").replace(
        "0.855", f"{0.87 - 0.04 * np.log(0.5 / 0.65) / np.log(0.425 / 0.65):.3f}"
    )
    assert "mean of 3 seeds" in plots.alt_text(falling_records())
    assert "min: 11.0 at 1" in plots.alt_text(falling_records(), "epochs")


def test_alt_text_does_not_guess_between_far_cycles() -> None:
    one_cut = falling_records(["min"])
    one_cut = one_cut[one_cut["cycle"].isin([0, 5])]  # one cut, from 1 to 0.1
    assert plots.alt_text(one_cut).endswith("min: 0.960 at 1, 0.860 at 0.1.")


def test_a_metric_looks_the_same_beside_whatever_it_is_drawn() -> None:
    together = curve_styles.styles(METRICS)
    for metric in METRICS:
        assert curve_styles.styles(["mine", metric])[metric] == together[metric]
        assert (together[metric].line == curve_styles.DASHED) == metric.startswith("random")
    assert curve_styles.styles(["min_reinit"])["min_reinit"].line == curve_styles.DOTTED
    readings = curve_styles.styles(["min@authors", "min@exact"])
    assert readings["min@authors"] == together["min"] != readings["min@exact"]


@pytest.mark.parametrize(
    "curves",
    [
        METRICS,
        ["min", "max", "random_layer", "oracle"],
        ["min", "min_layer", "apoz", "apoz_layer"],
        ["min", "min_reinit", "min_small_reinit", "min_redraw"],
        [f"min/p={p}" for p in ("0.2", "0.3", "0.4", "0.5", "0.9")],
        ["min", "mine", "another", "third"],
    ],
)
def test_curves_of_one_figure_differ_in_colour_and_marker_and_stand_out_from_white(curves: list[str]) -> None:
    looks = curve_styles.styles(curves).values()
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(curves)
    for look in looks:
        linear = [((c + 0.055) / 1.055) ** 2.4 if c > 0.04045 else c / 12.92 for c in to_rgb(look.colour)]
        assert 1.05 / (np.dot([0.2126, 0.7152, 0.0722], linear) + 0.05) >= 3  # WCAG, graphical objects


def test_labels_say_in_words_what_a_name_abbreviates() -> None:
    assert [curve_styles.label(curve) for curve in ("random_layer", "min/p=0.9", "min_layer_reinit")] == [
        "random_layer", "min, p = 0.9", "min_layer, reinitialised",
    ]  # fmt: skip
    assert curve_styles.label("min_small_reinit") == "min, reinitialised as a small network"
    assert curve_styles.label("min_redraw") == "min, units redrawn at random"
    assert curve_styles.label("max@exact@abs_of_mean") == "max, exact selection, |mean activation|"
    assert curve_styles.label("min/kappa 0.95 one_more") == "min, kappa 0.95 one_more"
    assert curve_styles.label("mine") == "mine"


def test_unknown_names_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'parameters'"):
        plots.accuracy_curves(falling_records(), x="parametres")
    with pytest.raises(InputError, match="did you mean 'epochs'"):
        plots.accuracy_curves(falling_records(), "epoch")
    with pytest.raises(InputError, match="did you mean 'paper'"):
        plots.four_panels(falling_records(), interval="papr")


def test_figures_are_deterministic_white_and_without_warnings() -> None:
    def drawn() -> list[bytes]:
        chart = plots.accuracy_curves(falling_records(), published=published.curves("mnist-fc40-fc40"))
        return [chart.image("svg"), chart.image(), plots.method_figure().image("svg")]

    first = drawn()
    assert first == drawn()
    assert b"<dc:date>" not in first[0] and b"matplotlib" not in first[1].lower()
    pixels = imread(io.BytesIO(first[1]))
    assert (pixels[0, 0] == 1).all() and (pixels[..., 3] == 1).all()


def test_no_global_state_is_left_behind() -> None:
    code = (
        "import sys, matplotlib\n"
        "rc = matplotlib.rcParams\n"
        "settings = lambda: {name: rc[name] for name in rc if name != 'backend'}\n"  # asking for it sets it
        "before = settings()\n"
        "import warnings; warnings.simplefilter('error')\n"
        "from dropnet_core.figures.plots import method_figure; method_figure().image()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert settings() == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_chart_shows_itself_in_a_notebook_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[dict[str, object], dict[str, dict[str, object]]]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, metadata, raw: shown.append((data, metadata)))
    plots.method_figure()._ipython_display_()
    ((data, metadata),) = shown
    picture = data["image/png"]
    assert isinstance(picture, bytes) and picture.startswith(b"\x89PNG")
    assert metadata["image/png"]["alt"] == plots.method_figure().alt_text
    assert data["text/plain"] == "<Chart 640x700>"


def test_epochs_that_are_all_equal_have_whole_numbers_on_their_axis() -> None:
    made = plots.accuracy_curves(falling_records().assign(epochs=6), quantity="epochs", interval=None)
    ticks = made.axes[0].get_yticks()
    assert all(float(tick).is_integer() for tick in ticks) and 6 in ticks
