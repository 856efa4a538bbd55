"""Where an outcome was computed, on what, when."""

import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

from dropnet_core.training import Outcome
from dropnet_core.version import VERSION

KERNELS = "kernels"  # the engine whose bits are the same everywhere; a change of its bits gives it another name


def rounding(provenance: Mapping[str, str]) -> str:
    """Whose arithmetic an outcome of this provenance was rounded by.

    The kernels' is the same on every processor; that of PyTorch's libraries differs from one to another.
    """
    engine = provenance.get("engine", "")
    return engine if engine == KERNELS else f"PyTorch on {provenance.get('hardware', 'an unknown processor')}"


def stamped(outcome: Outcome, engine: str, device: torch.device) -> Outcome:
    """The outcome with the engine, the device, the hardware, the versions and the time (UTC) it was made."""
    return replace(
        outcome,
        provenance={
            "engine": engine,
            "device": device.type,
            "hardware": hardware(device),
            "torch": torch.__version__,
            "version": VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


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
