"""What the precisions that a recipe can name mean: a type for numbers at rest, and arithmetic for products."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from dropnet_core.basics.errors import InputError

CPU_INFO = Path("/proc/cpuinfo")
CPU_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # what Linux calls it on x86 (vectors, tiles) and on ARM
AMPERE = (8, 0)  # compute capability of the first GPUs with TF32 and bfloat16


def storage(precision: str) -> torch.dtype:
    """The type of weights, their updates, losses and statistics: 64 bits for "float64", else 32."""
    return torch.float64 if precision == "float64" else torch.float32


@contextmanager
def arithmetic(precision: str, device: torch.device) -> Iterator[None]:
    """Compute matrix products and convolutions on a device as the precision says; as before on leaving.

    Whatever was allowed outside is not allowed inside: what is computed depends on the recipe alone.
    """
    # A cache of rounded weights would miss the steps that change the weights in place.
    rounded = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
    with shortened_float32(precision == "tf32"), rounded:
        yield


@contextmanager
def shortened_float32(allowed: bool) -> Iterator[None]:
    """Whether products of float32 may round their inputs to TF32 (10 bits behind the point) or to less.

    Convolutions on a GPU do so unless told not to; products do so where somebody has asked PyTorch for speed.
    """
    with ExitStack() as stack:
        for owner, name, off, on in switches():
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, on if allowed else off)
        yield


def switches() -> list[tuple[Any, str, Any, Any]]:
    """PyTorch's global settings for products of float32: where, name, value for float32, value for TF32."""
    backends: Any = torch.backends
    if not hasattr(backends.cudnn, "conv"):  # torch before 2.9
        return [(owner, "allow_tf32", False, True) for owner in (backends.cuda.matmul, backends.cudnn)]
    gpu, cpu = (backends.cuda.matmul, backends.cudnn.conv), (backends.mkldnn.matmul, backends.mkldnn.conv)
    return [(owner, "fp32_precision", "ieee", "tf32") for owner in (*gpu, *cpu)]


def check_precision(precision: str, device: torch.device) -> None:
    """Raise InputError where a device has no TF32 and float32 would silently stand in for it.

    Warns where a device has no bfloat16 of its own: it computes the same, only slower.
    """
    if precision == "tf32" and not has_tf32(device):
        raise InputError(
            f"{device} cannot compute in TF32, which NVIDIA's GPUs have since compute capability 8.0 (Ampere), and "
            "would take float32 for it; use precision=float32, or a device that can"
        )
    if precision == "bf16" and not has_bfloat16(device):
        warnings.warn(
            f"{device} is not known to compute in bfloat16 by itself: precision=bf16 works, but is likely to be "
            "several times slower than float32",
            stacklevel=2,
        )


def has_tf32(device: torch.device) -> bool:
    """Whether a device rounds to TF32 where that is allowed."""
    return device.type == "cuda" and torch.version.cuda is not None and capability(device) >= AMPERE


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device is known to have instructions for bfloat16."""
    if device.type == "cuda":
        return torch.version.cuda is None or capability(device) >= AMPERE  # AMD's that PyTorch supports have it
    return CPU_INFO.is_file() and not CPU_BFLOAT16.isdisjoint(CPU_INFO.read_text("utf-8").split())


def capability(device: torch.device) -> tuple[int, int]:
    """NVIDIA's number for what a GPU can do."""
    return torch.cuda.get_device_capability(device)
