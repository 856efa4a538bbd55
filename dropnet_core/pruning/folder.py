"""A folder from which a run that was stopped goes on: its settings, its first weights, a file for each cycle."""

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dropnet_core.basics.errors import InputError
from dropnet_core.masks import Mask
from dropnet_core.pruning.cut import cut
from dropnet_core.pruning.cycle import Cycle
from dropnet_core.pruning.dropping import State
from dropnet_core.pruning.files import read, write
from dropnet_core.pruning.proof import Proof
from dropnet_core.pruning.saving import restore, state
from dropnet_core.pruning.units import Units, tensors


@dataclass(frozen=True)
class Folder:
    """Where the cycles of one run lie.

    A file is written as a whole or not at all, so a run that is killed loses no more than the cycle it was in.
    """

    path: Path

    @classmethod
    def of(cls, path: str | Path) -> "Folder":
        folder = Path(path).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {folder}: {error}; choose another") from error
        return cls(folder)

    def begin(self, settings: dict[str, Any], first: nn.Module) -> None:
        """Note the run's settings and first weights or, where they are noted, take these weights.

        Raises InputError if the folder holds a run with other settings, or with another network.
        """
        noted, weights = self.path / "settings.json", self.path / "first.safetensors"
        if not weights.exists():
            write(weights, *state(first, first))
        else:
            stored, header = read(weights)
            if any(not torch.equal(stored[name], tensor.cpu()) for name, tensor in tensors(first) if name in stored):
                warnings.warn(
                    f"{self.path} goes on from the first weights it holds, not from those given", stacklevel=4
                )
            restore(first, stored, header, weights)
        if not noted.exists():
            beside = noted.with_name(f".{noted.name}.{os.getpid()}")
            beside.write_text(json.dumps(settings, indent=1), "utf-8")
            os.replace(beside, noted)
        before = json.loads(noted.read_text("utf-8"))
        for name, value in settings.items():
            if before.get(name) != value:
                raise InputError(
                    f"{self.path} holds a run with {name} {before.get(name)!r}, not {value!r}; choose another folder, "
                    "or delete this one"
                )

    def cycle(self, number: int) -> Path:
        return self.path / f"cycle{number:03d}.safetensors"

    def write(self, number: int, small: nn.Module, whole: nn.Module, cycle: Cycle) -> None:
        """Keep a finished cycle."""
        stored, header = state(small, whole)
        header["cycle"] = {
            "chosen": bits(cycle.state.chosen),
            "kept": bits(cycle.state.kept),
            "drops": cycle.state.drops,
            "accuracy": cycle.accuracy,
            "statistics": {name: [layer.tolist() for layer in layers] for name, layers in cycle.statistics.items()},
            "proof": [cycle.proof.evaluation, cycle.proof.training, cycle.proof.gradients],
            "parameters": cycle.parameters,
            "macs": cycle.macs,
            "seconds": cycle.seconds,
        }
        write(self.cycle(number), stored, header)

    def read(self, number: int, whole: nn.Module, units: Units) -> tuple[nn.Module, Cycle] | None:
        """A finished cycle's network and what came of it; None if it was not finished."""
        path = self.cycle(number)
        if not path.exists():
            return None
        stored, header = read(path)
        small = cut(whole, units, Mask.full(units.widths))
        restore(small, stored, header, path)
        kept = header["cycle"]
        measured = {
            name: [np.array(layer, dtype=np.float64) for layer in layers] for name, layers in kept["statistics"].items()
        }
        reached = State(mask(kept["chosen"]), mask(kept["kept"]), kept["drops"])
        return small.eval(), Cycle(
            reached,
            kept["accuracy"],
            measured,
            Proof(*kept["proof"]),
            kept["parameters"],
            kept["macs"],
            kept["seconds"],
        )


def bits(mask: Mask) -> list[str]:
    """A mask as text that one can read: a 1 for each unit that is kept."""
    return ["".join("01"[int(unit)] for unit in layer) for layer in mask.layers]


def mask(text: list[str]) -> Mask:
    """The mask that `bits` wrote."""
    return Mask([unit == "1" for unit in layer] for layer in text)
