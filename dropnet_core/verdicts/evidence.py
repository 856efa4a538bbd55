"""What a test of a claim looks at: the curves of an experiment, and sums of them estimated from its seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import numpy as np
import pandas as pd

from dropnet_core.analysis.estimates import Estimate
from dropnet_core.analysis.stats import interpolation
from dropnet_core.basics.errors import InputError
from dropnet_core.experiments.counting import last_full_fraction, table_fractions
from dropnet_core.verdicts.claims import Window

POINTS = 200  # of an average over a window, equally spaced in ln(fraction)
BASE = ""  # in place of a curve: the whole network, mean over the curves


class MissingEvidence(Exception):
    """There is nothing to judge by: no records, no curve of this name, nothing printed. The message says which."""


@dataclass(frozen=True)
class Term:
    """A weight times the accuracy of a curve, at one fraction or on average over a window."""

    weight: float
    curve: str
    window: Window


class Evidence(Protocol):
    """The curves of one experiment, of whatever origin."""

    experiment: str

    def curves(self) -> tuple[str, ...]:
        """Their names, without the reading of the code."""

    def fractions(self, curve: str) -> np.ndarray:
        """(cycles,), falling. Raises MissingEvidence for a curve that is not there."""

    def estimate(self, terms: Sequence[Term]) -> Estimate:
        """The sum of these terms. Raises MissingEvidence for a curve that is not there."""

    def empty_share(self, curve: str, layers: tuple[int, ...], x: float) -> tuple[int, int]:
        """In how many seeds one of these layers is empty at x, and of how many. Raises MissingEvidence if not known."""


def cycle_weights(fractions: np.ndarray, window: Window) -> np.ndarray:
    """The weights (cycles,) of a curve's cycles in its value at a fraction, or in its mean over a window.

    The mean is over 200 points equally spaced in ln(fraction). NaN if the curve does not reach all of it.
    """
    return _weights(tuple(fractions.tolist()), window)


@cache
def _weights(fractions: tuple[float, ...], window: Window) -> np.ndarray:
    """Many curves share their fractions, and many tests their window."""
    points = np.geomspace(*window, POINTS) if isinstance(window, tuple) else np.array([window])
    return interpolation(fractions, points).mean(axis=0)


class SeedEvidence:
    """Evidence with one value for each seed, compared within the seed.

    curves  name -> fractions (cycles,), falling, and accuracies (seeds, cycles), NaN where a seed has none; the
            seeds come in the same order in all curves
    dead    name -> (seeds, cycles), 1 for a network that is no better than guessing, else 0; as far as it is known
    rows    name -> the curve's records, as far as there are any: for what is empty
    """

    def __init__(
        self,
        experiment: str,
        curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
        dead: Mapping[str, np.ndarray] | None = None,
        rows: Mapping[str, pd.DataFrame] | None = None,
    ) -> None:
        self.experiment = experiment
        self._curves = dict(curves)
        self._dead = dict(dead or {})
        self._rows = dict(rows or {})

    @classmethod
    def of(cls, records: pd.DataFrame, reading: str = "") -> "SeedEvidence":
        """From the rows of one experiment. `reading`, "@exact", picks the curves whose names end in it.

        A run that diverged has no smaller networks. Its last one stands in for them, down to where the run would have
        stopped: left out, the seed would make the curve look better than if it had lived.

        Raises InputError if the seeds of a curve pass through different fractions.
        """
        name = str(records["experiment"].iloc[0])
        living = records[records["fraction_remaining"] > 0]  # without any unit there is no place on the axis
        seeds = sorted(living["seed"].unique())
        curves, dead, by_curve = {}, {}, {}
        for curve, rows in living.groupby("curve", sort=False):
            if not str(curve).endswith(reading):
                continue
            short = str(curve).removesuffix(reading)
            fractions = rows.groupby("cycle")["fraction_remaining"].agg(["min", "max"])
            if (fractions["max"] - fractions["min"] > 1e-6).any():
                raise InputError(
                    f"the seeds of '{curve}' in {name} pass through different fractions remaining, so no claim can be "
                    "tested on them; remove the seeds that were run with other settings"
                )
            x = fractions["max"].to_numpy()
            values = rows.pivot(index="seed", columns="cycle", values="test_accuracy").reindex(seeds)
            if "status" in rows:
                status = rows.pivot(index="seed", columns="cycle", values="status").reindex(seeds)
                ended = (status == "diverged").any(axis=1)
                if ended.any():  # perhaps no seed has the smaller networks
                    x = np.append(
                        x, [ahead for ahead in table_fractions(name, str(curve)) if ahead < x[-1] * (1 - 1e-6)]
                    )
                    new = [int(fractions.index[-1]) + 1 + i for i in range(len(x) - len(fractions))]
                    values, status = (table.reindex(columns=[*table, *new]) for table in (values, status))
                values, status = (table.where(~ended, table.ffill(axis=1), axis=0) for table in (values, status))
                dead[short] = (status != "ok").to_numpy(dtype=float)
            curves[short] = x, values.to_numpy(dtype=float)
            by_curve[short] = rows
        return cls(name, curves, dead, by_curve)

    def curves(self) -> tuple[str, ...]:
        """Their names, in the order of the records."""
        return tuple(self._curves)

    def fractions(self, curve: str) -> np.ndarray:
        """The fractions remaining of its cycles (cycles,), falling. Raises MissingEvidence for an unknown curve."""
        if curve not in self._curves:
            raise MissingEvidence(f"no records of {curve}")
        return self._curves[curve][0]

    def _values(self, term: Term) -> np.ndarray:
        """The value of a term for each seed; NaN for a seed whose curve does not reach it."""
        if term.curve == BASE:
            starts = np.array([self._values(Term(1.0, curve, 1.0)) for curve in self._curves])
            there = ~np.isnan(starts)
            count = there.sum(axis=0)
            return np.where(count, np.where(there, starts, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
        share = cycle_weights(self.fractions(term.curve), term.window)
        used = share != 0
        return self._curves[term.curve][1][:, used] @ share[used]

    def estimate(self, terms: Sequence[Term]) -> Estimate:
        """The sum of these terms, from the seeds that have all of them. Raises MissingEvidence for an unknown curve."""
        values = np.sum([term.weight * self._values(term) for term in terms], axis=0)
        found = Estimate.of(values, (self.experiment, frozenset(terms)))
        return replace(found, collapsed=self._collapsed(terms, ~np.isnan(values)) if found.n else {})

    def _collapsed(self, terms: Sequence[Term], seeds: np.ndarray) -> dict[str, float]:
        """For each curve the share of dead networks, of these seeds (boolean) and weighted as in `_values`."""
        known = [term for term in terms if term.curve in self._dead]
        shares = {term.curve: cycle_weights(self.fractions(term.curve), term.window) for term in known}
        return {curve: float((self._dead[curve][seeds] @ share).mean()) for curve, share in shares.items()}

    def empty_share(self, curve: str, layers: tuple[int, ...], x: float) -> tuple[int, int]:
        """In how many seeds one of these layers is empty at fraction x, and how many seeds reach it.

        Raises MissingEvidence where that is not stored, and InputError for a layer that there is not.
        """
        self.fractions(curve)
        rows = self._rows.get(curve)
        if rows is None or "units_per_layer" not in rows:
            raise MissingEvidence("how many units each layer has left is not stored")
        reached = rows[rows["fraction_remaining"] <= x * (1 + 1e-6)]
        seeds = reached["seed"].unique()
        above = rows[rows["seed"].isin(seeds) & (rows["fraction_remaining"] >= x * (1 - 1e-6))]
        last = above.sort_values("cycle").groupby("seed")["units_per_layer"].last().str.split("+")
        if last.empty:
            raise MissingEvidence(f"no seed of {curve} reaches {x:g}")
        most = max(map(len, last)) - 1
        if max(layers) > most:
            raise InputError(f"there is no pruned layer {max(layers)} in {self.experiment}; its last is {most}")
        return sum(any(int(units[place]) == 0 for place in layers) for units in last), len(last)


def common_window(evidence: Evidence, window: Window, curves: Iterable[str]) -> Window:
    """The window on which these curves may be compared: not below the end of `last_full_fraction` of any of them.

    Raises MissingEvidence if nothing of it is left.
    """
    if not isinstance(window, tuple):
        return window
    low = max(window[0], *(last_full_fraction(evidence.experiment, curve) for curve in curves))
    if low >= window[1]:
        raise MissingEvidence(f"a layer is empty by counting alone everywhere below {low:.3g}")
    return low, window[1]
