"""Networks in which a layer is empty: trained once, answered from then on.

Behind an empty layer every activation and every gradient is zero, so the output layer's bias is all that learns:
the history of such a network depends on the data, their order and the recipe, not on mask or first weights. Rounding
decides at which epoch it stops, so all of them share one training by the reference's arithmetic.
"""

from dataclasses import replace
from time import perf_counter

import torch

from dropnet_core.compaction import compact
from dropnet_core.data import DataSet
from dropnet_core.engines.passes import statistics_of
from dropnet_core.masks import Mask
from dropnet_core.networks import PlainNetwork
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train


class Emptied:
    """Answers jobs whose mask empties a layer."""

    def __init__(self, data: DataSet) -> None:
        self.data = data
        self._known: dict[tuple[object, ...], Outcome] = {}

    @staticmethod
    def applies(job: Job) -> bool:
        return job.mask.has_empty_layer and not job.needs

    def outcome(self, job: Job) -> Outcome:
        """The shared training's history, with the statistics of this job's own units at their first weights."""
        started = perf_counter()
        shared = (job.recipe, job.network, job.seed if job.recipe.shuffle else None)
        if shared not in self._known:
            nothing = Mask.full(job.network.widths)
            for layer, width in enumerate(job.network.widths):
                nothing = nothing.drop(layer, torch.arange(width).numpy())
            network, weights = compact(job.network, nothing, job.first_weights())
            model = PlainNetwork(network, weights).to(
                self.data.train.labels.device, getattr(torch, job.recipe.precision)
            )
            history, test, best = train(model, self.data, job.recipe, job.seed)
            self._known[shared] = Outcome(history, *test, best, {})
        statistics = statistics_of(job, job.first_weights(), self.data)
        return replace(self._known[shared], statistics=statistics, seconds=perf_counter() - started)
