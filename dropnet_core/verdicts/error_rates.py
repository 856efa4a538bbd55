"""How often the tests of claims err, measured on synthetic seeds whose truth is known."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from dropnet_core.basics.streams import stream
from dropnet_core.verdicts.claims import Call, parse
from dropnet_core.verdicts.decisions import FAILS, HOLDS, OPEN, OUTCOMES, SMALL
from dropnet_core.verdicts.evidence import SeedEvidence
from dropnet_core.verdicts.primitives import margin_of, uncorrected_test
from dropnet_core.verdicts.verdict import NOT_CONFIRMED, holm, verdict

SPREAD = 0.023  # of same-seed differences between two metrics in the authors' stored results
SEEDS_PER_TRIAL = 15
TRIALS = 200
SYNTHETIC_FRACTIONS = (1.0, 0.8, 0.65, 0.52, 0.42, 0.34, 0.28, 0.22, 0.18, 0.14, 0.11, 0.09)

TRUTHS = {
    "no effect": 0.0,
    "a quarter of the margin": 0.25,
    "half the margin": 0.5,
    "nine tenths of the margin": 0.9,
    "at the margin": 1.0,
    "three times the margin": 3.0,
}
"""The true difference, as a multiple of the margin: .02, and .05 for CLIFF."""

FAMILY_SIZE = 12  # tests of one claim
FAMILY_COUNT = 100
SINGLES = 2  # tests of each family that are judged as claims of their own, too
DYING = 0.07  # the probability that a seed's network is dead from .52 down
DEAD = 0.1

CALLS = {
    "PAIR": "PAIR(psweep-conv64x2-conv128x2; a, b; x=0.3)",
    "EQ": "EQ(psweep-conv64x2-conv128x2; a, b; x=0.3)",
    "DROP": "DROP(psweep-conv64x2-conv128x2; b; x=0.3)",
    "ORDER": "ORDER(psweep-conv64x2-conv128x2; a > c > b; 0.1, 0.5)",
    "CLIFF": "CLIFF(psweep-conv64x2-conv128x2; b; 0.5)",
}
"""On an experiment with the margin of CIFAR-10; a lies above b by the effect, c (in ORDER alone) half-way."""

REFUTED = {
    "PAIR": ("PAIR(psweep-conv64x2-conv128x2; b, a; x=0.3)", "b"),
    "EQ": (CALLS["EQ"], "b"),
    "DROP": (CALLS["DROP"], "b"),
    "ORDER": ("ORDER(psweep-conv64x2-conv128x2; b > c > a; 0.1, 0.5)", "b"),
    "CLIFF": ("CLIFF(psweep-conv64x2-conv128x2; a; 0.5)", "b"),
}
"""Calls that are wrong when a lies above b, and the curve that makes them still more wrong when its networks die."""

EFFECT_SHARES = {"a": 0.0, "b": 1.0, "c": 0.5}  # of the effect that a curve lacks


def synthetic(
    effect: float,
    seeds: int,
    draw: np.random.Generator,
    *,
    curves: str = "ab",
    spread: float = SPREAD,
    dying: str = "",
) -> dict[str, np.ndarray]:
    """Accuracies (seeds, cycles) of the curves a, b and c, or of some: from .52 down b is `effect` lower than a.

    In each of the curves in `dying` a seed's network is dead from .52 down with the probability `DYING`.

    Every seed has a level of its own that its curves share. The difference of two curves has the standard
    deviation `spread` over the seeds at each cycle; two thirds of its variance belong to the seed as a whole.
    """
    x = np.array(SYNTHETIC_FRACTIONS)
    level = 0.65 + 0.02 * draw.standard_normal((seeds, 1))
    values = {}
    for curve in curves:
        whole, each = draw.standard_normal((seeds, 1)), draw.standard_normal((seeds, len(x)))
        own = spread / np.sqrt(2) * (np.sqrt(2 / 3) * whole + np.sqrt(1 / 3) * each) * (x < 1)
        values[curve] = level - EFFECT_SHARES[curve] * effect * (x <= 0.52) + own
    for curve in dying:
        values[curve] = np.where((draw.random((seeds, 1)) < DYING) & (x <= 0.52), DEAD, values[curve])
    return values


def _evidence(call: Call, effect: float, seeds: int, draw: np.random.Generator, dying: str = "") -> SeedEvidence:
    """Synthetic records with the curves of a call."""
    curves = "abc" if call.kind == "ORDER" else "ab"
    made = synthetic(effect, seeds, draw, curves=curves, dying=dying)
    return SeedEvidence(call.experiment, {name: (np.array(SYNTHETIC_FRACTIONS), made[name]) for name in curves})


def _outcomes(call: Call, records: Sequence[SeedEvidence]) -> list[str]:
    """The outcomes of the tests of one claim: this call on each of these records."""
    tests = [uncorrected_test(call, evidence, among=len(records)) for evidence in records]
    corrected = iter(holm([gap.p_value for test in tests for gap in test.pairs]))
    return [test.decide([next(corrected) for _ in test.pairs]).outcome for test in tests]


def outcomes(
    call: Call, effect: float, seeds: int = SEEDS_PER_TRIAL, trials: int = TRIALS, dying: str = ""
) -> Iterator[str]:  # fmt: skip
    """The outcome of a test, the only one of its claim, on synthetic records, once for each trial; repeatable."""
    for trial in range(trials):
        draw = stream(trial, "error rates", f"{effect:.6f}", seeds)
        yield from _outcomes(call, [_evidence(call, effect, seeds, draw, dying)])


def error_rates(seeds: int = SEEDS_PER_TRIAL, trials: int = TRIALS) -> pd.DataFrame:
    """The share of trials in which each kind of test has each outcome, for each truth in `TRUTHS`; no seed dies.

    Columns: test, truth, effect, holds, fails, small, open.
    """
    rows = []
    for kind, text in CALLS.items():
        (call,) = parse(text)
        for truth, multiple in TRUTHS.items():
            effect = multiple * margin_of(call, None)
            found = list(outcomes(call, effect, seeds, trials))
            shares = {said: found.count(said) / len(found) for said in OUTCOMES}
            rows.append({"test": kind, "truth": truth, "effect": effect} | shares)
    return pd.DataFrame(rows)


def wrong_verdicts(seeds: int = SEEDS_PER_TRIAL, families: int = FAMILY_COUNT) -> pd.DataFrame:
    """The share of true claims that come out as "not confirmed": of one test, and of twelve.

    Columns: test, tests (of a claim), dying (the probability that a network is dead, the same in all curves), and one
    for each truth between no effect and the margin. The claims of one test are two from each family, each
    judged alone. A DROP whose networks die is not true, and neither is a CLIFF below its margin.
    """
    truths = {truth: multiple for truth, multiple in TRUTHS.items() if 0 < multiple < 1}
    rows = []
    for kind, dying in product(("PAIR", "EQ", "DROP", "ORDER"), (False, True)):
        if kind == "DROP" and dying:
            continue
        (call,) = parse(CALLS[kind])
        curves = ("abc" if kind == "ORDER" else "ab") if dying else ""
        alone, together = {}, {}
        for truth, multiple in truths.items():
            effect = multiple * margin_of(call, None)
            found: dict[int, list[str]] = {1: [], FAMILY_SIZE: []}
            for family in range(families):
                draw = stream(family, "families", f"{effect:.6f}", seeds)
                made = [_evidence(call, effect, seeds, draw, curves) for _ in range(FAMILY_SIZE)]
                found[FAMILY_SIZE].append(verdict(_outcomes(call, made)))
                found[1] += [verdict(_outcomes(call, [one])) for one in made[:SINGLES]]
            alone[truth], together[truth] = (said.count(NOT_CONFIRMED) / len(said) for said in found.values())
        for tests, shares in ((1, alone), (FAMILY_SIZE, together)):
            rows.append({"test": kind, "tests": tests, "dying": DYING if dying else 0.0} | shares)
    return pd.DataFrame(rows)


def with_deaths(seeds: int = SEEDS_PER_TRIAL, trials: int = TRIALS) -> pd.DataFrame:
    """What becomes of tests that fail when networks die as well, so that the claim is still more wrong.

    Columns: test, truth (how far off), effect, fails (share of the trials), fails_dying (the same trials, with deaths)
    and milder (share of the trials with a milder outcome than without deaths; 0 is right).
    """
    rows = []
    for kind, (text, dying) in REFUTED.items():
        (call,) = parse(text)
        for truth in ("at the margin", "three times the margin"):
            effect = TRUTHS[truth] * margin_of(call, None)
            living, dead = (list(outcomes(call, effect, seeds, trials, who)) for who in ("", dying))
            milder = [MILDEST_FIRST.index(b) < MILDEST_FIRST.index(a) for a, b in zip(living, dead, strict=True)]
            shares = {"fails": living.count(FAILS) / trials, "fails_dying": dead.count(FAILS) / trials}
            rows.append({"test": kind, "truth": truth, "effect": effect} | shares | {"milder": sum(milder) / trials})
    return pd.DataFrame(rows)


MILDEST_FIRST = (HOLDS, OPEN, SMALL, FAILS)
