"""Where an outcome was computed, on what, when."""

import platform
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import torch

from dropnet_core.training import Outcome
from dropnet_core.version import VERSION


def stamped(outcome: Outcome, engine: str, device: torch.device) -> Outcome:
    """The outcome with the engine, the device, the hardware, the versions and the time (UTC) it was made."""
    return replace(
        outcome,
        provenance={
            "engine": engine,
            "device": device.type,
            "hardware": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
            "torch": torch.__version__,
            "version": VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )


@cache
def processor() -> str:
    """The processor's name, as precisely as the system gives it away."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
