"""What whole schedules cost in each of the ways."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.costs import Cost, along, schedule
from benchmarks.keras_way import missing
from benchmarks.models import ENGINE, EPOCHS, METRICS, MNIST, Model, digits
from benchmarks.processes import Crew, cores
from benchmarks.rows import Row
from benchmarks.ways import Seconds, seconds

OTHERS = ("usual", "usual-1", "reference")  # ways that keep the network's shape, so its ends tell their cost
KERAS_IMAGES = 4  # times as many: what it compiles takes as long as an epoch of few images, now more, now less


def timed(way: str, model: Model, cycle: int, networks: int, images: int, epochs: int) -> Seconds:
    """Runs in a process of a crew: seconds of some trainings of this cycle's network."""
    return seconds(way, model.jobs(cycle, networks), digits(images), epochs)


class Costs(NamedTuple):
    """The cost of a network by the clock on the wall, and by the processor's time, shared out over all cores."""

    wall: Cost
    processor: Cost


CLOCKS = {"wall": "", "processor": ", processor time"}  # what the quantities of each are called
Found = Mapping[int, Sequence[Costs]]  # cycle -> the costs of each round


class Bench:
    """One process a core, but for the ways that use as many threads as their library takes by itself: a process for
    each of these."""

    def __init__(self) -> None:
        self.crew, self.alone = Crew(cores()), {"usual": Crew(1), "keras": Crew(1)}

    def others(self) -> tuple[str, ...]:
        """What the engine is compared with; where Keras is missing a line says so."""
        (reason,) = self.alone["keras"].do(missing)
        if reason:
            print(f"keras: left out ({reason}); install keras and a backend to measure it too", flush=True)
        return OTHERS if reason else (*OTHERS, "keras")

    def cost(self, way: str, model: Model, cycle: int, images: int = 0) -> Costs:
        """From a training of one epoch and one of three, on so many images, else on those that suit the way."""
        crew = self.alone.get(way, self.crew)
        count = images or model.images * {"keras": KERAS_IMAGES, ENGINE: model.more}.get(way, 1)
        networks = model.together if way == ENGINE else 1
        one, three = (np.mean(crew.do(timed, way, model, cycle, networks, count, e), axis=0) for e in (1, 3))
        scale, compiles = MNIST[0] / count, way == "keras"
        return Costs(
            *(
                Cost.of(float(a), float(b), networks, scale, at_once, compiles)
                for a, b, at_once in zip(one, three, (crew.count, cores()), strict=True)
            )
        )

    def close(self) -> None:
        for crew in (self.crew, *self.alone.values()):
            crew.close()


def schedules(bench: Bench, model: Model, rounds: int, others: Sequence[str] = OTHERS) -> Iterator[Row]:
    """Rounds of all ways in turn, and what follows from them for one seed with six metrics."""
    name, last = model.title, len(model.masks) - 1
    at = {**{way: [0, last] for way in others}, ENGINE: model.measured_cycles}
    for way in at:
        for cycle in (0, last):  # the last may be an empty network, which takes another path
            bench.cost(way, model, cycle, images=64)  # the first call sets things up
    found: dict[str, dict[int, list[Costs]]] = {way: {cycle: [] for cycle in places} for way, places in at.items()}
    for _ in range(rounds):
        for way, places in at.items():
            for cycle in places:
                found[way][cycle].append(bench.cost(way, model, cycle))
    for way, costs in found.items():
        for cycle, measured in costs.items():
            yield Row.of(
                "schedule", name, "epoch of a network", way, cycle, [cost.wall.epoch for cost in measured], "s"
            )
    for clock, which in CLOCKS.items():
        totals = {way: whole(costs, last + 1, rounds, clock) for way, costs in found.items()}
        for way, values in totals.items():
            hours = [value / 3600 for value in values]
            yield Row.of("schedule", name, f"one seed, six metrics{which}", way, "", hours, "hours")
        for way in others:
            ratio = [slow / fast for slow, fast in zip(totals[way], totals[ENGINE], strict=True)]
            yield Row.of("schedule", name, f"times faster{which}", f"{ENGINE}/{way}", "", ratio, "times")


def whole(costs: Found, cycles: int, rounds: int, clock: str) -> list[float]:
    """Seconds of one seed's schedule with six metrics by one of the clocks, for each round."""
    return [
        schedule(along({cycle: getattr(one[r], clock) for cycle, one in costs.items()}, cycles, EPOCHS), METRICS)
        for r in range(rounds)
    ]
