"""What is ahead: the number of trainings before any is made, time and memory."""

import pytest
from tiny_runs import NETWORK, finish, small

from dropnet_core.experiments.experiment import experiment
from dropnet_core.networks.plain import describe
from dropnet_core.running.forecast import EPOCHS, ahead, cost_of, first_images, forecast
from dropnet_core.running.run import PreparedExperiment, run
from dropnet_core.running.scheduler import Board
from dropnet_core.running.store import Store
from dropnet_core.stops import Stop

pytestmark = pytest.mark.usefixtures("tiny_by_name")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store.sqlite")


def test_the_trainings_of_figure_3():
    """One unpruned network a seed; 16 further cycles of each global metric, 14 of each layer-wise one."""
    plan = ahead(experiment("mnist-fc40-fc40"), describe("fc40-fc40", (1, 28, 28), 10))
    assert plan.exact and not plan.known and len(plan.jobs) == 15 * (1 + 3 * 16 + 3 * 14)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"metrics": ("min", "max", "random", "apoz_layer")},
        {"initial": ("rewind", "reinit", "small_reinit", "redraw"), "metrics": "min"},
        {"initial": "reinit"},
        {"stops": (Stop("cycles", 2), Stop("fraction", 0.5))},
        {"metrics": "oracle", "schedule": "one_unit", "p": (None,)},
    ],
)
def test_the_number_ahead_is_the_number_made(changed, store, tiny):
    planned = small(**changed).with_settings({"network": "fc16-fc12"})  # too wide for masks to meet by chance
    network = describe("fc16-fc12", tiny.shape, tiny.classes)
    plan = ahead(planned, network, Board(store, tiny.sha256))
    assert plan.exact
    run(planned, store=store)
    assert len(store) == len(plan.jobs)
    after = ahead(planned, network, Board(store, tiny.sha256, rounding="kernels"))
    assert len(after.known) == len(store) and not after.jobs


def test_what_the_store_holds_is_not_ahead(store, tiny):
    run(small(seeds=(0,)), store=store)
    plan = ahead(small(seeds=(0, 1)), NETWORK, Board(store, tiny.sha256, rounding="kernels"))
    assert len(plan.known) == len(plan.jobs) == 7


@pytest.mark.parametrize("kappa", [0.5, 1.0])
def test_by_kappa_it_is_the_most_there_can_be(kappa, store, tiny):
    stops = tuple(Stop("kappa", kappa, reading) for reading in ("last_good", "already_trained", "one_more"))
    plan = ahead(small(stops=stops, metrics="min"), NETWORK, Board(store, tiny.sha256))
    assert not plan.exact and len(plan.jobs) == 2 * 6  # 7 5 3 2 1 0 units, the same for all stops
    board = Board(store, tiny.sha256)
    board.start(small(stops=stops, metrics="min").runs(), NETWORK)
    finish(board)
    assert len(store) == len(plan.jobs)


@pytest.mark.parametrize("engine", ["kernels", "compact"])
def test_costs_are_measured_on_a_part_of_the_data(engine, tiny):
    prepared = PreparedExperiment(small(), tiny, NETWORK, engine)
    jobs = list(ahead(small(), NETWORK).jobs.values())
    cost = cost_of(prepared, jobs)
    assert cost.epoch > 0 and cost.around >= 0 and cost.memory > 1e7 and cost.gpu_memory == 0
    emptied = [job for job in ahead(small(p=(1.0,)), NETWORK).jobs.values() if job.mask.has_empty_layer]
    assert cost_of(prepared, emptied[:1]).epoch > 0
    part = first_images(tiny, 15)
    assert [len(split) for split in part.parts.values()] == [15, 4, 5]
    assert [len(split) for split in first_images(tiny, 999).parts.values()] == [150, 40, 50]


def test_a_forecast_says_trainings_minutes_and_memory(store, tiny):
    text = forecast(PreparedExperiment(small(), tiny, NETWORK, "kernels"), store, workers=2)
    assert "small: 4 runs, 14 trainings; the store holds 0 of them, 14 are ahead" in text
    assert "estimate for the engine 'kernels' with 2 workers" in text and "GB of memory" in text
    assert "minutes if a training takes 2 epochs (an assumption" in text and EPOCHS > 2
    assert len(store) == 0
    run(small(), store=store)
    more = forecast(PreparedExperiment(small(seeds=(0, 1, 2)), tiny, NETWORK, "kernels"), store, workers=1)
    assert "the store holds 14 of them, 7 are ahead" in more and "as those in the store took" in more
    done = forecast(PreparedExperiment(small(), tiny, NETWORK, "kernels"), store, workers=1)
    assert done == "small: 4 runs; the store holds all their 14 trainings, none is ahead"
    kappa = forecast(PreparedExperiment(small(stops=Stop("kappa", 0.9)), tiny, NETWORK, "kernels"), store, workers=1)
    assert "at most " in kappa
