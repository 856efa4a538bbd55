"""The paper's own curves as evidence, so that its claims can be judged by what it printed."""

from collections.abc import Sequence

import numpy as np

from dropnet_core.analysis import published
from dropnet_core.analysis.estimates import Estimate
from dropnet_core.verdicts.evidence import BASE, Evidence, MissingEvidence, SeedEvidence, Term, cycle_weights


class PrintedEvidence:
    """Evidence from means and bars: one number for each cycle, curves compared as if they were unpaired.

    The bars give standard errors. How the cycles of one curve vary together is not printed; they are taken as
    fully correlated, which makes the error of an average the average of the errors.
    """

    def __init__(self, experiment: str) -> None:
        self.experiment = experiment
        self._curves = {
            str(curve): (
                rows["fraction_remaining"].to_numpy(),
                rows["value"].to_numpy(),
                published.standard_errors(rows).to_numpy(),
            )
            for curve, rows in published.curves(experiment).groupby("curve", sort=False)
        }
        if not self._curves:
            raise MissingEvidence("the paper shows no curves")

    def curves(self) -> tuple[str, ...]:
        """Their names, in the order of the file."""
        return tuple(self._curves)

    def fractions(self, curve: str) -> np.ndarray:
        """The fractions remaining of its cycles (cycles,), falling. Raises MissingEvidence for an unknown curve."""
        if curve not in self._curves:
            raise MissingEvidence(f"the paper shows no curve {curve}")
        return self._curves[curve][0]

    def estimate(self, terms: Sequence[Term]) -> Estimate:
        """The sum of these terms, with the error of its printed bars. Raises MissingEvidence for an unknown curve."""
        shares: dict[str, np.ndarray] = {}  # of each cycle of each curve in the sum
        for term in self._without_base(terms):
            part = term.weight * cycle_weights(self.fractions(term.curve), term.window)
            shares[term.curve] = shares.get(term.curve, np.zeros(len(part))) + part
        key, n = (self.experiment, frozenset(terms)), published.PUBLISHED_SEEDS
        if any(np.isnan(part).any() for part in shares.values()):
            return Estimate.of(np.empty(0), key)
        total = sum(float(part @ self._curves[curve][1]) for curve, part in shares.items())
        errors = np.array([part @ self._curves[curve][2] for curve, part in shares.items()])
        return Estimate(key, total, float(np.sqrt((errors**2).sum())), _welch(errors, n), n)

    def _without_base(self, terms: Sequence[Term]) -> list[Term]:
        curves = self.curves()
        whole = [Term(t.weight / len(curves), c, 1.0) for t in terms if t.curve == BASE for c in curves]
        return whole + [term for term in terms if term.curve != BASE]

    def empty_share(self, curve: str, layers: tuple[int, ...], x: float) -> tuple[int, int]:
        """Raises MissingEvidence: no figure shows it."""
        raise MissingEvidence("the paper does not show which layers are empty")


def _welch(errors: np.ndarray, n: int) -> float:
    """Welch's degrees of freedom of a sum whose parts have these standard errors, each from n seeds."""
    squares = errors**2
    return float(squares.sum() ** 2 / (squares**2).sum() * (n - 1)) if squares.any() else float(n - 1)


def paper_evidence(experiment: str) -> Evidence:
    """The paper's evidence: the authors' stored results seed by seed where they exist, else printed curves.

    Raises MissingEvidence for an experiment of which the paper shows nothing.
    """
    stored = published.seeds(experiment)
    return SeedEvidence.of(stored) if len(stored) else PrintedEvidence(experiment)
