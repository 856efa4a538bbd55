"""One compacted network at a time: the arithmetic of dropped units is never done."""

from collections.abc import Iterator
from time import perf_counter

import torch

from dropnet_core.compaction import compact, expand
from dropnet_core.data import DataSet
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.interface import Take, engines
from dropnet_core.engines.passes import statistics_of
from dropnet_core.networks import PlainNetwork
from dropnet_core.precision import storage
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train


def compacted(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train the physically smaller network of each job. Convolutions run channels-last, which is faster on CPUs."""
    emptied = Emptied(data)
    while jobs := take(1):
        job, started = jobs[0], perf_counter()
        if emptied.applies(job):
            yield job, emptied.outcome(job)
            continue
        first = job.first_weights()
        model = PlainNetwork(*compact(job.network, job.mask, first))
        model = model.to(data.train.labels.device, storage(job.recipe.precision))
        if not job.network.all_dense:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
        history, test, best_test_accuracy = train(model, data, job.recipe, job.seed)
        statistics = statistics_of(job, expand(job.network, job.mask, first, model.trained()), data)
        yield job, Outcome(history, *test, best_test_accuracy, statistics, perf_counter() - started)


engines.add("compact", compacted)
