"""Networks whose output is cut off from the images by emptied layers: trained once, answered from then on.

Behind the cut every activation and every gradient is zero, since biases start at zero, so the output layer's bias is
all that learns: the history of such a network depends on the data, their order and the recipe, not on mask or first
weights. Rounding decides at which epoch it stops, so all of them share one training by the reference's arithmetic.

A residual network that has only lost a branch is not cut off. A network with batch norm may be, and then too only that
bias learns; but the moving statistics before the cut go on, and the scores there with them: it is trained itself.
"""

from dataclasses import replace
from time import perf_counter

import torch

from dropnet_core.compaction import compact, cut_off
from dropnet_core.data import DataSet
from dropnet_core.engines.passes import statistics_of
from dropnet_core.masks import Mask
from dropnet_core.networks import PlainNetwork
from dropnet_core.precision import storage
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train


class Emptied:
    """Answers jobs whose mask leaves no path from the images to the output, in networks without batch norm."""

    def __init__(self, data: DataSet) -> None:
        self.data = data
        self._known: dict[tuple[object, ...], Outcome] = {}

    @staticmethod
    def applies(job: Job) -> bool:
        return not job.needs and not job.network.has_norm and cut_off(job.network, job.mask)

    def outcome(self, job: Job) -> Outcome:
        """The shared training's history, with the statistics of this job's own units at their first weights."""
        started = perf_counter()
        shared = (job.recipe, job.network, job.seed if job.recipe.seeded else None)
        if shared not in self._known:
            nothing = Mask.full(job.network.widths)
            for layer, width in enumerate(job.network.widths):
                nothing = nothing.drop(layer, torch.arange(width).numpy())
            network, weights = compact(job.network, nothing, job.first_weights())
            model = PlainNetwork(network, weights).to(self.data.train.labels.device, storage(job.recipe.precision))
            history, test, best = train(model, self.data, job.recipe, job.seed)
            self._known[shared] = Outcome(history, *test, best, {})
        statistics = statistics_of(job, job.first_weights(), self.data)
        return replace(self._known[shared], statistics=statistics, seconds=perf_counter() - started)
