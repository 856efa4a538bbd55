"""The metrics, which turn the statistics of units into scores (paper, Table 1)."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

import dropnet_core.oracle  # noqa: F401 - its statistic is one that a metric here needs
from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.registry import Registry
from dropnet_core.unit_statistics import USUAL, Statistics

SCORES = {"mean_of_abs": "zeros", "abs_of_mean": "zero_maps"}
"""The readings of a score: which statistic is a unit's mean, and which its share of zeros."""


class LayerStatistics(SimpleNamespace):
    """What a score function reads of one masked layer; every array is (units,), dropped units included.

    mean    mean |activation| over the training set, in the run's reading ("mean_of_abs" or "abs_of_mean")
    zeros   share of zeros in the same reading: of single activations behind the ReLU, or of whole maps as the
            authors' code counts them, behind any batch norm

    and each statistic that the metric needs by its own name, such as `loss_without`.
    """

    mean: np.ndarray
    zeros: np.ndarray

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(
            f"a score reads layer.{name}, which its metric does not need: register(..., needs=('{name}',)), where "
            f"'{name}' is a statistic of the package or one registered by dropnet_core.unit_statistics.statistic"
        )


ScoreFunction = Callable[[LayerStatistics, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A score (larger = more worth keeping) and a scope: "global" ranks all layers together, "layer" each alone.

    needs      statistics beyond the usual ones that a training must also deliver
    selection  the selection that this metric uses whatever the run says; empty for the run's own
    """

    name: str
    score: ScoreFunction
    scope: str
    needs: tuple[str, ...] = ()
    selection: str = ""

    def scores(self, statistics: Statistics, reading: str, draw: np.random.Generator) -> list[np.ndarray]:
        """One array (units,) a masked layer. `reading` is a name in SCORES.

        Raises InputError if the score function returns another shape or a number that is not finite.
        """
        scores = []
        for i, mean in enumerate(statistics[reading]):
            own = {name: layers[i] for name, layers in statistics.items()}
            layer = LayerStatistics(**own | {"mean": mean, "zeros": own[SCORES[reading]]})
            score = np.asarray(self.score(layer, draw), dtype=np.float64)
            if score.shape != mean.shape or not np.isfinite(score).all():
                others = int((~np.isfinite(score)).sum())
                raise InputError(
                    f"the score of metric '{self.name}' must be {len(mean)} finite numbers, one a unit of the layer, "
                    f"not an array of shape {score.shape} with {others} others; mend its function"
                )
            scores.append(score)
        return scores


metrics: Registry[Metric] = Registry("metric")


def register(
    name: str,
    *,
    scope: str = "global",
    needs: tuple[str, ...] = (),
    selection: str = "",
    replace: bool = False,
) -> Callable[[ScoreFunction], ScoreFunction]:
    """Make a score function a metric that experiments, notebooks and the command line know by name.

    >>> @register("often_on", scope="layer")
    ... def often_on(layer, draw):
    ...     return 1 - layer.zeros

    needs      statistics beyond the usual ones that the score reads as `layer.NAME` (see `unit_statistics`)
    selection  see `Metric`

    Raises InputError for an unknown scope, needs that are one text or, unless replace is True, a name that is taken.
    """
    if scope not in ("global", "layer"):
        raise unknown("scope", scope, ("global", "layer"))
    if isinstance(needs, str):
        raise InputError(f"needs names several statistics; write needs=('{needs}',)")
    beyond = tuple(need for need in needs if need not in USUAL)

    def add(score: ScoreFunction) -> ScoreFunction:
        metrics.add(name, Metric(name, score, scope, beyond, selection), replace=replace)
        return score

    return add


def minimum(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
    """DropNet: the unit with the least mean activation goes first."""
    return layer.mean


def maximum(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
    """The opposite: the most active unit goes first."""
    return -layer.mean


def chance(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
    """Any unit goes first, with equal chances."""
    return draw.random(len(layer.mean))


def rarely_zero(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
    """Average percentage of zeros (Hu et al., 2016): a unit that is often silent goes first."""
    return -layer.zeros


def needed(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
    """The greedy oracle (paper, section 5): the unit whose absence costs least goes first."""
    return layer.loss_without


for scope, suffix in (("global", ""), ("layer", "_layer")):
    register(f"min{suffix}", scope=scope)(minimum)
    register(f"max{suffix}", scope=scope)(maximum)
    # A random subset has no score to argue about: in either reading it is a permutation cut off after k.
    register(f"random{suffix}", scope=scope, selection="exact")(chance)
    register(f"apoz{suffix}", scope=scope)(rarely_zero)
register("oracle", needs=("loss_without",))(needed)
