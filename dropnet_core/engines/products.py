"""Batched products in which a member's bits depend on this member alone, whatever stands beside it.

One member times one image would be a matrix times a vector, for which libraries have code of its own that rounds
otherwise: such a member is multiplied beside a copy of itself. All else is a promise of the library (`probe`).
"""

import torch
from torch import Tensor


def multiply(left: Tensor, right: Tensor, out: Tensor) -> None:
    """Fill `out` (members, rows, columns) with left (members, rows, inner) times right (members, inner, columns)."""
    if lone_vector(left, right):
        out.copy_(torch.bmm(twice(left), twice(right))[:1])
    else:
        torch.bmm(left, right, out=out)


def add_product(total: Tensor, left: Tensor, right: Tensor, scale: float) -> None:
    """Add `scale` times the product to `total` (members, rows, columns), in place."""
    if lone_vector(left, right):
        total.copy_(torch.baddbmm(twice(total), twice(left), twice(right), alpha=scale)[:1])
    else:
        total.baddbmm_(left, right, alpha=scale)


def lone_vector(left: Tensor, right: Tensor) -> bool:
    return len(left) == 1 and (1 in left.shape[1:] or right.shape[2] == 1)


def twice(member: Tensor) -> Tensor:
    return member.expand(2, -1, -1)
