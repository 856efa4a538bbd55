"""How near a training step comes to what one core can do, from the whole network down to a tenth of its units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.machine import Peak, one_core
from benchmarks.models import ENGINE, PaperModel, digits
from benchmarks.processes import Crew
from benchmarks.rows import Row
from dropnet_core.compaction import compact, counts
from dropnet_core.engines.kernels.engine import kernel_model
from dropnet_core.engines.kernels.groups import Groups
from dropnet_core.engines.kernels.lit import Lists
from dropnet_core.engines.kernels.map_kernels import GROUP as GROUP
from dropnet_core.networks.plain import Network

BATCH = 32
STEP_IMAGES = 20 * BATCH
LEAST = 0.05  # seconds that are measured, in as many epochs as that takes
LAST_FRACTION = 0.1  # of the units: the first network with no more is the last that is measured


@dataclass(frozen=True)
class StepCost:
    """The seconds of the processor's time that a training step takes, the floating-point operations that it does and
    the bytes that it moves at least."""

    seconds: float
    flops: float
    moved: float


def measure_step(model: PaperModel, cycle: int) -> StepCost:
    """Runs in a process of a crew, with one thread: the mean over some epochs of this cycle's network."""
    (job,) = model.jobs(cycle, 1)
    network, weights = compact(job.network, job.mask, job.first_weights())
    trained, lay_out = kernel_model(network, weights, BATCH)
    split, rate = digits(STEP_IMAGES).train, job.recipe.learning_rate
    layout = lay_out(split.images.numpy(), split.labels.numpy(), BATCH)
    trained.epoch([layout], rate)  # the first sets things up
    spent, epochs = 0.0, 0
    while spent < LEAST:
        started = process_time()
        trained.epoch([layout], rate)
        spent += process_time() - started
        epochs += 1
    steps = STEP_IMAGES // BATCH
    return StepCost(
        spent / epochs / steps, 2 * multiplications(network, layout) / steps, traffic(network, layout) / steps
    )


def layer_sizes(network: Network) -> Iterator[tuple[str, int, int, int]]:
    """Of each layer, the output's last: its kind, inputs (of a convolution its channels), units, and the windows of
    2x2 pixels that are pooled to one (1 in a dense layer)."""
    kinds = [*(layer.kind for layer in network.layers), "dense"]
    units = [*(layer.units for layer in network.layers), network.classes]
    for kind, (channels, height, width), count in zip(kinds, network.inputs(), units, strict=True):
        if kind == "conv":
            yield kind, channels, count, (height // 2) * (width // 2)
        else:
            yield kind, channels * height * width, count, 1


def multiplications(network: Network, layout: Any) -> float:
    """Multiplications with an addition each that an epoch over a layout really does: forward, for the slopes of the
    weights, and, behind the first layer, for those of the inputs.

    A first convolution does 4 corners x 9 taps for each window that is not black in its whole group of images; a later
    one, by Winograd, 16 for each window. A first dense layer does one for each lit pixel. What fills up lists and
    vectors, transforms, biases, activations and losses are not counted.
    """
    done = 0.0
    for i, (kind, inputs, units, windows) in enumerate(layer_sizes(network)):
        if i == 0 and isinstance(layout, Groups):
            live = (layout.live[:, :, 1] - layout.live[:, :, 0]).sum()
            done += 2.0 * 36 * inputs * units * live * GROUP
        elif i == 0:
            done += 2.0 * units * np.count_nonzero(layout.by_image.values)
        else:
            done += 3.0 * (16 if kind == "conv" else 1) * windows * inputs * units * layout.images
    return done


def traffic(network: Network, layout: Any) -> float:
    """Bytes that an epoch over a layout moves at least: it reads the images; each step reads the weights twice and
    writes them once, and writes and reads each layer's values and their slopes once. A cache may spare memory all but
    the images."""
    if isinstance(layout, Lists):
        lists = [*layout.by_image[:2], *layout.by_batch[:3]]
    else:
        lists = [layout.pixels]
    values = sum(units * windows for _, _, units, windows in layer_sizes(network))
    floats = 3 * counts(network).parameters * layout.images / BATCH + 4 * values * layout.images
    return sum(array.nbytes for array in lists) + 4.0 * floats


def step_cycles(model: PaperModel) -> list[int]:
    """From the whole network to the first with at most a tenth of its units."""
    masks = model.masks
    return list(range(1 + next(cycle for cycle, mask in enumerate(masks) if mask.fraction_remaining <= LAST_FRACTION)))


def steps(models: Sequence[PaperModel], rounds: int, every: int = 1) -> Iterator[Row]:
    """Rounds of all networks in turn, each model beside the limits of the core; every so many cycles and the last."""
    crew = Crew(1)
    places = {model: sorted({*step_cycles(model)[::every], step_cycles(model)[-1]}) for model in models}
    found: dict[tuple[PaperModel, int], list[StepCost]] = {
        (model, cycle): [] for model in models for cycle in places[model]
    }
    peaks: dict[PaperModel, list[Peak]] = {model: [] for model in models}
    for _ in range(rounds):
        for model in models:
            peaks[model] += crew.do(one_core)
            for cycle in places[model]:
                found[model, cycle] += crew.do(measure_step, model, cycle)
    crew.close()
    for model in models:
        for cycle in places[model]:
            yield from step_rows(model, cycle, found[model, cycle], peaks[model])
        flops, bandwidth = ([getattr(top, name) / 1e9 for top in peaks[model]] for name in ("flops", "bandwidth"))
        yield Row.of("steps", model.title, "matrix product, one core", "machine", values=flops, unit="GFLOP/s")
        yield Row.of("steps", model.title, "memory bandwidth, one core", "machine", values=bandwidth, unit="GB/s")


def step_rows(model: PaperModel, cycle: int, measured: Sequence[StepCost], peaks: Sequence[Peak]) -> Iterator[Row]:
    """What one network's steps took, and the shares of the limits of the same rounds."""
    at = "-".join(map(str, model.masks[cycle].units_per_layer))
    yield Row.of(
        "steps", model.title, "training step", ENGINE, at=at, values=[1e3 * one.seconds for one in measured], unit="ms"
    )
    both = list(zip(measured, peaks, strict=True))
    share = [one.flops / one.seconds / top.flops for one, top in both]
    yield Row.of("steps", model.title, "share of peak arithmetic", ENGINE, at=at, values=share, unit="of 1")
    share = [one.moved / one.seconds / top.bandwidth for one, top in both]
    yield Row.of("steps", model.title, "share of memory bandwidth", ENGINE, at=at, values=share, unit="of 1")
