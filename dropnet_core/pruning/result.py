"""What `prune` returns: the smaller network, how it came about, and what can be done with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from torch import Tensor, nn

from dropnet_core.pruning import saving
from dropnet_core.pruning.cycle import Cycle
from dropnet_core.pruning.latency import SIZES, advice, latency
from dropnet_core.pruning.onnx_file import to_onnx
from dropnet_core.pruning.proof import Proof
from dropnet_core.pruning.units import Units
from dropnet_core.pruning.words import report
from dropnet_core.runs import Run

if TYPE_CHECKING:
    from dropnet_core.figures.charts import Chart


@dataclass(frozen=True, eq=False)
class Result:
    """A smaller network and its history.

    model     an ordinary module of the class that was given, trained, in evaluation mode
    whole     the network that was given, with its first weights
    units     what could be dropped, and why the rest could not
    run       the rules of the run
    cycles    every network that was trained, the whole one first
    returned  the number of the cycle that `model` is
    example   a few of the images
    multiple  of which widths in channels are one
    """

    model: nn.Module = field(repr=False)
    whole: nn.Module = field(repr=False)
    units: Units = field(repr=False)
    run: Run
    cycles: tuple[Cycle, ...] = field(repr=False)
    returned: int
    example: Tensor = field(repr=False)
    multiple: int = 1

    @property
    def cycle(self) -> Cycle:
        """The cycle that is returned."""
        return self.cycles[self.returned]

    @property
    def proof(self) -> Proof:
        """That the model computes and learns what the masked network does; one was made at each cut."""
        return self.cycle.proof

    @property
    def failed(self) -> int | None:
        """The number of the cycle that fell to kappa times the whole network's accuracy or lower; None if none did."""
        return self.run.stop.first_fallen(self.cycles) if self.run.stop.rule == "kappa" else None

    @property
    def history(self) -> pd.DataFrame:
        """A row for each network that was trained, the whole one first."""
        return pd.DataFrame(
            {
                "cycle": number,
                "units_remaining": cycle.mask.units_remaining,
                "fraction_remaining": cycle.fraction_remaining,
                "parameters": cycle.parameters,
                "macs": cycle.macs,
                "accuracy": cycle.accuracy,
                "seconds": cycle.seconds,
                "returned": number == self.returned,
            }
            for number, cycle in enumerate(self.cycles)
        )

    @property
    def layers(self) -> pd.DataFrame:
        """A row for each layer: its units before and after, and the layers that it is tied to."""
        return pd.DataFrame(
            {"layer": layer.name, "before": len(layer.units), "after": after, "tied_to": ", ".join(layer.others)}
            for layer, after in zip(self.units.layers, self.cycle.mask.units_per_layer, strict=True)
        )

    def report(self, latency: pd.DataFrame | None = None) -> str:
        """The result in words, with what a table of `latency` says, if there is one."""
        text = report(self.run, self.cycles, self.returned, self.failed, self.units, self.layers)
        return text if latency is None else f"{text}\n\n{advice(latency, self.multiple)}"

    def latency(self, *, images: Sequence[int] = SIZES, runtime: str = "torch") -> pd.DataFrame:
        """Milliseconds that the whole and the smaller network take for 1, 8 and 64 images: see `latency.latency`."""
        return latency({"whole": self.whole, "smaller": self.model}, self.example, images=images, runtime=runtime)

    def plot(self) -> "Chart":
        """Accuracy over the parameters of each network; as the last line of a notebook cell it shows itself."""
        from dropnet_core.pruning.pictures import history_figure  # loads Matplotlib, which training needs not

        return history_figure(self.history, self.run.stop, self.run.metric)

    def to_onnx(self, path: str | Path) -> float:
        """Write the model as an ONNX file for any number of images; needs the extra `onnx`.

        Returns how far its outputs in onnxruntime are from the model's, relative to the largest. Raises InputError if
        that is above 1e-5, or if it cannot be written.
        """
        return to_onnx(self.model, self.example, Path(path).expanduser())

    def save(self, path: str | Path) -> None:
        """Write the model into one safetensors file, which `load_pruned` reads. Raises InputError if it cannot."""
        saving.save(self.model, self.whole, path)
