"""Arithmetic that gives the same bits each time."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dropnet_core.basics.precision import shortened_float32


@contextmanager
def gradients() -> Iterator[None]:
    """Autograd at work, also for whoever calls from inside `torch.no_grad` or `torch.inference_mode`."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread, no TF32 unless a recipe names it, deterministic convolutions, gradients; as before on leaving.

    The number of threads changes sums in their last digits; a GPU's default convolutions round to 10 bits and add
    up in any order.
    """
    cudnn = torch.backends.cudnn
    before = torch.get_num_threads(), cudnn.deterministic
    torch.set_num_threads(1)
    cudnn.deterministic = True
    try:
        with shortened_float32(False), gradients():
            yield
    finally:
        torch.set_num_threads(before[0])
        cudnn.deterministic = before[1]
