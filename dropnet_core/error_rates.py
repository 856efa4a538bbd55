"""How often the tests of claims err, measured on synthetic seeds whose truth is known."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from dropnet_core.claims import Call, parse
from dropnet_core.evidence import Seeds
from dropnet_core.primitives import FAILS, HOLDS, OPEN, margin, measure
from dropnet_core.streams import stream

SPREAD = 0.023  # of same-seed differences between two metrics in the authors' stored results
SEEDS = 15
TRIALS = 200
FRACTIONS = (1.0, 0.8, 0.65, 0.52, 0.42, 0.34, 0.28, 0.22, 0.18, 0.14, 0.11, 0.09)

TRUTHS = {"no effect": 0.0, "half the margin": 0.5, "at the margin": 1.0, "three times the margin": 3.0}
"""The true difference, as a multiple of the margin: .02, and .05 for CLIFF."""

CALLS = {
    "PAIR": "PAIR(psweep-conv64x2-conv128x2; a, b; x=0.3)",
    "EQ": "EQ(psweep-conv64x2-conv128x2; a, b; x=0.3)",
    "DROP": "DROP(psweep-conv64x2-conv128x2; b; x=0.3)",
    "ORDER": "ORDER(psweep-conv64x2-conv128x2; a > c > b; 0.1, 0.5)",
    "CLIFF": "CLIFF(psweep-conv64x2-conv128x2; b; 0.5)",
}
"""On an experiment with the margin of CIFAR-10; a lies above b by the effect, c (in ORDER alone) half-way."""

PARTS = {"a": 0.0, "b": 1.0, "c": 0.5}  # of the effect that a curve lacks


def synthetic(
    effect: float, seeds: int, draw: np.random.Generator, curves: str = "ab", spread: float = SPREAD
) -> dict[str, np.ndarray]:
    """Accuracies (seeds, cycles) of the curves a, b and c, or of some: from .52 down b is `effect` lower than a.

    Every seed has a level of its own that its curves share. The difference of two curves has the standard
    deviation `spread` over the seeds at each cycle; two thirds of its variance belong to the seed as a whole.
    """
    x = np.array(FRACTIONS)
    level = 0.65 + 0.02 * draw.standard_normal((seeds, 1))
    values = {}
    for curve in curves:
        whole, each = draw.standard_normal((seeds, 1)), draw.standard_normal((seeds, len(x)))
        own = spread / np.sqrt(2) * (np.sqrt(2 / 3) * whole + np.sqrt(1 / 3) * each) * (x < 1)
        values[curve] = level - PARTS[curve] * effect * (x <= 0.52) + own
    return values


def outcomes(call: Call, effect: float, seeds: int = SEEDS, trials: int = TRIALS) -> Iterator[str]:
    """The outcome of a test on synthetic records, once for each trial; from a named stream."""
    curves = "abc" if call.kind == "ORDER" else "ab"
    for trial in range(trials):
        draw = stream(trial, "error rates", f"{effect:.6f}", seeds)
        made = synthetic(effect, seeds, draw, curves)
        evidence = Seeds(call.experiment, {name: (np.array(FRACTIONS), values) for name, values in made.items()})
        measured = measure(call, evidence)
        yield measured.decide([gap.p_value for gap in measured.pairs]).outcome


def error_rates(seeds: int = SEEDS, trials: int = TRIALS) -> pd.DataFrame:
    """The share of trials in which each kind of test holds, fails or is left open, for each truth in `TRUTHS`.

    Columns: test, truth, effect, holds, fails, open. p values are not corrected: correction makes "holds" rarer.
    """
    rows = []
    for kind, text in CALLS.items():
        (call,) = parse(text)
        for truth, multiple in TRUTHS.items():
            effect = multiple * margin(call, None)
            found = list(outcomes(call, effect, seeds, trials))
            shares = {said: found.count(said) / len(found) for said in (HOLDS, FAILS, OPEN)}
            rows.append({"test": kind, "truth": truth, "effect": effect} | shares)
    return pd.DataFrame(rows)
