"""One compacted network at a time: the arithmetic of dropped units is never done."""

from collections.abc import Iterator
from time import perf_counter

import torch

from dropnet_core.compaction import compact, expand
from dropnet_core.data import DataSet
from dropnet_core.engines.convolutions import Convolutions, plain
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.interface import Take, engines
from dropnet_core.engines.passes import completed, statistics_of
from dropnet_core.engines.windows import Batches
from dropnet_core.networks import PlainNetwork
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train, until_stopped


def compacted(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train the physically smaller network of each job.

    Plain convolutional networks have a step of their own. All others are trained by autograd, those with convolutions
    channels-last, which is faster on CPUs.
    """
    emptied, batches = Emptied(data), {part: Batches(split) for part, split in data.parts.items()}
    while jobs := take(1):
        job, started = jobs[0], perf_counter()
        if emptied.applies(job):
            yield job, emptied.outcome(job)
            continue
        first, device, dtype = job.first_weights(), data.train.labels.device, getattr(torch, job.recipe.precision)
        network, small = compact(job.network, job.mask, first)
        if plain(network) and job.recipe.augment == "none":
            small = {name: weight.to(device, dtype) for name, weight in small.items()}
            model = Convolutions(network, small, job.recipe, data, batches)
            found = until_stopped(lambda order, _, m=model: m.epoch(order), model.evaluate, data, job.recipe, job.seed)
            weights = expand(job.network, job.mask, first, model.trained())
            statistics = completed(job, model.statistics(), weights, data)
        else:
            model = PlainNetwork(network, small).to(device, dtype)
            if not network.all_dense:
                model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
            found = train(model, data, job.recipe, job.seed)
            statistics = statistics_of(job, expand(job.network, job.mask, first, model.trained()), data)
        history, test, best_test_accuracy = found
        yield job, Outcome(history, *test, best_test_accuracy, statistics, perf_counter() - started)


engines.add("compact", compacted)
