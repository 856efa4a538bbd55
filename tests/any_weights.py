"""Weights for tests that ask where each number goes."""

import torch
from torch import Tensor

from dropnet_core.basics.streams import stream
from dropnet_core.networks.plain import Network


def any_weights(network: Network, seed: int = 0) -> dict[str, Tensor]:
    """Weights of which none is zero or one, in float64: a part in a wrong place shows."""
    drawn = {n: torch.from_numpy(stream(seed, n).normal(size=s)) for n, s in network.weight_shapes().items()}
    for name, weight in drawn.items():
        if name.endswith("weight"):
            drawn[name] = weight * (2 / weight[0].numel()) ** 0.5
        elif name.endswith("variance"):
            drawn[name] = weight.abs() + 0.5
        else:
            drawn[name] = weight * 0.3 + 0.2
    return drawn
