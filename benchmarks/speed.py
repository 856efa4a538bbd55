"""What whole schedules cost in each of the ways."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.costs import TrainingTime, schedule_seconds, training_seconds_along
from benchmarks.keras_way import why_no_keras
from benchmarks.models import ENGINE, METRIC_COUNT, MNIST_IMAGES, TRAINING_EPOCHS, PaperModel, digits
from benchmarks.processes import Crew, cores
from benchmarks.rows import Row
from benchmarks.ways import Seconds, seconds

OTHER_WAYS = ("usual", "usual-1", "reference")  # ways that keep the network's shape, so its ends tell their cost
KERAS_IMAGES = 4  # times as many: what it compiles takes as long as an epoch of few images, now more, now less


def training_seconds(way: str, model: PaperModel, cycle: int, networks: int, images: int, epochs: int) -> Seconds:
    """Runs in a process of a crew: seconds of some trainings of this cycle's network."""
    return seconds(way, model.jobs(cycle, networks), digits(images), epochs)


class TrainingTimes(NamedTuple):
    """The cost of a network by the clock on the wall, and by the processor's time, shared out over all cores."""

    wall: TrainingTime
    processor: TrainingTime


CLOCKS = {"wall": "", "processor": ", processor time"}  # what the quantities of each are called
Found = Mapping[int, Sequence[TrainingTimes]]  # cycle -> the costs of each round


class Bench:
    """One process a core, but for the ways that use as many threads as their library takes by itself: a process for
    each of these."""

    def __init__(self) -> None:
        self.crew, self.alone = Crew(cores()), {"usual": Crew(1), "keras": Crew(1)}

    def others(self) -> tuple[str, ...]:
        """What the engine is compared with; where Keras is missing a line says so."""
        (reason,) = self.alone["keras"].do(why_no_keras)
        if reason:
            print(f"keras: left out ({reason}); install keras and a backend to measure it too", flush=True)
        return OTHER_WAYS if reason else (*OTHER_WAYS, "keras")

    def cost(self, way: str, model: PaperModel, cycle: int, images: int = 0) -> TrainingTimes:
        """From a training of one epoch and one of three, on so many images, else on those that suit the way."""
        crew = self.alone.get(way, self.crew)
        count = images or model.images * {"keras": KERAS_IMAGES, ENGINE: model.more}.get(way, 1)
        networks = model.together if way == ENGINE else 1
        one, three = (np.mean(crew.do(training_seconds, way, model, cycle, networks, count, e), axis=0) for e in (1, 3))
        scale, compiles = MNIST_IMAGES[0] / count, way == "keras"
        return TrainingTimes(
            *(
                TrainingTime.of(float(a), float(b), networks=networks, scale=scale, at_once=at_once, compiles=compiles)
                for a, b, at_once in zip(one, three, (crew.count, cores()), strict=True)
            )
        )

    def close(self) -> None:
        """End all processes."""
        for crew in (self.crew, *self.alone.values()):
            crew.close()


def schedules(bench: Bench, model: PaperModel, rounds: int, others: Sequence[str] = OTHER_WAYS) -> Iterator[Row]:
    """Rounds of all ways in turn, and what follows from them for one seed with six metrics."""
    name, last = model.title, len(model.masks) - 1
    at = {**{way: [0, last] for way in others}, ENGINE: model.measured_cycles}
    for way in at:
        for cycle in (0, last):  # the last may be an empty network, which takes another path
            bench.cost(way, model, cycle, images=64)  # the first call sets things up
    found: dict[str, dict[int, list[TrainingTimes]]] = {
        way: {cycle: [] for cycle in places} for way, places in at.items()
    }
    for _ in range(rounds):
        for way, places in at.items():
            for cycle in places:
                found[way][cycle].append(bench.cost(way, model, cycle))
    for way, costs in found.items():
        for cycle, measured in costs.items():
            yield Row.of(
                "schedule",
                name,
                "epoch of a network",
                way,
                at=cycle,
                values=[cost.wall.epoch for cost in measured],
                unit="s",
            )
    for clock, which in CLOCKS.items():
        totals = {way: schedule_totals(costs, last + 1, rounds, clock) for way, costs in found.items()}
        for way, values in totals.items():
            hours = [value / 3600 for value in values]
            yield Row.of("schedule", name, f"one seed, six metrics{which}", way, values=hours, unit="hours")
        for way in others:
            ratio = [slow / fast for slow, fast in zip(totals[way], totals[ENGINE], strict=True)]
            yield Row.of("schedule", name, f"times faster{which}", f"{ENGINE}/{way}", values=ratio, unit="times")


def schedule_totals(costs: Found, cycles: int, rounds: int, clock: str) -> list[float]:
    """Seconds of one seed's schedule with six metrics by one of the clocks, for each round."""
    return [
        schedule_seconds(
            training_seconds_along(
                {cycle: getattr(one[r], clock) for cycle, one in costs.items()}, cycles, TRAINING_EPOCHS
            ),
            METRIC_COUNT,
        )
        for r in range(rounds)
    ]
