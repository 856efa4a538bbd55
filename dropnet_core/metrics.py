"""The statistics of units, and the metrics that turn them into scores (paper, Table 1)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.registry import Registry
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.schedules import Schedule
from dropnet_core.selection import selections

Statistics = dict[str, list[np.ndarray]]
"""For each statistic one float64 array (units,) a masked layer."""

SCORES = ("mean_of_abs", "abs_of_mean")


@torch.no_grad()
def measure(model: MaskedNetwork, batches: Iterable[Tensor]) -> Statistics:
    """All statistics of all units in one pass over batches of images (n, C, H, W).

    With v the value behind ReLU, batch norm where there is one, and mask, before pooling:

    mean_of_abs  mean over images and positions of |v|          (paper, equation for E of a filter)
    abs_of_mean  mean over images of |mean over positions of v| (the authors' code)
    zeros        share of single activations that are exactly 0, before any batch norm (Hu et al., 2016)
    zero_maps    share of images over which v averages to exactly 0 (the authors' code): those whose whole map is 0,
                 and behind a batch norm, whose values have both signs, next to none

    A batch norm uses its moving statistics. Leaves the model in evaluation mode.
    """
    model.eval()
    sums: dict[str, list[Tensor]] = {}
    images = 0

    def see(position: int, value: Tensor, rectified: Tensor) -> None:
        value, rectified = by_position(value), by_position(rectified)
        average = value.mean(dim=2)
        seen = {
            "mean_of_abs": value.abs().mean(dim=2),
            "abs_of_mean": average.abs(),
            "zeros": (rectified == 0).to(value.dtype).mean(dim=2),
            "zero_maps": average == 0,
        }
        for name, per_image in seen.items():
            total = per_image.sum(dim=0, dtype=torch.float64)
            layers = sums.setdefault(name, [])
            if position < len(layers):
                layers[position] += total
            else:
                layers.append(total)

    for batch in batches:
        images += len(batch)
        model.show(batch, see)
    return {name: [(total / images).cpu().numpy() for total in layers] for name, layers in sums.items()}


def by_position(value: Tensor) -> Tensor:
    """Values (images, units) or (images, units, height, width) as (images, units, positions); float32 at least."""
    value = value.to(torch.promote_types(value.dtype, torch.float32))
    return value.flatten(2) if value.dim() > 2 else value.unsqueeze(2)


@dataclass(frozen=True)
class LayerStatistics:
    """What a score function sees of one masked layer; every array is (units,), dropped units included.

    mean    mean |activation| over the training set, in the run's reading ("mean_of_abs" or "abs_of_mean")
    zeros   share of zeros in the same reading: of single activations behind the ReLU, or of whole maps as the
            authors' code counts them, behind any batch norm
    loss_without  training loss with this one unit switched off; empty unless the metric asks for it
    """

    mean: np.ndarray
    zeros: np.ndarray
    loss_without: np.ndarray


ScoreFunction = Callable[[LayerStatistics, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A score (larger = more worth keeping) and a scope: "global" ranks all layers together, "layer" each alone.

    needs      statistics beyond `measure`'s that a training must also deliver
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
        silent = {"mean_of_abs": "zeros", "abs_of_mean": "zero_maps"}[reading]
        scores = []
        for i, mean in enumerate(statistics[reading]):
            lost = statistics["loss_without"][i] if "loss_without" in statistics else np.empty(0)
            score = np.asarray(self.score(LayerStatistics(mean, statistics[silent][i], lost), draw), dtype=np.float64)
            if score.shape != mean.shape or not np.isfinite(score).all():
                others = int((~np.isfinite(score)).sum())
                raise InputError(
                    f"the score of metric '{self.name}' must be {len(mean)} finite numbers, one a unit of the layer, "
                    f"not an array of shape {score.shape} with {others} others; mend its function"
                )
            scores.append(score)
        return scores

    def drop(
        self,
        statistics: Statistics,
        mask: Mask,
        schedule: Schedule,
        selection: str,
        reading: str,
        draw: np.random.Generator,
    ) -> Mask:
        """The next mask: the schedule says how many units go, the score which ones (paper, Algorithm 1, step 4).

        In a layer-wise metric each layer that has units left loses at least one.
        """
        scores = self.scores(statistics, reading, draw)
        select = selections[self.selection or selection]
        if self.scope == "global":
            return select(scores, mask, schedule(mask.units_remaining), draw)
        layers = []
        for score, kept in zip(scores, mask.layers, strict=True):
            alone = Mask([kept])
            layers.append(
                select([score], alone, schedule(alone.units_remaining), draw).layers[0] if kept.any() else kept
            )
        return Mask(layers)


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

    Raises InputError for an unknown scope or, unless replace is True, a name that is taken.
    """
    if scope not in ("global", "layer"):
        raise unknown("scope", scope, ("global", "layer"))

    def add(score: ScoreFunction) -> ScoreFunction:
        metrics.add(name, Metric(name, score, scope, needs, selection), replace=replace)
        return score

    return add


def minimum(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
    return layer.mean


def maximum(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
    return -layer.mean


def chance(layer: LayerStatistics, draw: np.random.Generator) -> np.ndarray:
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
