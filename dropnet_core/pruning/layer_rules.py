"""Rules of what has weights, and of what goes number by number: who makes units, who reads them, who ties them."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Node

from dropnet_core.pruning.graph import operator, place, size
from dropnet_core.pruning.labels import spread, varying, where_they_differ
from dropnet_core.pruning.tracing import NotKnown, Reader, Tracing, Value, Weight, rule

NOT_TAGGED = ("rsub", "where", "masked_fill", "lerp", "addcmul")  # number by number, though PyTorch does not say so
PASSING = (
    "dropout", "dropout_", "feature_dropout", "feature_dropout_", "alpha_dropout", "alpha_dropout_", "native_dropout",
    "bernoulli", "bernoulli_", "hardswish", "hardswish_", "log_sigmoid", "to", "_to_copy", "type_as", "clone",
    "contiguous", "detach", "detach_", "alias", "lift_fresh_copy", "rand_like", "randn_like", "ones_like", "zeros_like",
    "empty_like", "full_like",
)  # fmt: skip
MAKING = (
    "zeros", "ones", "full", "empty", "rand", "randn", "arange", "scalar_tensor", "new_zeros", "new_ones", "new_empty",
    "new_full",
)  # fmt: skip


def read(run: Tracing, node: Node, weight: Weight, dim: int, channels: np.ndarray, result: tuple[int, ...]) -> None:
    """Note that a node sums over channels of its input, and how often it uses each number of its weight."""
    run.readers.append(Reader(node, dim, channels))
    count_positions(run, weight, dim, result)


def count_positions(run: Tracing, weight: Weight, dim: int, result: tuple[int, ...]) -> None:
    places = math.prod(length for d, length in enumerate(result) if d not in (0, dim))
    run.positions[weight.name] = run.positions.get(weight.name, 0) + places


@rule("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def convolution(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    weight, images = given["weight"], run.of(given["input"])
    transposed, groups = "transpose" in operator(node), given["groups"]
    if not isinstance(weight, Weight):
        raise NotKnown(f"{operator(node)} with a computed weight")
    if images.dim() != len(weight.shape) or (transposed and groups > 1):
        raise NotKnown(f"{operator(node)} without a batch, or transposed in groups")
    rows, columns = run.labels.of_weight(weight.name, weight.shape)[:2]
    if transposed:
        rows, columns = columns, rows
    channels, result = run.channels(images, 1, node), size(node.meta["val"])
    if groups == 1:
        run.labels.tie(columns, channels, place(node))
        read(run, node, weight, 1, channels, result if not transposed else tuple(images.shape))
        run.producers.append((layer_name(weight), rows))
    else:
        grouped(run, node, weight, channels, groups)
        count_positions(run, weight, 1, result)
    run.tie_weight(given["bias"], rows, node)
    return spread(rows, 1, result)


def grouped(run: Tracing, node: Node, weight: Weight, channels: np.ndarray, groups: int) -> None:
    """The channels that a group reads and those it makes are one unit, which goes as a whole."""
    rows, columns = run.labels.of_weight(weight.name, weight.shape)[:2]
    entering, leaving = len(channels) // groups, len(rows) // groups
    first = channels[::entering]
    run.labels.tie(channels, first.repeat(entering), place(node))
    run.labels.tie(rows, first.repeat(leaving), place(node))
    run.labels.weights[weight.name][1] = np.zeros_like(columns)
    run.labels.blocks[weight.name] = channels, entering


@rule("linear")
def dense(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    weight, value = given["weight"], run.of(given["input"])
    if not isinstance(weight, Weight):
        raise NotKnown("linear with a computed weight")
    rows, columns = run.labels.of_weight(weight.name, weight.shape)
    channels, last, result = run.channels(value, -1, node), value.dim() - 1, size(node.meta["val"])
    run.labels.tie(columns, channels, place(node))
    read(run, node, weight, last, channels, result)
    run.producers.append((layer_name(weight), rows))
    run.tie_weight(given["bias"], rows, node)
    return spread(rows, last, result)


def layer_name(weight: Weight) -> str:
    """What a user calls the layer with this weight."""
    return weight.name.removesuffix(".weight")


@rule("batch_norm", "instance_norm")
def normalised(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    channels = run.channels(given["input"], 1, node)
    for name in ("weight", "bias", "running_mean", "running_var"):
        run.tie_weight(given[name], channels, node)
    return spread(channels, 1, size(node.meta["val"]))


@rule("group_norm")
def group_normalised(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    """The channels of a group are one unit: a mean over part of them would be another mean."""
    channels, weight = run.channels(given["input"], 1, node), given["weight"]
    block = len(channels) // given["num_groups"]
    if not isinstance(weight, Weight):
        raise NotKnown("group_norm without weights")
    run.labels.tie(channels, channels[::block].repeat(block), place(node))
    run.labels.blocks[weight.name] = channels, block
    for scale_or_shift in (weight, given["bias"]):
        run.tie_weight(scale_or_shift, channels, node)
    return spread(channels, 1, size(node.meta["val"]))


@rule("prelu")
def prelu(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    value, weight = run.of(given["self"]), given["weight"]
    if not isinstance(weight, Weight) or math.prod(weight.shape) > 1:
        run.tie_weight(weight, run.channels(value, 1, node), node)
    return value


@rule(*PASSING)
def unchanged(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    labels = run.of(next(iter(given.values())))
    return labels if isinstance(node.meta["val"], Tensor) else [labels for _ in node.meta["val"]]


@rule(*MAKING)
def made(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    return torch.zeros((), dtype=torch.int64).expand(size(node.meta["val"]))


@rule("pointwise", *NOT_TAGGED)
def pointwise(run: Tracing, node: Node, given: dict[str, Any]) -> Value:
    """Units that meet at one place are one unit."""
    operands = [run.of(value) for value in given.values() if isinstance(value, Tensor | Weight)]
    result = operands[0]
    for other in operands[1:]:
        result = met(run, node, result, other)
    return result.expand(size(node.meta["val"]))


def met(run: Tracing, node: Node, one: Tensor, other: Tensor) -> Tensor:
    """The labels of what comes of two tensors number by number."""
    shape = torch.broadcast_shapes(one.shape, other.shape)
    one, other = (labels.reshape((1,) * (len(shape) - labels.dim()) + tuple(labels.shape)) for labels in (one, other))
    for labels, wide in ((other, one), (one, other)):
        dims = varying(wide)
        if dims and all(labels.shape[d] == 1 for d in dims):
            run.freeze(labels, f"a unit that all others meet at {place(node)}")
            return wide.expand(shape)
    small, small_other = where_they_differ(one.expand(shape), other.expand(shape))
    run.labels.tie(small, small_other, f"{operator(node)} at {place(node)}")
    return one.expand(shape) if varying(one) or not varying(other) else other.expand(shape)
