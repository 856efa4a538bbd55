"""Whether the engine and the definition agree in float32, where rounding lets single trainings part."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.stats import ks_2samp, t

from benchmarks.models import ENGINE
from benchmarks.processes import Crew, cores
from benchmarks.rows import Row
from dropnet_core.basics.repeatable import repeatable
from dropnet_core.basics.streams import stream
from dropnet_core.data import load
from dropnet_core.engines import engines
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job

AGREEMENT_NETWORKS = "fc40-fc40", "conv16-conv8"
AGREEMENT_RECIPE = Recipe(patience=2, max_epochs=30)


def agreement_jobs(network: str, seeds: range) -> list[Job]:
    """One training a seed on mnist5k: of the whole network for even seeds, of a random half of it for odd ones."""
    described = describe(network, (1, 28, 28), 10)

    def mask(seed: int) -> Mask:
        if seed % 2 == 0:
            return Mask.full(described.widths)
        draw = stream(seed, "half")
        return Mask(draw.permutation(width) < width / 2 for width in described.widths)

    return [Job(AGREEMENT_RECIPE, described, seed, seed, mask(seed)) for seed in seeds]


def accuracies_and_epochs(engine: str, network: str, seeds: range) -> list[tuple[float, int]]:
    """Runs in a process of a crew: test accuracy and epochs of each seed, in order."""
    wanted, data = agreement_jobs(network, seeds), load("mnist5k")
    waiting = list(wanted)

    def take(count: int) -> list[Job]:
        taken = waiting[:count]
        del waiting[:count]
        return taken

    with repeatable():
        outcomes = dict(engines[engine](data, take))
    return [(outcomes[job].test_accuracy, outcomes[job].history.epochs) for job in wanted]


def engine_agreement(seeds: int = 40, networks: Sequence[str] = AGREEMENT_NETWORKS) -> Iterator[Row]:
    """Two tests for each network and quantity: the mean difference between the engine and the definition over the same
    seeds, with its 95 % interval (Student's t), and the p value of the two-sample Kolmogorov-Smirnov test."""
    crew = Crew(cores())
    parts = [range(start, min(start + 5, seeds)) for start in range(0, seeds, 5)]
    for network in networks:
        tasks = [(name, network, part) for name in ("reference", ENGINE) for part in parts]
        found = [pair for part in crew.share(accuracies_and_epochs, tasks) for pair in part]
        slow, fast = (np.array(half, dtype=float) for half in (found[:seeds], found[seeds:]))
        for column, (quantity, unit) in enumerate((("test accuracy", "of 1"), ("epochs", "epochs"))):
            yield from agreement_rows(
                network, quantity, f"{ENGINE}/reference", slow=slow[:, column], fast=fast[:, column], unit=unit
            )
    crew.close()


def agreement_rows(
    network: str, quantity: str, way: str, *, slow: np.ndarray, fast: np.ndarray, unit: str
) -> Iterator[Row]:
    """The two tests as rows."""
    gap = fast - slow
    reach = float(t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap)))
    mean, seeds = float(gap.mean()), len(gap)
    at = f"{seeds} seeds"
    middle, low, high = (round(end, 6) for end in (mean, mean - reach, mean + reach))
    yield Row("agreement", network, f"mean difference of {quantity}", way, at, middle, low, high, unit, seeds)
    values = [float(ks_2samp(slow, fast).pvalue)]
    yield Row.of("agreement", network, f"p value of {quantity}", way, at=at, values=values, unit="of 1")
    share = [float((slow == fast).mean())]
    yield Row.of("agreement", network, f"seeds with equal {quantity}", way, at=at, values=share, unit="of 1")
