"""What one core can do at best: matrix products, and moving memory."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

SIDES = 512, 1024  # of the square matrices: about what a core's cache holds, and more
MEGABYTES = 128  # of each of the two arrays that are copied: more than a cache holds


@dataclass(frozen=True)
class Peak:
    """Floating-point operations and bytes a second."""

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


def product_flops(side: int) -> float:
    """Operations a second in the product of two square matrices."""
    left, right, out = (torch.ones(side, side) for _ in range(3))
    return 2 * side**3 / best(lambda: torch.mm(left, right, out=out), 10)


def one_core() -> Peak:
    """The best of some tries with one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    flops = max(product_flops(side) for side in SIDES)
    source, target = (torch.ones(MEGABYTES * 250_000) for _ in range(2))
    bandwidth = 2 * 4 * source.numel() / best(lambda: target.copy_(source), 5)
    torch.set_num_threads(before)
    return Peak(flops, bandwidth)
