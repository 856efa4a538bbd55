"""ResNet18 and VGG19 with fewer and fewer units left: compacted beside masked, seconds an epoch and memory."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter

import torch

from benchmarks.memory import peak_so_far
from benchmarks.processes import Crew, cores
from benchmarks.rows import Row
from benchmarks.ways import seconds
from dropnet_core.basics.repeatable import repeatable
from dropnet_core.basics.streams import stream
from dropnet_core.compaction import compact, counts, shrink
from dropnet_core.data import DataSet, Split
from dropnet_core.data.facts import DATA_FACTS
from dropnet_core.engines.memory import pass_bytes, step_bytes
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.training import EVALUATION_PIXELS, epoch_plan, evaluate, train_epoch

DEEP_NETWORKS = {"ResNet18": "resnet18", "VGG19": "vgg19"}
DEEP_FRACTIONS = (1.0, 0.5, 0.25, 0.125)  # of the units, left in every layer
DEEP_WAYS = ("reference", "compact")
TINY_IMAGENET = DATA_FACTS["tinyimagenet"]  # whose images and recipe are taken
DEEP_RECIPE = Recipe(patience=10, shuffle=True, augment="affine")
EVALUATED_IMAGES = 32  # images that are evaluated in one measurement
PASS_IMAGES = EVALUATION_PIXELS // math.prod(TINY_IMAGENET.shape[1:])  # images that are scored at once
STEPS_MEASURED = {
    ("compact", 0.5): 2,
    ("compact", 0.25): 4,
    ("compact", 0.125): 8,
}  # of one measurement; 1 everywhere else


@cache
def deep_job(name: str, fraction: float) -> Job:
    """One training with this fraction of the units, drawn at random in each layer.

    As with any real score, the layers that a residual sum adds up then keep different channels, and the sum keeps
    those of all of them.
    """
    network = describe(name, TINY_IMAGENET.shape, TINY_IMAGENET.classes)
    draw = stream(0, "deep", str(fraction))
    mask = Mask(draw.permutation(width) < max(1, round(fraction * width)) for width in network.widths)
    return Job(DEEP_RECIPE, network, 0, 0, mask)


def noise_images(training: int, others: int) -> DataSet:
    """Images of the right shape, number and bytes; time and memory do not depend on what they show."""
    random = torch.Generator().manual_seed(0)

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, *TINY_IMAGENET.shape), dtype=torch.uint8, generator=random)
        return Split(images, torch.randint(0, TINY_IMAGENET.classes, (count,), generator=random))

    return DataSet.of("noise", split(training), split(others), split(others), TINY_IMAGENET.classes)


def module_of(way: str, job: Job) -> PlainNetwork:
    """What the engine of this name trains."""
    if way == "reference":
        return MaskedNetwork(job.network, job.first_weights(), job.mask)
    small = PlainNetwork(*compact(job.network, job.mask, job.first_weights()))
    return small.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs lack it


def epoch_seconds(way: str, name: str, fraction: float, steps: int) -> float:
    """Runs in a process of a crew: seconds that an epoch of Tiny ImageNet takes one thread.

    From so many steps of training, and the evaluation of a few images; the epoch has the training images that fill
    whole batches, and all validation images.
    """
    data, model = (
        noise_images(steps * DEEP_RECIPE.batch_size, EVALUATED_IMAGES),
        module_of(way, deep_job(name, fraction)),
    )
    with repeatable():
        started = perf_counter()
        train_epoch(model, data, DEEP_RECIPE, *epoch_plan(data.train, DEEP_RECIPE, 0, 0))
        trained = perf_counter()
        evaluate(model, data.validation, torch.float32)
        evaluated = perf_counter()
    images = TINY_IMAGENET.images
    training = images["train"] // DEEP_RECIPE.batch_size * (trained - started) / steps
    return training + images["validation"] * (evaluated - trained) / EVALUATED_IMAGES


def time_rows(networks: Mapping[str, str], fractions: Sequence[float], rounds: int) -> Iterator[Row]:
    """Each way and fraction in turn, in several rounds, every core busy with a network of its own."""
    crew = Crew(cores())
    places = [(way, name, fraction) for name in networks.values() for fraction in fractions for way in DEEP_WAYS]
    for place in places:
        if place[0] == "compact" or place[2] == fractions[0]:  # masked networks are alike
            crew.do(epoch_seconds, *place, 1)  # the first call sets things up
    found: dict[tuple[str, str, float], list[float]] = {place: [] for place in places}
    for _ in range(rounds):
        for way, name, fraction in places:
            taken = crew.do(epoch_seconds, way, name, fraction, STEPS_MEASURED.get((way, fraction), 1))
            found[way, name, fraction].append(sum(taken) / crew.count**2)  # the mean, of as many networks at once
    crew.close()
    for title, name in networks.items():
        for fraction in fractions:
            slow, fast = (found[way, name, fraction] for way in DEEP_WAYS)
            for way, measured in zip(DEEP_WAYS, (slow, fast), strict=True):
                yield Row.of("deep", title, "epoch of a network", way, at=f"{fraction:g}", values=measured, unit="s")
            ratio = [a / b for a, b in zip(slow, fast, strict=True)]
            yield Row.of(
                "deep", title, "times faster", "compact/reference", at=f"{fraction:g}", values=ratio, unit="times"
            )


def peak_megabytes(way: str, name: str, fraction: float) -> tuple[float, float]:
    """Runs in a process of its own: megabytes at the peak of one epoch with evaluation and scoring, and how many of
    them came after the libraries and the data were there. As many images as are scored at once."""
    seconds(way, [deep_job("vgg19/64", 1.0)], noise_images(2, 2), 1)  # the first call sets things up
    data = noise_images(PASS_IMAGES, PASS_IMAGES)
    before = megabytes_now()
    seconds(way, [deep_job(name, fraction)], data, 1)
    return peak_so_far(), peak_so_far() - before


def megabytes_now() -> float:
    """The megabytes that this process holds; where only the peak is known, that."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_so_far()
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def predicted_megabytes(way: str, name: str, fraction: float) -> tuple[float, float]:
    """The megabytes that `memory` foretells of a step and of scoring.

    It does so for whole networks; around a compacted one the first weights are whole, too, and when it is scored all
    weights are put back into their places.
    """
    one = deep_job(name, fraction)
    network = one.network if way == "reference" else shrink(one.network, one.mask)
    gone = 4 * (counts(one.network).parameters - counts(network).parameters)
    step = step_bytes(network, DEEP_RECIPE.batch_size, masked=way == "reference") + gone
    return step / 1e6, (pass_bytes(network, PASS_IMAGES) + 2 * gone) / 1e6


