"""DropNet (Tan & Motani, ICML 2020), reproduced: iterative pruning of whole nodes and filters."""

from dropnet_core.experiments import Experiment, experiment
from dropnet_core.recipe import Recipe
from dropnet_core.running import run
from dropnet_core.smaller import smaller_network
from dropnet_core.stops import Stop
from dropnet_core.version import VERSION as __version__

__all__ = ["Experiment", "Recipe", "Stop", "__version__", "experiment", "run", "smaller_network"]
