"""The definition: one masked network of full width at a time, trained by autograd."""

from collections.abc import Iterator

from dropnet_core.basics.precision import arithmetic, storage
from dropnet_core.data import DataSet
from dropnet_core.engines.interface import Take, Watch, engines
from dropnet_core.layers import MaskedNetwork
from dropnet_core.metrics import measure
from dropnet_core.oracle import loss_without
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, large_batches, train


def reference(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train each job's masked network, then measure its units with the trained weights on the training set."""
    while jobs := take(1):
        job, watch = jobs[0], Watch()
        dtype, device = storage(job.recipe.precision), data.train.labels.device
        model = MaskedNetwork(job.network, job.first_weights(), job.mask).to(device, dtype)
        history, test, best_test_accuracy = train(model, data, job.recipe, job.seed)
        with arithmetic(job.recipe.precision, device):
            statistics = measure(model, (images for images, _ in large_batches(data.train, dtype)))
            if "loss_without" in job.needs:
                statistics["loss_without"] = loss_without(job.network, model.trained(), job.mask, data.train, dtype)
        yield job, watch.on(Outcome(history, *test, best_test_accuracy, statistics))


engines.add("reference", reference)