def memory_rows(networks: Mapping[str, str], fractions: Sequence[float]) -> Iterator[Row]:
    """Each way at each fraction in a fresh process; masked networks are alike, and measured at both ends."""
    places = [
        (way, name, fraction)
        for name in networks.values()
        for way in DEEP_WAYS
        for fraction in (fractions if way == "compact" else (fractions[0], fractions[-1]))
    ]
    titles = {name: title for title, name in networks.items()}
    context = get_context("spawn")
    with ProcessPoolExecutor(cores(), context, max_tasks_per_child=1) as pool:
        running = [pool.submit(peak_megabytes, *place) for place in places]
        for (way, name, fraction), future in zip(places, running, strict=True):
            whole, taken = future.result()
            step, scoring = predicted_megabytes(way, name, fraction)
            for quantity, megabytes in (
                ("peak of a process", whole),
                ("taken by training", taken),
                ("foretold of a step", step),
                ("foretold of scoring", scoring),
            ):
                yield Row.of("deep", titles[name], quantity, way, at=f"{fraction:g}", values=[megabytes], unit="MB")


def deep(
    networks: Mapping[str, str] = DEEP_NETWORKS, fractions: Sequence[float] = DEEP_FRACTIONS, rounds: int = 3
) -> Iterator[Row]:
    """Time, then memory."""
    yield from time_rows(networks, fractions, rounds)
    yield from memory_rows(networks, fractions)
