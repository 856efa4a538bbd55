"""The definition: one masked network of full width at a time, of whatever kind, trained by autograd."""

from collections.abc import Iterator

from dropnet_core.basics.precision import storage
from dropnet_core.data import DataSet
from dropnet_core.engines.interface import Take, Watch, engines
from dropnet_core.engines.passes import further_statistics, usual_statistics
from dropnet_core.runs import Job
from dropnet_core.training import Outcome, train


def reference(data: DataSet, take: Take) -> Iterator[tuple[Job, Outcome]]:
    """Train each job's masked network, then measure its units with the trained weights on the training set."""
    while jobs := take(1):
        job, watch, precision = jobs[0], Watch(), jobs[0].recipe.precision
        model = job.network.masked(job.first_weights(), job.mask).to(data.train.labels.device, storage(precision))
        history, test, best_test_accuracy = train(model, data, job.recipe, job.seed)
        statistics = usual_statistics(model, data, precision)
        statistics |= further_statistics(job.needs, model, data, precision)
        yield job, watch.on(Outcome(history, *test, best_test_accuracy, statistics))


engines.add("reference", reference)
