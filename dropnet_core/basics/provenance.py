"""Where something was computed, on what, when."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

from dropnet_core.basics.version import VERSION

KERNELS = "kernels"  # the engine whose bits are the same everywhere; a change of its bits gives it another name


def rounding(engine: str, hardware: str, augmented: bool = False) -> str:
    """Whose arithmetic an engine's trainings are rounded by.

    The kernels' is the same on every processor, but for the sines and the interpolation that make augmented images;
    that of PyTorch's libraries differs from one to another.
    """
    if engine != KERNELS:
        return f"PyTorch on {hardware}"
    return f"{KERNELS}, images augmented on {hardware}" if augmented else KERNELS


def rounding_of(provenance: Mapping[str, str]) -> str:
    """Whose arithmetic an outcome of this provenance was rounded by. That of 0.1.0 does not say: it was PyTorch's."""
    return provenance.get("rounding") or rounding("", provenance.get("hardware", "an unknown processor"))


def outcome_provenance(engine: str, device: torch.device, augmented: bool) -> dict[str, str]:
    """The engine, device, hardware, rounding, versions and time (UTC) of an outcome that has just been made."""
    return {
        "engine": engine,
        "device": device.type,
        "hardware": hardware(device),
        "rounding": rounding(engine, hardware(device), augmented),
        "torch": torch.__version__,
        "version": VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def hardware(device: torch.device) -> str:
    """The name of what computes on a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()


@cache
def processor() -> str:
    """The processor's name, as precisely as the system gives it away."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
