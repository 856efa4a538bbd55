"""Rules of what moves numbers about or reduces them, and leaves units as they are."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx import Node

from dropnet_core.pruning.graph import operator, size
from dropnet_core.pruning.labels import spread, varying
from dropnet_core.pruning.tracing import NotKnown, Tracing, Value, rule

POOLS = tuple(
    f"{kind}_pool{d}d{ending}"
    for d in (1, 2, 3)
    for kind, ending in (
        ("max", ""), ("max", "_with_indices"), ("avg", ""), ("adaptive_avg", ""), ("_adaptive_avg", ""),
        ("adaptive_max", ""), ("lp", ""),
    )
)  # fmt: skip
RESIZED = tuple(
    f"{kind}{d}d"
    for d in (1, 2, 3)
    for kind in ("upsample_nearest", "_upsample_nearest_exact", "reflection_pad", "replication_pad")
) + ("upsample_linear1d", "upsample_bilinear2d", "upsample_bicubic2d", "upsample_trilinear3d")
VIEWS = ("view", "reshape", "flatten", "unflatten", "_unsafe_view", "view_as", "reshape_as", "squeeze", "unsqueeze")
MOVES = ("permute", "transpose", "t", "movedim", "swapaxes", "numpy_T", "mT", "expand", "expand_as", "flip", "repeat")
PARTS = (
    "chunk", "split", "split_with_sizes", "slice", "select", "narrow", "unbind", "tensor_split", "unsafe_chunk",
    "unsafe_split",
)  # fmt: skip
REDUCTIONS = ("mean", "sum", "amax", "amin", "max", "min", "std", "var", "logsumexp", "norm")
NORMALISED = ("softmax", "log_softmax", "cumsum")


@rule(*POOLS, *RESIZED)
def by_map(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    """Each map is pooled or resized on its own."""
    result = node.meta["val"]
    images = run.of(next(iter(given.values())))
    first = result if isinstance(result, Tensor) else result[0]
    if images.dim() < 3 or images.dim() != len(first.shape):
        raise NotKnown(operator(node))
    labels = spread(run.channels(images, 1, node), 1, size(first))
    return labels if isinstance(result, Tensor) else [labels for _ in result]


@rule("pad", "constant_pad_nd")
def padded(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    """Places that are added to a map belong to its unit; maps that are added belong to none."""
    labels, pad, shape = run.of(given["self"]), list(given["pad"]), size(node.meta["val"])
    for d in range(labels.dim()):
        both = slice(2 * (labels.dim() - 1 - d), 2 * (labels.dim() - d))
        if any(pad[both]) and d not in varying(labels):
            labels = labels.narrow(d, 0, 1).expand([shape[d] if i == d else n for i, n in enumerate(labels.shape)])
            pad[both] = [0, 0]
    if given.get("mode", "constant") != "constant" and any(pad):
        raise NotKnown(f"{operator(node)} along units")
    return F.pad(labels, pad, value=0) if any(pad) else labels


@rule(*VIEWS)
def viewed(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    labels = run.of(given["self"])
    result = labels.reshape(size(node.meta["val"]))
    if len(varying(result)) > len(varying(labels)):
        raise NotKnown(f"{operator(node)} that splits the dimension of units")
    return result


@rule(*MOVES)
def moved(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    return applied(node, given | {"self": run.of(given["self"])})


@rule(*PARTS)
def parts(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    """A part of the units cannot be told once some are gone: code counts them by numbers."""
    labels, result = run.of(given["self"]), node.meta["val"]
    if isinstance(result, Tensor) and size(result) == tuple(labels.shape):
        return labels
    if given["dim"] % labels.dim() in varying(labels):
        raise NotKnown(f"{operator(node)} that takes units apart")
    found = applied(node, given | {"self": labels})
    return found if isinstance(found, Tensor) else list(found)


def applied(node: Node, given: dict[str, Any]) -> Any:
    """What an operator makes of labels: it moves them as it moves numbers."""
    target: Any = node.target
    named = {argument.name for argument in target._schema.arguments if argument.kwarg_only}
    return target(
        *[value for name, value in given.items() if name not in named],
        **{name: value for name, value in given.items() if name in named},
    )


@rule("getitem")
def item(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    return given["input"][given["index"]]


@rule("cat", "concat", "concatenate", "stack")
def joined(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    join = torch.stack if operator(node) == "stack" else torch.cat
    return join([run.of(value) for value in given["tensors"]], given["dim"])


@rule(*REDUCTIONS)
def reduced(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    """Over places, not over units."""
    labels, result = run.of(given["self"]), node.meta["val"]
    if not isinstance(result, Tensor):
        raise NotKnown(f"{operator(node)} with places")
    dims = given.get("dim")
    dims = list(range(labels.dim())) if dims in (None, []) else [dims] if isinstance(dims, int) else list(dims)
    dims = [d % labels.dim() for d in dims]
    if set(dims) & set(varying(labels)):
        raise NotKnown(f"{operator(node)} over units")
    first = tuple(slice(0, 1) if d in dims else slice(None) for d in range(labels.dim()))
    return labels[first].reshape(size(result))


@rule(*NORMALISED)
def normalised(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    labels = run.of(given["self"])
    if given["dim"] % labels.dim() in varying(labels):
        raise NotKnown(f"{operator(node)} over units")
    return labels
