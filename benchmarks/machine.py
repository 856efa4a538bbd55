"""What the processor can do at best: matrix products and moving memory, on all cores at once."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

from benchmarks.processes import Crew

SIDE = 768  # of the square matrices: 2.4 MB each, about what a core's cache holds
MEGABYTES = 128  # of each of the two arrays that are copied: more than a cache holds


@dataclass(frozen=True)
class Peak:
    """Operations and bytes a second of the whole machine."""

    flops: float
    bandwidth: float


def best(task: Callable[[], object], times: int) -> float:
    """The shortest of so many runs, seconds."""
    shortest = float("inf")
    for _ in range(times):
        started = perf_counter()
        task()
        shortest = min(shortest, perf_counter() - started)
    return shortest


def one_core() -> Peak:
    """Runs in a process of a crew: the best of some tries with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    left, right, product = (torch.ones(SIDE, SIDE) for _ in range(3))
    flops = 2 * SIDE**3 / best(lambda: torch.mm(left, right, out=product), 20)
    source, target = (torch.ones(MEGABYTES * 250_000) for _ in range(2))
    bandwidth = 2 * 4 * source.numel() / best(lambda: target.copy_(source), 5)
    torch.set_num_threads(before)
    return Peak(flops, bandwidth)


def peak(crew: Crew) -> Peak:
    """The sum over processes that measure at the same time."""
    found = crew.do(one_core)
    return Peak(sum(one.flops for one in found), sum(one.bandwidth for one in found))
