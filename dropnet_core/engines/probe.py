"""Whether PyTorch multiplies equal matrices to equal bits, wherever they lie in memory.

A library may add up in another order where a matrix begins at another place: MKL does, unless MKL_CBWR tells it not to
(`repeatable`). It cannot be asked whether that came in time, and other libraries have no such setting, so products are
tried. An outcome that is to depend on its job alone relies on this, except in the kernels, which have no such freedom.
"""

import os
import warnings
from collections.abc import Iterable
from functools import cache

import torch
from torch import Tensor

Shape = tuple[int, int, int]
"""Of a product: rows of the left factor, columns of the left and rows of the right one, columns of the right one."""

PLACES = 16  # a float32 begins at one of so many places within 64 bytes
SHAPES: tuple[Shape, ...] = ((2, 32, 101), (3, 17, 65), (5, 22, 33), (8, 32, 65), (10, 48, 7))
"""Small ones of kinds that have been seen to deviate."""


@cache
def check_products(device: torch.device) -> None:
    """Warn where equal products differ: at the first call in a process, which takes milliseconds."""
    found = [shape for dtype in (torch.float32, torch.float64) for shape in deviating(SHAPES, dtype, device)]
    if found:
        rows, inner, columns = found[0]
        warnings.warn(
            f"equal matrices give unequal products on {device}, as {rows}x{inner} times {inner}x{columns} shows: an "
            "outcome may then depend on what was computed before it. If PyTorch multiplies with MKL, the environment "
            "variable MKL_CBWR must be AUTO before the first product of the process (now it is "
            f"{os.environ.get('MKL_CBWR', 'not set')}): import dropnet_core before anything is computed",
            stacklevel=2,
        )


def deviating(shapes: Iterable[Shape], dtype: torch.dtype, device: torch.device) -> list[Shape]:
    """Those shapes for which some place in memory gives a product other bits than the first."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for rows, inner, columns in shapes:
        left, right = (torch.randn(size, generator=draw, dtype=dtype) for size in ((rows, inner), (inner, columns)))
        first, *others = (product(placed(left, place, device), placed(right, place, device)) for place in range(PLACES))
        if any((other != first).any() for other in others):
            found.append((rows, inner, columns))
    return found


def product(left: Tensor, right: Tensor) -> Tensor:
    """Both ways in which a layer multiplies: as it stands, and with its left factor turned."""
    return torch.cat([left @ right, left.mT.contiguous().mT @ right])


def placed(matrix: Tensor, place: int, device: torch.device) -> Tensor:
    """A copy of a matrix that begins so many numbers behind the beginning of its storage."""
    room = matrix.new_empty(matrix.numel() + place, device=device)
    return room[place:].view_as(matrix).copy_(matrix)
