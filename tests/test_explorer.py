"""The interactive figure: its numbers are those of the records, it is whole in itself, and it survives gaps.

What its script does is seen in a browser; here it is held together with the page and the tables it reads.
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from check_pages import remote_in_html
from falling_records import METRICS, falling_records
from tiny_runs import NETWORK, made_up_cycles, small

from dropnet_core.analysis import published
from dropnet_core.analysis.stats import summarise
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments import records as rows_of
from dropnet_core.experiments.results import add_records
from dropnet_core.figures import curve_styles, explorer
from dropnet_core.figures.descriptions import PANELS
from dropnet_core.figures.explorer import ELSEWHERE, SCALE, Explorer
from dropnet_core.running.store import Store


@pytest.fixture(scope="module")
def table(tiny, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Sixteen records of two seeds and two metrics, from 7 units down."""
    store = Store(tmp_path_factory.mktemp("store") / "store.sqlite")
    return rows_of.records(small(), made_up_cycles(small(), tiny, store), NETWORK, tiny)


@pytest.fixture(scope="module")
def folder(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("results")
    add_records([table, table.assign(experiment="mnist-fc40-fc40")], made)
    return made


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of three experiments is quicker to go through than the whole one."""
    monkeypatch.setattr(
        explorer, "experiment_names", lambda: ["mnist-fc40-fc40", "psweep-fc20-fc20", "kappa-fc40-fc40"]
    )


@pytest.fixture(scope="module")
def figure(folder: Path) -> Explorer:
    return Explorer("mnist-fc40-fc40", folder)


@pytest.fixture(scope="module")
def page(figure: Explorer) -> str:
    return figure._repr_html_()


def data_in(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def script() -> str:
    return Path(explorer.__file__).with_suffix(".js").read_text("utf-8")


def test_means_and_intervals_are_those_of_the_statistics() -> None:
    uneven = falling_records(["min", "max"], seeds=4).drop(
        index=range(9, 14)
    )  # one curve has three seeds at some cycles
    uneven.loc[:, "status"] = np.where(uneven["seed"] == 1, "collapsed", "ok")
    ours = explorer.ours_of(uneven)
    for quantity in PANELS:
        summary, scale = summarise(uneven, quantity), SCALE.get(quantity, ELSEWHERE)
        for curve, rows in summary.groupby("curve"):
            found = ours[str(curve)]
            means, half = found[quantity]
            np.testing.assert_allclose(means, rows["mean"] * scale, atol=0.51)
            np.testing.assert_allclose(half, (rows["upper"] - rows["mean"]) * scale, atol=0.51)
            assert found["units"] == rows["units_remaining"].tolist()
            np.testing.assert_allclose(found["parameters"], rows["parameters"], atol=0.51)
            assert found["dead"] == [round(share * n) for share, n in zip(rows.share_collapsed, rows.n, strict=True)]
    assert ours["max"]["seeds"] == 4 and ours["min"]["seeds"] == [4, 4, 3, 3, 3, 3, 3]


def test_one_seed_has_no_interval() -> None:
    ours = explorer.ours_of(falling_records(["min"], seeds=1))
    assert ours["min"]["test_accuracy"][1] == [None] * 7 and ours["min"]["seeds"] == 1


def test_the_papers_curves_are_there_with_their_figure() -> None:
    theirs, table = explorer.theirs_of("mnist-fc40-fc40"), published.curves("mnist-fc40-fc40")
    assert list(theirs) == ["test_accuracy"] and theirs["test_accuracy"]["figure"] == "Fig 3"
    curves = theirs["test_accuracy"]["curves"]
    assert list(curves) == METRICS
    rows = table[table["curve"] == "min_layer"]
    assert curves["min_layer"]["units"] == rows["units_remaining"].tolist()
    np.testing.assert_allclose(np.array(curves["min_layer"]["values"][0]) / ELSEWHERE, rows["value"], atol=1e-9)


def test_every_experiment_with_a_curve_is_there(figure: Explorer) -> None:
    found = {entry["name"]: entry for entry in figure.entries}
    assert {"small", "mnist-fc40-fc40", "cifar10-vgg19", "psweep-fc20-fc20"} <= set(found)
    assert "kappa-fc40-fc40" not in found  # neither run nor in the paper
    assert (found["small"]["data"], found["small"]["network"]) == ("tiny", "fc4-fc3")
    assert found["cifar10-vgg19"]["ours"] == {} and found["cifar10-vgg19"]["data"] == "CIFAR-10"
    assert set(found["mnist-fc40-fc40"]["looks"]) == set(METRICS)  # ours has two of them, the paper all
    assert list(found["mnist-fc40-fc40"]["ours"]) == ["min", "max_layer"]


def test_too_many_curves_are_left_out(few: None, table: pd.DataFrame, tmp_path: Path) -> None:
    run = table[(table["seed"] == 0) & (table["metric"] == "min")].assign(experiment="kappa-fc40-fc40")
    for count, there in ((explorer.MOST, True), (1, False)):
        add_records(
            [run.assign(metric=f"{count}-{i}", curve=f"{count}-{i}") for i in range(count)], tmp_path / "results"
        )
        names = [entry["name"] for entry in explorer.entries(tmp_path / "results")]
        assert ("kappa-fc40-fc40" in names) is there


def test_an_unknown_first_experiment_and_a_damaged_file_are_refused(few: None, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'small'"):
        Explorer("smal", folder)
    (tmp_path / "mnist-fc40-fc40.csv").write_text("damaged")
    with pytest.raises(InputError, match=r"mnist-fc40-fc40\.csv, line 1"):
        Explorer("mnist-fc40-fc40", tmp_path)


def test_the_page_is_whole_in_itself_and_small(figure: Explorer, page: str) -> None:
    assert "<!--" not in page and remote_in_html(page) == [] and "http" not in page
    assert len(page) < 150_000
    assert data_in(page)["first"] == "mnist-fc40-fc40"
    assert page == figure._repr_html_()
    assert page.count("</script>") == 2 and page.count("<script") == 2


def test_a_name_cannot_break_out_of_the_page(few: None, table: pd.DataFrame, tmp_path: Path) -> None:
    wicked = table.assign(network="</script><b>", curve=[f"<i>{curve}" for curve in table["curve"]])
    add_records([wicked], tmp_path / "results")
    page = Explorer("small", tmp_path / "results")._repr_html_()
    assert "</script><b>" not in page and page.count("</script>") == 2
    (entry,) = [entry for entry in data_in(page)["experiments"] if entry["name"] == "small"]
    assert entry["network"] == "</script><b>"
    assert '<th scope="col"><i>' not in page


def test_without_its_script_the_page_shows_a_table(page: str) -> None:
    assert '<div class="with-script" hidden>' in page and "<details open>" in page
    table = page.split("<table>")[1].split("</table>")[0]
    theirs = published.curves("mnist-fc40-fc40").set_index(["curve", "units_remaining"])["value"]
    assert f"({theirs['min', 23]:.3f})" in table.split('<th scope="row">23</th>')[1].split("</tr>")[0]
    assert re.search(r'<th scope="row">7</th><td>0\.\d{3} \(0\.\d{3}\)</td>', table)  # the whole small network, ours


def test_script_and_page_agree(page: str) -> None:
    code = script()
    markup = page.split("<script")[0]
    for name in set(re.findall(r'choice\("(\w+)"\)', code)):
        assert f'name="{name}"' in markup, name
    for selector in set(re.findall(r'find\("\.([\w-]+)"\)', code)) - {"cursor"}:
        assert re.search(rf'class="{selector}"', markup), selector
    for marker in {style.marker for style in (*curve_styles.METRICS.values(), *curve_styles.FRACTIONS.values(),
                                              *curve_styles.CONTROLS.values(), *curve_styles.SPARE)}:  # fmt: skip
        assert re.search(rf'(?:["\s]){re.escape(marker)}"?: ', code.split("SHAPES")[1]), marker
    for key in data_in(page)["experiments"][0]:
        assert re.search(rf"one\.{key}\b|entry\(\)\.{key}\b", code), key


def test_dashes_are_those_of_the_lines() -> None:
    assert explorer.dashes(curve_styles.SOLID) == ""
    assert explorer.dashes(curve_styles.DASHED) == "8.5 3.4"


def test_exact_halves_round_alike() -> None:
    assert explorer.whole(pd.Series([0.00005, 0.00005 - 1e-17, 0.5]), "test_accuracy") == [1, 1, 5000]
    assert explorer.whole(pd.Series([12.345, float("nan")]), "epochs") == [1235, None]
