"""Maps as the kernels lay them out, images last, and as PyTorch does, images first."""

import numpy as np
import torch

GROUP_IMAGES = 32
SIZES = [(1, 2, 2), (3, 4, 6), (2, 5, 7), (1, 2, 9), (4, 7, 4)]  # channels, height, width


def bordered(maps: np.ndarray) -> np.ndarray:
    """Maps (channels, height, width, 32) with a border of zeros; the sides are made even first."""
    height, width = maps.shape[1:3]
    return np.pad(maps, ((0, 0), (1, 1 + height % 2), (1, 1 + width % 2), (0, 0)))


def images_first(maps: np.ndarray) -> torch.Tensor:
    """Maps (channels, height, width, 32) as PyTorch has them, (32, channels, height, width) in float64."""
    return torch.from_numpy(np.ascontiguousarray(maps.transpose(3, 0, 1, 2), np.float64))


def images_last(maps: torch.Tensor) -> np.ndarray:
    """The same the other way round."""
    return maps.numpy().transpose(1, 2, 3, 0)
