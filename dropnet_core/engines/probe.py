"""Whether equal networks that are multiplied side by side get equal bits, which an engine of many networks relies on.

A library may add up in another order where a matrix begins at another place in memory: MKL does, unless MKL_CBWR tells
it not to (`repeatable`). It cannot be asked whether that came in time, and other libraries have no such setting, so
products are tried.
"""

import os
import warnings
from collections.abc import Iterable, Iterator
from functools import cache

import torch
from torch import Tensor

from dropnet_core.engines.products import add_product, multiply

Shape = tuple[int, int, int]
"""Of a product: rows of the left factor, columns of the left and rows of the right one, columns of the right one."""

MEMBERS = 17  # a member begins at one of 16 places within 64 bytes, whatever its size
SHAPES: tuple[Shape, ...] = ((2, 32, 101), (3, 17, 65), (5, 22, 33), (8, 32, 65), (10, 48, 7))
"""Small ones of kinds that have been seen to deviate; odd sizes let the members begin at all places."""


@cache
def check_products(device: torch.device) -> None:
    """Warn where equal members of one product differ: at the first call in a process, which takes milliseconds."""
    found = [shape for dtype in (torch.float32, torch.float64) for shape in deviating(SHAPES, dtype, device)]
    if found:
        rows, inner, columns = found[0]
        warnings.warn(
            f"equal networks trained side by side get unequal bits on {device}, as {rows}x{inner} matrices times "
            f"{inner}x{columns} ones show: an outcome then depends on what is trained beside it. If PyTorch multiplies "
            "with MKL, the environment variable MKL_CBWR must be AUTO before the first product of the process "
            f"(now it is {os.environ.get('MKL_CBWR', 'not set')}): import dropnet_core before anything is computed. "
            "Elsewhere choose the engine 'compact', which trains one network at a time",
            stacklevel=2,
        )


def deviating(shapes: Iterable[Shape], dtype: torch.dtype, device: torch.device) -> list[Shape]:
    """Those shapes in which a member of a batched product does not have the bits that it has alone."""
    draw = torch.Generator().manual_seed(0)
    found = []
    for rows, inner, columns in shapes:
        left, right, added = (
            torch.randn(1, *size, generator=draw, dtype=dtype).to(device)
            for size in ((rows, inner), (inner, columns), (rows, columns))
        )
        alone = products(left, right, added, 1)
        if any((many != one).any() for one, many in zip(alone, products(left, right, added, MEMBERS), strict=True)):
            found.append((rows, inner, columns))
    return found


def products(left: Tensor, right: Tensor, added: Tensor, members: int) -> Iterator[Tensor]:
    """The product (members, rows, columns) of equal members in each way that engines have.

    Either factor may lie in memory by columns, the right one may be shared, and the product may be added to something.
    """
    for by_columns in ((False, False), (True, False), (False, True)):
        a, b = (copies(factor, members, turned) for factor, turned in zip((left, right), by_columns, strict=True))
        for factor in (b, b[:1].expand_as(b)):
            product, total = copies(torch.empty_like(added), members), copies(added, members)
            multiply(a, factor, product)
            add_product(total, a, factor, -0.1)
            yield product
            yield total


def copies(matrix: Tensor, members: int, by_columns: bool = False) -> Tensor:
    """So many copies of a matrix (1, rows, columns), one behind the other."""
    return matrix.mT.repeat(members, 1, 1).mT if by_columns else matrix.repeat(members, 1, 1)
