"""One compacted network at a time, by autograd: the arithmetic of dropped units is never done."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from dropnet_core.basics.precision import storage
from dropnet_core.compaction import compact, expand
from dropnet_core.data import DataSet
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.interface import Take, Watch, by_name_only, engines
from dropnet_core.engines.passes import statistics_of
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork
from dropnet_core.networks.plain import Network
from dropnet_core.prunable import Weights
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train


def compacted(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train the physically smaller network of each job. Raises InputError for a network that has no name."""

    def train_emptied(job: Job[Network]) -> tuple[Outcome, Tensor]:
        nothing = Mask([False] * width for width in job.network.widths)
        outcome, weights = trained(job, nothing, data)
        return outcome, weights[f"{len(job.network.layers)}.bias"]

    emptied = Emptied(train_emptied, lambda job, weights: statistics_of(job, weights, data))
    while jobs := take(1):
        job, watch = by_name_only(jobs[0], "compact"), Watch()
        if emptied.applies(job):
            yield job, watch.on(emptied.outcome(job))
            continue
        outcome, weights = trained(job, job.mask, data)
        statistics = statistics_of(job, expand(job.network, job.mask, job.first_weights(), weights), data)
        yield job, watch.on(replace(outcome, statistics=statistics))


def trained(job: Job[Network], mask: Mask, data: DataSet) -> tuple[Outcome, Weights]:
    """The outcome, without statistics, and the trained weights of a job's network under a mask.

    Convolutions run channels-last, which is faster on CPUs.
    """
    network, weights = compact(job.network, mask, job.first_weights())
    model = PlainNetwork(network, weights).to(data.train.labels.device, storage(job.recipe.precision))
    if not job.network.all_dense:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    history, test, best_test_accuracy = train(model, data, job.recipe, job.seed)
    return Outcome(history, *test, best_test_accuracy, {}), model.trained()


engines.add("compact", compacted)
