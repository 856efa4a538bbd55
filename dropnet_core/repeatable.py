"""Arithmetic that gives the same bits each time, and the precision that a recipe names."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread, no TF32 in place of float32, and deterministic convolutions; as before on leaving.

    The number of threads changes sums in their last digits; a GPU's default convolutions round to 10 bits and add
    up in any order.
    """
    cudnn = torch.backends.cudnn
    before = torch.get_num_threads(), cudnn.allow_tf32, cudnn.deterministic
    torch.set_num_threads(1)
    cudnn.allow_tf32, cudnn.deterministic = False, True
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cudnn.allow_tf32, cudnn.deterministic = before[1:]
