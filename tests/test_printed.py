"""The paper's own curves as evidence: errors from bars, curves unpaired, cycles of one curve fully correlated."""

import numpy as np
import pytest

from dropnet_core.analysis import published
from dropnet_core.verdicts.claims import parse
from dropnet_core.verdicts.evidence import BASE, MissingEvidence, SeedEvidence, Term
from dropnet_core.verdicts.primitives import uncorrected_test
from dropnet_core.verdicts.printed import PrintedEvidence, paper_evidence

NAME = "mnist-fc40-fc40"


def errors(curve: str) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors of a published curve."""
    table = published.curves(NAME)
    rows = table[table["curve"] == curve]
    return rows["value"].to_numpy(), published.standard_errors(rows).to_numpy()


def test_two_curves_are_unpaired() -> None:
    (value, error), (other, other_error) = errors("min"), errors("max")
    found = PrintedEvidence(NAME).estimate([Term(1.0, "min", 0.2), Term(-1.0, "max", 0.2)])
    assert found.mean == pytest.approx(value[8] - other[8])
    assert found.standard_error == pytest.approx(np.hypot(error[8], other_error[8]))
    assert found.n == 15 and 14 <= found.freedom <= 28 and found.values is None


def test_errors_follow_from_the_drawn_bars() -> None:
    table = published.curves(NAME)
    row = table[(table["curve"] == "min") & (table["cycle"] == 8)].iloc[0]
    deviation = (row["upper"] - row["lower"]) / 2 / 1.96 * np.sqrt(15) * np.sqrt(15 / 14)  # Bessel's correction
    assert errors("min")[1][8] == pytest.approx(deviation / np.sqrt(15))


def test_cycles_of_one_curve_are_fully_correlated() -> None:
    """The error of a mean of two cycles is the mean of the errors, and that of their difference the difference."""
    value, error = errors("min")
    both = PrintedEvidence(NAME).estimate([Term(0.5, "min", 0.2), Term(0.5, "min", 0.1)])
    assert both.mean == pytest.approx((value[8] + value[12]) / 2)
    assert both.standard_error == pytest.approx((error[8] + error[12]) / 2)
    loss = PrintedEvidence(NAME).estimate([Term(1.0, "min", 0.2), Term(-1.0, "min", 0.1)])
    assert loss.standard_error == pytest.approx(abs(error[8] - error[12]))
    window = PrintedEvidence(NAME).estimate([Term(1.0, "min", (0.1, 0.2))])
    assert error[8:13].min() < window.standard_error < error[8:13].max()


def test_the_base_is_the_mean_of_the_curves_first_points() -> None:
    table = published.curves(NAME)
    first = table[table["cycle"] == 0]
    found = PrintedEvidence(NAME).estimate([Term(1.0, BASE, 1.0)])
    assert found.mean == pytest.approx(first["value"].mean())
    assert found.standard_error == pytest.approx(np.sqrt((published.standard_errors(first) ** 2).sum()) / len(first))


def test_the_authors_stored_seeds_are_paired_and_printed_curves_are_not() -> None:
    stored, drawn = paper_evidence("cifar10-conv64x2-conv128x2"), paper_evidence(NAME)
    assert isinstance(stored, SeedEvidence) and isinstance(drawn, PrintedEvidence)
    terms = [Term(1.0, "min_layer", 0.3), Term(-1.0, "min", 0.3)]
    paired, unpaired = stored.estimate(terms), PrintedEvidence("cifar10-conv64x2-conv128x2").estimate(terms)
    assert paired.values is not None and paired.mean == pytest.approx(unpaired.mean, abs=0.004)


def test_what_the_paper_does_not_show_is_missing() -> None:
    with pytest.raises(MissingEvidence, match="shows no curves"):
        paper_evidence("probe-score-vgg19")
    with pytest.raises(MissingEvidence, match="no curve apoz"):
        PrintedEvidence(NAME).estimate([Term(1.0, "apoz", 0.3)])
    with pytest.raises(MissingEvidence, match="which layers are empty"):
        PrintedEvidence(NAME).empty_share("min", (0,), 0.1)
    (call,) = parse("PAIR(mnist-fc40-fc40; min, max; x=0.01)")
    with pytest.raises(MissingEvidence, match="no seed"):
        uncorrected_test(call, PrintedEvidence(NAME))
    assert PrintedEvidence(NAME).estimate([Term(1.0, "max", 0.1)]).collapsed == {}
    with pytest.raises(MissingEvidence):
        paper_evidence("cifar10-conv64x2-conv128x2").empty_share("min", (0,), 0.1)
    assert paper_evidence("cifar10-conv64x2-conv128x2").estimate([Term(1.0, "max", 0.1)]).collapsed == {}
