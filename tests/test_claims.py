"""The claims as data: what the table says, and how calls are read."""

import pytest

from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.experiment import experiment
from dropnet_core.verdicts.claims import FORMS, claim, claims, parse
from dropnet_core.verdicts.primitives import margin_of


def curves_of(name: str) -> set[str]:
    entry = experiment(name)
    return {entry.curve(run) for run in entry.runs()}


def test_every_call_names_an_experiment_of_the_table_and_curves_that_it_has() -> None:
    assert len(claims()) == 84 and len({entry.id for entry in claims()}) == 84
    for entry in claims():
        for call in entry.calls:
            if call.experiment:
                assert set(call.flat) <= curves_of(call.experiment), call.text
            assert call.text.startswith(call.kind + "(")
        for name in entry.experiments:
            experiment(name)
        if entry.kind == "SUMMARY":
            assert all(claim(name).kind != "SUMMARY" for call in entry.calls for name in call.names)
        if entry.kind == "LATER":
            assert entry.note, entry.id  # the reason


def test_the_kinds_of_tests() -> None:
    kinds = [call.kind for entry in claims() for call in entry.calls]
    assert {kind: kinds.count(kind) for kind in FORMS} == {
        "PAIR": 87, "EQ": 53, "DROP": 22, "ORDER": 36, "CLIFF": 17, "SHARE": 4, "SUMMARY": 4, "LATER": 8,
    }  # fmt: skip


def test_margins_follow_the_data_unless_the_claim_has_its_own() -> None:
    def of(name: str) -> set[float]:
        return {margin_of(call, claim(name).margin) for call in claim(name).calls}

    assert of("A7") == {0.01} and of("C2") == of("H5") == {0.02}
    assert of("E2") == {0.01, 0.05}  # its CLIFF
    assert of("D4") == {0.5} and of("D9") == {0.05}
    assert of("J1") == {0.01, 0.02}


def test_calls_are_read() -> None:
    pair, order = parse("PAIR(a; min/p=0.2, min_reinit; x=0.1); ORDER(b; {x, y} > z@exact; 0.05, 0.5)")
    assert (pair.kind, pair.experiment, pair.curves) == ("PAIR", "a", (("min/p=0.2",), ("min_reinit",)))
    assert pair.window == 0.1 and order.window == (0.05, 0.5)
    assert order.curves == (("x", "y"), ("z@exact",)) and order.flat == ("x", "y", "z@exact")
    (share,) = parse("SHARE(a; min; layers=7, 12; x=0.08625)")
    assert (share.layers, share.window) == ((7, 12), 0.08625)
    (cliff,) = parse("CLIFF(a; max; 0.5)")
    assert cliff.window == 0.5
    (summary,) = parse("SUMMARY(F1 F2)")
    assert summary.names == ("F1", "F2") and not summary.experiment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PAIRS(a; b, c; x=0.1)", "unknown test 'PAIRS'; did you mean 'PAIR'"),
        ("min > max", "is no test"),
        ("PAIR(a; b; x=0.1)", "does not read as PAIR"),
        ("PAIR(a; b, c; 0.5, 0.1)", "does not read as PAIR"),
        ("PAIR(a; b, c; x=1.5)", "does not read as PAIR"),
        ("PAIR(a; b, c; x=many)", "does not read as PAIR"),
        ("PAIR(a; b, ; x=0.1)", "does not read as PAIR"),
        ("DROP(a; b; 0.1, 0.5)", "does not read as DROP"),
        ("EQ(a; b, c)", "does not read as EQ"),
        ("PAIR(a; b, b; x=0.1)", "does not read as PAIR"),
        ("ORDER(a; b > c; x=0.1)", "does not read as ORDER"),
        ("ORDER(a; {b > c; 0.1, 0.5)", "does not read as ORDER"),
        ("CLIFF(a; b; 0.1, 0.5)", "does not read as CLIFF"),
        ("SHARE(a; b; layers=x; x=0.1)", "does not read as SHARE"),
        ("SUMMARY()", "does not read as SUMMARY"),
    ],
)
def test_what_is_no_call_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(text)


def test_an_unknown_claim() -> None:
    with pytest.raises(InputError, match="unknown claim 'A77'; did you mean 'A7'"):
        claim("A77")
