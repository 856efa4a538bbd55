"""The tables of verdicts: they follow the files of a folder, whatever these are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_records import falling, records_of_means

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.records import RECORD_COLUMNS, numeric_columns
from dropnet_core.verdicts import printed
from dropnet_core.verdicts import scorecard as module
from dropnet_core.verdicts.claims import claims
from dropnet_core.verdicts.scorecard import SOURCES, TEST_COLUMNS, other_reading, scorecard
from dropnet_core.verdicts.verdict import judge_all

SIX = {"min_layer": 0.9, "min": 0.87, "random_layer": 0.84, "max_layer": 0.81, "random": 0.78}
FALLS = {"max": falling(0.9, 0.4, 0.6)}


def whole(records: pd.DataFrame) -> pd.DataFrame:
    """Made-up records with all columns that a file has."""
    table = records.copy()
    for column in RECORD_COLUMNS:
        if column not in table:
            table[column] = 1 if column in numeric_columns() else "-"
    return table[RECORD_COLUMNS].assign(metric=records["curve"].to_numpy())


@pytest.fixture(autouse=True)
def few_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """The claims on Fig. 3 and a few others: all of them would take seconds a time."""
    few = [claim for claim in claims() if claim.id in ("A1", "A2", "A7", "A9", "J1", "J8", "G2", "K1", "L1")]
    monkeypatch.setattr(module, "claims", lambda: few)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Fig. 3 with a clear order, and its probe, where max does not fall under the other selection."""
    whole(records_of_means(SIX | FALLS)).to_csv(tmp_path / "mnist-fc40-fc40.csv", index=False)
    probe = {f"{curve}@authors": values for curve, values in (SIX | FALLS).items()}
    probe |= {f"{curve}@exact": values for curve, values in (SIX | {"max": 0.9}).items()}
    records = records_of_means(probe, "probe-selection-fc40-fc40")
    whole(records).to_csv(tmp_path / "probe-selection-fc40-fc40.csv", index=False)
    return tmp_path


@pytest.fixture
def card(folder):
    return scorecard(folder)


def test_one_row_for_each_claim(card):
    table = card.table().set_index("id")
    assert table["verdict"].to_dict() == {
        "A1": "confirmed", "A2": "confirmed", "A7": "partly run", "A9": "not tested", "G2": "not yet run",
        "J1": "partly run", "J8": "not yet run", "K1": "partly run", "L1": "not yet run",
    }  # fmt: skip
    assert table.loc["A7", ["tests", "judged", "n"]].tolist() == [3, 1, 15]
    assert table.loc["L1", "paper"] == "not shown" and table.loc["K1", "paper"] == "partly shown"
    assert table.loc["G2", "paper"] == "confirmed"
    assert not {"not yet run", "partly run"} & set(table["paper"])
    assert table.loc["J8", "paper_reason"] == "G2: they show it"


def test_the_other_reading_is_judged_and_its_difference_flagged(card):
    assert other_reading("mnist-fc40-fc40") == ("probe-selection-fc40-fc40", "@exact")
    assert other_reading("cifar10-vgg19") == ("probe-score-vgg19", "@mean_of_abs")
    assert other_reading("mnist-fc20-fc40") is None and other_reading("probe-selection-fc40-fc40") is None
    assert other_reading("apoz-resnet18") is None  # its probe differs in the score and in the selection
    table = card.table().set_index("id")
    assert table.loc["A2", ["verdict", "other", "depends"]].tolist() == ["confirmed", "not confirmed", True]
    assert table.loc["A7", ["verdict", "other", "depends"]].tolist() == ["partly run", "partly run", False]
    assert table.loc["L1", ["other", "depends"]].tolist() == ["", False]


def test_one_row_for_each_test(card):
    for source in SOURCES:
        assert list(card.tests(source).columns) == list(TEST_COLUMNS)
    tests = card.tests().set_index("claim")
    cliff = tests.loc["A2"]
    assert cliff["outcome"] == "holds" and cliff["effect"] > 0.3 and cliff["margin"] == 0.05
    assert cliff["p_holm"] < 0.05 and cliff["collapsed"].startswith("max ")
    waiting = tests[tests["outcome"] == "not yet run"]
    assert set(waiting["n"]) == {0} and waiting["effect"].isna().all() and (waiting["reason"] != "").all()
    paper = card.tests("paper")
    assert "not shown" in set(paper["outcome"]) and "not yet run" not in set(paper["outcome"])
    with pytest.raises(InputError, match="did you mean 'records'"):
        card.tests("record")


def test_counts_and_sentences(card):
    counts = card.counts()
    assert counts["records"].to_dict() == {
        "confirmed": 2, "partly": 0, "no difference that matters": 0, "not confirmed": 0, "inconclusive": 0,
        "partly run": 3, "not yet run": 3, "not tested": 1,
    }  # fmt: skip
    assert counts["paper"].sum() == 9
    first, second = card.sentences()
    assert (
        "Of the 9 claims" in first and "2 to the test so far: 2 are confirmed; 3 have been run in part, 3 wait" in first
    )
    assert "confirmed" not in second and "bear on 6 claims in full: they show it for 2," in second
    assert second.endswith("without a significant loss of accuracy, they show a part.")


def test_a_deleted_file_turns_its_claims_to_not_yet_run(folder):
    (folder / "mnist-fc40-fc40.csv").unlink()
    table = scorecard(folder).table()
    assert set(table["verdict"]) == {"not yet run", "not tested"}
    (folder / "probe-selection-fc40-fc40.csv").unlink()
    nothing = scorecard(folder)
    assert set(nothing.table()["other"]) == {""}
    assert "put 0 to the test so far: none is decided" in nothing.sentences()[0]


@pytest.mark.parametrize("name", ["mnist-fc40-fc40", "probe-selection-fc40-fc40"])
def test_a_damaged_file_is_refused_with_its_name_and_line(folder, name):
    file = folder / f"{name}.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:6], lines[6].replace(",1,", ",one,", 1), *lines[7:]]))
    with pytest.raises(InputError, match=rf"{name}\.csv, line 7: 'one' is no number for p"):
        scorecard(folder)
    file.write_text("\n".join([*lines[:6], lines[5], *lines[6:]]))
    with pytest.raises(InputError, match=rf"{name}\.csv, line 7: this run and cycle stands there already"):
        scorecard(folder)


def test_few_seeds_leave_a_claim_inconclusive(tmp_path):
    records = records_of_means(SIX | FALLS, seeds=4)
    whole(records).to_csv(tmp_path / "mnist-fc40-fc40.csv", index=False)
    table = scorecard(tmp_path).table().set_index("id")
    assert table.loc["A2", "verdict"] == "inconclusive" and "fewer than 6 seeds" in str(table.loc["A2", "reason"])


def test_verdicts_of_the_paper_on_its_own_numbers():
    """What its stored seeds and printed curves say of some sentences, pinned: they are facts of the paper."""
    wanted = {
        "A8": "not confirmed", "C1": "confirmed", "C4": "partly", "D6": "not confirmed", "J1": "partly",
        "F3": "inconclusive", "D9": "not yet run", "A9": "not tested",
    }  # fmt: skip
    judged = judge_all([claim for claim in claims() if claim.id in wanted], printed.paper_evidence)
    assert {name: found.verdict for name, found in judged.items()} == wanted
    stored = judged["C4"].tests[0].decision
    assert stored is not None and stored.effect == pytest.approx(0.063, abs=0.001) and stored.n == 15
    assert not np.isnan(stored.p)
