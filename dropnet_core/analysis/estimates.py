"""A mean with its uncertainty, and what can be said with it: intervals, p values, the seeds that would be needed."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.special import stdtr, stdtrit  # Student's t: distribution and quantile, given the degrees of freedom

from dropnet_core.analysis.stats import LEVEL, mean, sign_flip_p_value, standard_error

SEEDS_FOR_P_VALUE = 6  # seeds; with fewer the smallest p value that sign flips can give is .0625
POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A sum of terms with its uncertainty, from the seeds' own values where they are known.

    key             names it: the same key is the same comparison
    mean, standard_error  NaN error for one seed
    freedom         degrees of freedom of Student's t
    n               seeds
    values          (n,), or None where only means and bars were printed
    collapsed       for each curve the share of dead networks in it, weighted as their accuracies are in the mean; only
                    curves of which it is known
    """

    key: Hashable
    mean: float
    standard_error: float
    freedom: float
    n: int
    values: np.ndarray | None = field(default=None, compare=False)
    collapsed: Mapping[str, float] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, values: np.ndarray, key: Hashable = None) -> "Estimate":
        """From one value for each seed; those that are NaN are left out."""
        known = values[~np.isnan(values)]
        if not len(known):
            return cls(key, np.nan, np.nan, 0, 0, known)
        return cls(key, float(mean(known)), float(standard_error(known)), len(known) - 1, len(known), known)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Student's two-sided interval of the mean; NaN below two seeds."""
        half = self.standard_error * float(stdtrit(max(self.freedom, 1), (1 + level) / 2))
        return self.mean - half, self.mean + half

    @cached_property
    def p_value(self) -> float:
        """Two-sided, of no difference: exact sign flips of the seeds' values, or Student's t of printed bars.

        NaN with fewer than `SEEDS_FOR_P_VALUE` seeds: their interval has to do.
        """
        if self.n < SEEDS_FOR_P_VALUE:
            return np.nan
        if self.values is not None:
            return sign_flip_p_value(self.values)
        return min(1.0, 2 * self.p_above(0) if self.mean > 0 else 2 * self.p_below(0))

    def p_above(self, bound: float) -> float:
        """One-sided p value that the mean is not above a bound (Student's t)."""
        return _tail(self.mean - bound, self.standard_error, self.freedom)

    def p_below(self, bound: float) -> float:
        """One-sided p value that the mean is not below a bound (Student's t)."""
        return _tail(bound - self.mean, self.standard_error, self.freedom)

    def capped_p_above(self, bound: float) -> float:
        """The same, but so that it never rises when a value rises.

        From `SEEDS_FOR_P_VALUE` seeds on, values count up to a cap.

        A value far above the others, such as the loss of a dead network, raises the mean, but the spread even more,
        and so would hide what all others say. The cap is the one at which p is smallest: it lowers the mean, so what
        is above the bound with it is above the bound without it.
        """
        if self.values is None or self.n < SEEDS_FOR_P_VALUE:
            return self.p_above(bound)
        return max(_capped_tail(self.values - bound), 0.5**self.n)  # all on one side by chance

    def capped_p_below(self, bound: float) -> float:
        """The mirror image of `capped_p_above`: low values count down to a floor, and it never rises when one falls."""
        values = None if self.values is None else -self.values
        return replace(self, mean=-self.mean, values=values).capped_p_above(-bound)

    def seeds_for(self, distance: float, sides: int = 2) -> float:
        """The seeds with which a true difference of this size would be seen with 80 % power, given this spread.

        `sides` of the test at the level .05. NaN where the spread is not known, infinite for no distance.
        """
        deviation = self.standard_error * np.sqrt(self.n)
        if np.isnan(deviation):
            return np.nan
        if not distance > 0:
            return np.inf
        n = 2.0
        for _ in range(30):  # Student's quantiles depend on n themselves; this settles within a few steps
            quantiles = stdtrit(n - 1, 1 - (1 - LEVEL) / sides) + stdtrit(n - 1, POWER)
            n = (n + max(2.0, (quantiles * deviation / distance) ** 2)) / 2
        return float(np.ceil(n))


def _tail(distance: float, standard_error: float, freedom: float) -> float:
    """The one-sided p value of a mean this far above a bound."""
    if standard_error == 0:
        return 0.0 if distance > 0 else 1.0
    return float(stdtr(max(freedom, 1), -distance / standard_error))


def _capped_tail(values: np.ndarray) -> float:
    """The smallest one-sided p value that the mean of values (n,) is not above 0, over all caps on them.

    Of all caps between two neighbouring values t is largest at the sum of the squares of those below over their sum,
    or at the end next to it; so one cap for each value is enough.
    """
    rising = np.sort(values)
    sums, squares = np.cumsum(rising), np.cumsum(rising**2)
    best = np.divide(squares, sums, out=np.full(len(rising), np.inf), where=sums > 0)
    caps = np.clip(best, rising, np.append(rising[1:], rising[-1]))
    capped = np.minimum(rising, caps[:, np.newaxis]).T  # (n, caps)
    means, errors = mean(capped), standard_error(capped)
    t = np.divide(means, errors, out=np.where(means > 0, np.inf, -np.inf), where=errors > 0)
    return float(stdtr(len(values) - 1, -t.max()))
