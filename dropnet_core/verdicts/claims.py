"""What the paper and the report claim, as data: each claim a sentence and the tests that decide it."""

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dropnet_core.basics.errors import InputError, unknown

CLAIMS_FILE = Path(__file__).with_name("claims.csv")

Window = float | tuple[float, float]
"""Where curves are compared: at one fraction remaining, or on average between two."""

FORMS = {
    "PAIR": "PAIR(experiment; better, worse; x=0.3) or PAIR(experiment; better, worse; 0.1, 0.5)",
    "EQ": "EQ(experiment; one, other; x=0.3) or EQ(experiment; one, other; 0.1, 0.5)",
    "DROP": "DROP(experiment; curve; x=0.1)",
    "ORDER": "ORDER(experiment; best > {tied, tied} > worst; 0.1, 0.5)",
    "CLIFF": "CLIFF(experiment; curve; 0.3)",
    "SHARE": "SHARE(experiment; curve; layers=7, 12; x=0.1)",
    "SUMMARY": "SUMMARY(F1 F2)",
    "LATER": "LATER(experiment experiment)",
}
"""How each kind of test is written."""

NUMBER = re.compile(r"\d*\.?\d+")


@dataclass(frozen=True)
class Call:
    """One test of a claim.

    text        as it stands in the table
    kind        a name in FORMS
    experiment  whose curves it compares; "" for SUMMARY and LATER
    curves      groups of curves, best first; a group of several is a tie
    window      where; for CLIFF the fraction at which it begins
    layers      for SHARE: places among the pruned layers, the first is 0
    names       for SUMMARY the other claims, for LATER the experiments
    """

    text: str
    kind: str
    experiment: str = ""
    curves: tuple[tuple[str, ...], ...] = ()
    window: Window = 1.0
    layers: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def flat(self) -> tuple[str, ...]:
        """All curves, in the order in which they are written."""
        return tuple(curve for group in self.curves for curve in group)


@dataclass(frozen=True)
class Claim:
    """A claim of the table.

    id, source  its name, and where it is made; a claim of this project's own has the source "ours"
    statement   in this project's words
    calls       its tests
    margin      the difference that matters; None: by the data set, see `primitives.margin_of`
    note        what the tests leave out, or why there is none
    """

    id: str
    source: str
    statement: str
    calls: tuple[Call, ...]
    margin: float | None
    note: str

    @property
    def experiments(self) -> tuple[str, ...]:
        """The experiments it speaks of, each once."""
        named = (name for call in self.calls for name in ([call.experiment] if call.experiment else call.names))
        return tuple(dict.fromkeys(named)) if self.kind != "SUMMARY" else ()

    @property
    def kind(self) -> str:
        """ "SUMMARY" or "LATER" for a claim without tests of its own, else "tested"."""
        only = {call.kind for call in self.calls}
        return next((kind for kind in ("SUMMARY", "LATER") if only == {kind}), "tested")


@cache
def claims() -> tuple[Claim, ...]:
    """All claims, in the order of the table. Raises InputError, naming claim and part, for a call that is none."""
    with CLAIMS_FILE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        Claim(
            row["id"],
            row["source"],
            row["statement"],
            parse(row["tests"]),
            float(row["margin"]) if row["margin"] else None,
            row["note"],
        )
        for row in rows
    )


def claim(name: str) -> Claim:
    """The claim with this id. Raises InputError for an unknown one."""
    known = {entry.id: entry for entry in claims()}
    if name not in known:
        raise unknown("claim", name, known)
    return known[name]


def parse(text: str) -> tuple[Call, ...]:
    """Calls from text, separated by semicolons outside parentheses. Raises InputError for what is no call."""
    parts = [part.strip() for part in re.split(r";(?![^(]*\))", text)]
    return tuple(_call(part) for part in parts if part)


def _call(text: str) -> Call:
    match = re.fullmatch(r"(\w+)\((.*)\)", text)
    if not match:
        raise InputError(f"'{text}' is no test; write one like {FORMS['PAIR']}")
    kind, inside = match[1], [part.strip() for part in match[2].split(";")]
    if kind not in FORMS:
        raise unknown("test", kind, FORMS)
    try:
        return _read(text, kind, inside)
    except (ValueError, IndexError):
        raise InputError(f"'{text}' does not read as {FORMS[kind]}") from None


def _read(text: str, kind: str, inside: list[str]) -> Call:
    """A call from its parts; ValueError or IndexError where they do not fit."""
    if kind in ("SUMMARY", "LATER"):
        (names,) = inside
        if not names:
            raise ValueError
        return Call(text, kind, names=tuple(names.split()))
    experiment, curves, *rest = inside
    layers: tuple[int, ...] = ()
    if kind == "SHARE":
        layers = tuple(int(place) for place in rest.pop(0).removeprefix("layers=").split(","))
    (where,) = rest
    if kind == "ORDER":
        groups = tuple(_group(part) for part in curves.split(">"))
    else:
        groups = tuple((curve.strip(),) for curve in curves.split(","))
    window = _window(where, at_one_point=kind in ("DROP", "SHARE"))
    alone = kind in ("DROP", "CLIFF", "SHARE")
    fits = len(groups) == 1 if alone else len(groups) == 2 if kind in ("PAIR", "EQ") else len(groups) >= 2
    flat = [curve for group in groups for curve in group]
    if not fits or not experiment or len(set(flat)) < len(flat) or not all(flat):
        raise ValueError
    if (kind == "ORDER") != isinstance(window, tuple) and kind in ("ORDER", "CLIFF"):
        raise ValueError
    return Call(text, kind, experiment, groups, window, layers)


def _group(text: str) -> tuple[str, ...]:
    text = text.strip()
    if text.startswith("{") != text.endswith("}"):
        raise ValueError
    inside = text.removeprefix("{").removesuffix("}")
    return tuple(curve.strip() for curve in inside.split(","))


def _window(text: str, at_one_point: bool) -> Window:
    """From "x=0.3", "0.3" (CLIFF) or "0.1, 0.5"."""
    numbers = [part.strip() for part in text.removeprefix("x=").split(",")]
    if len(numbers) > 2 or not all(NUMBER.fullmatch(number) for number in numbers):
        raise ValueError
    values = [float(number) for number in numbers]
    if not all(0 < value <= 1 for value in values) or (len(values) == 2 and values[0] >= values[1]):
        raise ValueError
    if at_one_point and len(values) == 2:
        raise ValueError
    return values[0] if len(values) == 1 else (values[0], values[1])
