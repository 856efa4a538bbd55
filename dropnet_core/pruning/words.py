"""A result in words."""

from collections.abc import Sequence

import pandas as pd

from dropnet_core.basics.plural import counted
from dropnet_core.pruning.cycle import Cycle
from dropnet_core.pruning.units import Units
from dropnet_core.runs import Run


def report(
    run: Run, cycles: Sequence[Cycle], returned: int, failed: int | None, units: Units, layers: pd.DataFrame
) -> str:
    """What was trained, what is returned and why, layer by layer, and what stays whole."""
    whole, best = cycles[0], cycles[returned]
    lines = ["cycle   units  remaining  parameters  accuracy"]
    for number, cycle in enumerate(cycles):
        note = "  <- returned" if number == returned else "  fell too far" if number == failed else ""
        lines.append(
            f"{number:5d} {cycle.mask.units_remaining:7d} {cycle.fraction_remaining:10.3f} {cycle.parameters:11,d} "
            f"{cycle.accuracy:9.4f}{note}"
        )
    lines += [
        "",
        f"Returned: {best.mask.units_remaining} of {counted(sum(units.widths), 'unit')}, "
        f"{best.parameters / whole.parameters:.1%} of the parameters, {best.macs / whole.macs:.1%} of the "
        f"multiply-accumulates, accuracy {best.accuracy:.4f} (the whole network: {whole.accuracy:.4f}).",
        ending(run, cycles, failed),
        f"Proof: {best.proof}.",
        "",
        layers.to_string(index=False),
    ]
    if units.whole:
        lines += ["", "Layers with outputs that are never dropped:"]
        lines += [
            f"  {name}: {why} ({counted(channels, 'channel')})"
            for name, found in units.whole.items()
            for why, channels in found.items()
        ]
    return "\n".join(lines)


def ending(run: Run, cycles: Sequence[Cycle], failed: int | None) -> str:
    """Why the run ended where it did."""
    last = len(cycles) - 1
    if cycles[-1].diverged:
        return f"Ended: the activations of cycle {last} are no longer finite numbers; a smaller learning rate may help."
    if failed is not None:
        bound = run.stop.value * cycles[0].accuracy
        return (
            f"Ended: cycle {failed}, with {counted(cycles[failed].mask.units_remaining, 'unit')}, fell to "
            f"{cycles[failed].accuracy:.4f}; the bound is {run.stop.value:g} x {cycles[0].accuracy:.4f} = {bound:.4f}."
        )
    if run.stop(cycles):
        return f"Ended: the stop '{run.stop}' was reached in cycle {last}."
    return "Ended: no layer can lose another unit."
