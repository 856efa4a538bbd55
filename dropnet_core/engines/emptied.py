"""Networks whose output is cut off from the images by emptied layers: trained once, answered from then on.

Behind the cut every activation and every gradient is zero, since biases start at zero, so the output layer's bias is
all that learns: the history of such a network depends on the data, their order and the recipe, not on mask or first
weights. Rounding decides at which epoch it stops, so all of them share one training of a network without units.

A residual network that has only lost a branch is not cut off. A network with batch norm may be, and then too only that
bias learns; but the moving statistics before the cut go on, and the scores there with them: it is trained itself.
"""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from dropnet_core.compaction import cut_off
from dropnet_core.networks.plain import Network
from dropnet_core.prunable import Weights
from dropnet_core.runs import Job
from dropnet_core.training import Outcome
from dropnet_core.unit_statistics import Statistics


class Emptied:
    """Answers jobs whose mask leaves no path from the images to the output, in networks without batch norm."""

    def __init__(
        self,
        train: Callable[[Job[Network]], tuple[Outcome, Tensor]],
        measure: Callable[[Job[Network], Weights], Statistics],
    ) -> None:
        """
        train    trains a job's network without any unit: its outcome, without statistics, and the output's bias
        measure  the statistics of a job's units under full weights
        """
        self._train, self._measure = train, measure
        self._known: dict[tuple[object, ...], tuple[Outcome, Tensor]] = {}

    @staticmethod
    def applies(job: Job[Network]) -> bool:
        """Whether all that a job's network can learn is the bias of its output."""
        return not job.network.has_norm and cut_off(job.network, job.mask)

    def outcome(self, job: Job[Network]) -> Outcome:
        """The shared training's history, with the statistics of this job's own units at their first weights."""
        shared = (job.recipe, job.network, job.seed if job.recipe.seeded else None)
        if shared not in self._known:
            self._known[shared] = self._train(job)
        outcome, bias = self._known[shared]
        weights = job.first_weights() | {f"{len(job.network.layers)}.bias": bias}
        return replace(outcome, statistics=self._measure(job, weights))
