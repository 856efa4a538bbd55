"""What whole schedules cost in each of the ways, and how the engine's cost grows with networks and with width."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.costs import Cost, along, schedule
from benchmarks.keras_way import missing
from benchmarks.machine import Peak, peak
from benchmarks.models import EPOCHS, METRICS, MNIST, MODELS, Model, digits
from benchmarks.processes import Crew, cores
from benchmarks.rows import Row
from benchmarks.ways import seconds
from dropnet_core.compaction import counts, shrink

OTHERS = ("usual", "usual-1", "reference")  # ways that keep the network's shape, so its ends tell their cost
KERAS_IMAGES = 4  # times as many: what it compiles takes as long as an epoch of few images, now more, now less
STACKS = (1, 2, 4, 8, 16, 24)  # networks side by side


def timed(way: str, model: Model, cycle: int, networks: int, images: int, epochs: int) -> float:
    """Runs in a process of a crew: seconds of some trainings of this cycle's network."""
    return seconds(way, model.jobs(cycle, networks), digits(images), epochs)


class Bench:
    """One process a core, but for the ways that use as many threads as their library takes by itself: a process for
    each of these."""

    def __init__(self) -> None:
        self.crew, self.alone = Crew(cores()), {"usual": Crew(1), "keras": Crew(1)}

    def others(self) -> tuple[str, ...]:
        """What the engines are compared with; where Keras is missing a line says so."""
        (reason,) = self.alone["keras"].do(missing)
        if reason:
            print(f"keras: left out ({reason}); install keras and a backend to measure it too", flush=True)
        return OTHERS if reason else (*OTHERS, "keras")

    def cost(self, way: str, model: Model, cycle: int, networks: int = 1, images: int = 0) -> Cost:
        crew, count = self.alone.get(way, self.crew), images or model.images * (KERAS_IMAGES if way == "keras" else 1)
        one, three = (float(np.mean(crew.do(timed, way, model, cycle, networks, count, e))) for e in (1, 3))
        return Cost.of(one, three, networks, MNIST[0] / count, crew.count, compiles=way == "keras")

    def close(self) -> None:
        for crew in (self.crew, *self.alone.values()):
            crew.close()


def schedules(bench: Bench, model: Model, rounds: int, others: Sequence[str] = OTHERS) -> Iterator[Row]:
    """Rounds of all ways in turn, and what follows from them for one seed with six metrics."""
    name, cycles = model.title, len(model.masks)
    at = {**{way: [0, cycles - 1] for way in others}, model.engine: model.measured_cycles}
    for way in at:
        bench.cost(way, model, cycles - 1, images=64)  # the first call sets things up
    found: dict[str, dict[int, list[Cost]]] = {way: {cycle: [] for cycle in places} for way, places in at.items()}
    peaks: list[Peak] = []
    for _ in range(rounds):
        peaks.append(peak(bench.crew))
        for way, places in at.items():
            for cycle in places:
                together = model.together if way == "stacked" else 1
                found[way][cycle].append(bench.cost(way, model, cycle, together))
    yield from epochs(model, found, peaks)
    totals = {
        way: [
            schedule(along({cycle: cost[r] for cycle, cost in costs.items()}, cycles, EPOCHS), METRICS)
            for r in range(rounds)
        ]
        for way, costs in found.items()
    }
    for way, values in totals.items():
        yield Row.of("schedule", name, "one seed, six metrics", way, "", [value / 3600 for value in values], "hours")
    for way in others:
        ratio = [slow / fast for slow, fast in zip(totals[way], totals[model.engine], strict=True)]
        yield Row.of("schedule", name, "times faster", f"{model.engine}/{way}", "", ratio, "times")


def epochs(model: Model, found: dict[str, dict[int, list[Cost]]], peaks: list[Peak]) -> Iterator[Row]:
    """Seconds of an epoch in each measured cycle, and the engine's share of what the processor can do."""
    for way, costs in found.items():
        for cycle, measured in costs.items():
            values = [cost.epoch for cost in measured]
            yield Row.of("schedule", model.title, "epoch of a network", way, cycle, values, "s")
            if way != model.engine:
                continue
            work = arithmetic(model, cycle)
            share = [work / cost.epoch / top.flops for cost, top in zip(measured, peaks, strict=True)]
            yield Row.of("schedule", model.title, "share of peak arithmetic", way, cycle, share, "of 1")
            moved = traffic(model, cycle)
            share = [moved / cost.epoch / top.bandwidth for cost, top in zip(measured, peaks, strict=True)]
            yield Row.of("schedule", model.title, "share of memory bandwidth", way, cycle, share, "of 1")
    for quantity, values, unit in (
        ("matrix product, all cores", [top.flops / 1e9 for top in peaks], "GFLOP/s"),
        ("memory bandwidth, all cores", [top.bandwidth / 1e9 for top in peaks], "GB/s"),
    ):
        yield Row.of("schedule", model.title, quantity, "machine", "", values, unit)


def arithmetic(model: Model, cycle: int) -> float:
    """Floating-point operations of one epoch of this cycle's compacted network: forward, both gradients but the
    input's, and the forward pass over the validation and the test images."""
    macs = counts(shrink(model.network, model.masks[cycle])).macs_per_layer
    return 2.0 * (MNIST[0] * (3 * sum(macs) - macs[0]) + (MNIST[1] + MNIST[2]) * sum(macs))


def traffic(model: Model, cycle: int, batch: int = 32) -> float:
    """Bytes that one epoch moves at least: each step reads the weights twice and writes them once, and writes and
    reads each layer's values and their gradients once. A cache may spare memory all of it."""
    small = shrink(model.network, model.masks[cycle])
    values = small.shape[0] * small.shape[1] * small.shape[2]
    for layer, (_, height, width) in zip(small.layers, small.inputs(), strict=False):
        values += 4 * layer.units * (height * width if layer.kind == "conv" else 1)
    return 4.0 * (3 * counts(small).parameters * MNIST[0] / batch + values * MNIST[0])


def stack(bench: Bench, rounds: int, stacks: Sequence[int] = STACKS) -> Iterator[Row]:
    """How the cost of one network of Model 1 falls with the networks that are trained beside it."""
    model = MODELS["model1"]
    found: dict[int, list[float]] = {networks: [] for networks in stacks}
    for _ in range(rounds):
        for networks in stacks:
            found[networks].append(bench.cost("stacked", model, 0, networks, 1600).epoch)
    for networks, values in found.items():
        yield Row.of("stack", model.title, "epoch of a network", "stacked", networks, values, "s")
