"""One compacted network at a time: the arithmetic of dropped units is never done."""

from collections.abc import Iterator
from dataclasses import replace
from time import perf_counter

import torch

from dropnet_core.compaction import compact, expand
from dropnet_core.data import DataSet
from dropnet_core.engines.convolutions import Convolutions, by_hand
from dropnet_core.engines.emptied import Emptied
from dropnet_core.engines.interface import Take, engines
from dropnet_core.engines.passes import completed, statistics_of
from dropnet_core.engines.resident import Resident
from dropnet_core.engines.windows import KeptBatches
from dropnet_core.networks import PlainNetwork
from dropnet_core.precision import arithmetic, storage
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train, until_stopped


def compacted(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train the physically smaller network of each job; plain convolutional networks by a step of their own."""
    emptied, batches = Emptied(data), {part: KeptBatches(split) for part, split in data.parts.items()}
    while jobs := take(1):
        job, started = jobs[0], perf_counter()
        if emptied.applies(job):
            yield job, emptied.outcome(job)
            continue
        network, weights = compact(job.network, job.mask, job.first_weights())
        device, dtype = data.train.labels.device, storage(job.recipe.precision)
        weights = {name: weight.to(device, dtype) for name, weight in weights.items()}
        if by_hand(network, job.recipe):
            kind = Convolutions if device.type == "cpu" else Resident
            outcome = by_own_step(job, kind(network, weights, job.recipe, data, batches))
        else:
            outcome = by_autograd(job, PlainNetwork(network, weights).to(device), data)
        yield job, replace(outcome, seconds=perf_counter() - started)


def by_own_step(job: Job, model: Convolutions) -> Outcome:
    history, test, best_test_accuracy = until_stopped(
        lambda order, _: model.epoch(order), model.evaluate, model.data, job.recipe, job.seed
    )
    weights = expand(job.network, job.mask, job.first_weights(), model.trained())
    with arithmetic(job.recipe.precision, model.data.train.labels.device):
        statistics = model.statistics()
    return Outcome(history, *test, best_test_accuracy, completed(job, statistics, weights, model.data))


def by_autograd(job: Job, model: PlainNetwork, data: DataSet) -> Outcome:
    """Convolutions run channels-last, which is faster on CPUs."""
    if not job.network.all_dense:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it
    history, test, best_test_accuracy = train(model, data, job.recipe, job.seed)
    weights = expand(job.network, job.mask, job.first_weights(), model.trained())
    return Outcome(history, *test, best_test_accuracy, statistics_of(job, weights, data))


engines.add("compact", compacted)
