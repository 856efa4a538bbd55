"""Ways to train a list of jobs; all of them agree with `reference`, which is the definition."""

import torch

from dropnet_core.engines import compact, kernels, reference  # noqa: F401 - importing them registers them
from dropnet_core.engines.interface import Engine, Take, engines
from dropnet_core.networks.plain import Network
from dropnet_core.recipe import Recipe

__all__ = ["Engine", "Take", "compile_kernels", "engines", "fastest"]


def compile_kernels(augmented: bool = False) -> None:
    """Compile the engine "kernels", unless that has been done, before processes run side by side that each would."""
    from dropnet_core.engines.kernels import ahead  # takes a second, and nothing but training needs it

    ahead.compile_kernels(augmented)


def fastest(network: Network, recipe: Recipe, device: torch.device) -> str:
    """The name of the fastest engine that can train this network by this recipe on this device."""
    return "compact" if kernels.refusal(network, recipe, device) else "kernels"
