"""DropNet (Tan & Motani, ICML 2020), reproduced: iterative pruning of whole nodes and filters.

Beside this file lies the paper: `algorithm`, and what its reader lays beside it. Algorithm 1 asks of a network only
what `prunable` says; `layers` and `compaction` are the masked and the smaller one of networks by name. The rest has
rooms: `basics`, `data`, `networks`, `engines`, `experiments`, `running`, `analysis`, `verdicts`, `figures`, `pruning`,
`pages`, each with a line about itself in its `__init__`. A room imports only from those that `tests/test_rooms.py` has.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dropnet_core.basics.version import VERSION as __version__

# By default MKL chooses the order of a sum by where in memory a matrix begins. It reads this at its first product, of
# which importing torch makes none; `engines.probe` sees whether it came in time. Worker processes inherit it.
os.environ.setdefault("MKL_CBWR", "AUTO")

if TYPE_CHECKING:
    from dropnet_core.analysis import discrepancies, effects, published, stats
    from dropnet_core.data import load
    from dropnet_core.experiments.experiment import Experiment, experiment
    from dropnet_core.figures import plots
    from dropnet_core.networks.plain import describe
    from dropnet_core.pruning.prune import prune
    from dropnet_core.pruning.saving import load_pruned
    from dropnet_core.pruning.training_loop import training_loop
    from dropnet_core.recipe import Recipe
    from dropnet_core.running.run import masks_by_run, run
    from dropnet_core.running.smaller import smaller_network
    from dropnet_core.stops import Stop

HOMES = {
    "Experiment": "experiments.experiment",
    "Recipe": "recipe",
    "Stop": "stops",
    "describe": "networks.plain",
    "experiment": "experiments.experiment",
    "load": "data",
    "masks_by_run": "running.run",
    "run": "running.run",
    "load_pruned": "pruning.saving",
    "prune": "pruning.prune",
    "smaller_network": "running.smaller",
    "training_loop": "pruning.training_loop",
    "discrepancies": "analysis",
    "effects": "analysis",
    "plots": "figures",
    "published": "analysis",
    "stats": "analysis",
}
"""Where the public names live. They are looked up when they are used: a figure loads Matplotlib, a run PyTorch."""

__all__ = [  # noqa: F822 - see HOMES
    "Experiment", "Recipe", "Stop", "__version__", "describe", "discrepancies", "effects", "experiment", "load",
    "load_pruned", "masks_by_run", "plots", "prune", "published", "run", "smaller_network", "stats", "training_loop",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'dropnet_core' has no attribute '{name}'")
    home = import_module(f"dropnet_core.{HOMES[name]}")
    return getattr(home, name) if hasattr(home, name) else import_module(f"{home.__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *HOMES})
