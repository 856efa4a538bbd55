"""Where the numbers of a convolutional network lie in its memory."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from dropnet_core.engines.kernels.map_kernels import GROUP
from dropnet_core.engines.kernels.model import Memory, Plan, round_up
from dropnet_core.engines.kernels.tile_kernels import TILE
from dropnet_core.engines.kernels.vectors import LANES

FIRST, TILED, DENSE = range(3)

MAP_LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            "kind channels height width units down right weights row bias x x_row x_channel x_slopes y y_row y_channel "
            "y_slopes winners learnt learnt_bias tiles tile_step plane products product_plane v v_plane scratch "
            "scratch_plane turned"
        ).split()
    ]
)
"""A layer's sizes, and the places of its numbers in the memory:

kind                FIRST (a convolution by its definition), TILED (one by Winograd's tiles) or DENSE
channels, height, width  what it reads; of a dense layer the channels are its inputs
units, down, right  what it hands on, pooled; of a dense layer (units, 1, 1)
row                 its weights of one unit: 9 * channels in the first convolution, else the channels rounded up
weights, bias       first convolution (units, channels, 9); tiled (9, units, row), its taps v_plane apart; dense
                    (units, row); beyond the channels stand zeros
x                   its input maps with their border, x_row and x_channel the distances; x_slopes their slopes
y                   the first pixel of its values inside the next layer's maps, y_slopes that of their slopes
winners             (units, down, right, 32): which corner of each window was largest
learnt, learnt_bias  what a batch has taught so far, added to the weights at its end: as weights, but of a tiled layer
                    the transformed filters (16, units, row)
tiles               of a tiled layer U (tiles, 16, channels, 32), tile_step and plane apart, kept for the way back
products            the slopes of one tile's M (16, units, 32), product_plane apart
turned              a plane of U, or a dense layer's input, turned: (32, row)
v                   a tiled layer's transformed filters (16, units, row), v_plane apart
scratch             of a tiled layer one tile's products (16, channels or units, 32), scratch_plane apart; of the first
                    layer the sums of its taps (units, 9, 16)
"""


class MapPlaces(NamedTuple):
    """Places that no layer owns.

    scale   minus the learning rate over the images of the batch
    labels  (32); out (2, 32), losses and right answers: a group as the softmax sees it
    floors  0 and minus infinity, below which no value of a hidden layer and of the output falls
    sums    (units, 2, 32), what is counted of a layer over the positions of each image
    learnt  where what a batch teaches all layers begins; learnt_end, where it ends
    """

    scale: int
    labels: int
    out: int
    floors: int
    sums: int
    learnt: int
    learnt_end: int


def map_plan(shape: tuple[int, int, int], shapes: Sequence[tuple[int, ...]]) -> Plan:
    """Where the numbers of a network lie whose weights have these shapes, for images (channels, height, width)."""
    memory, layers = Memory(), np.zeros(len(shapes), MAP_LAYER)
    channels, height, width = shape
    for i, (layer, own) in enumerate(zip(layers, shapes, strict=True)):
        kind = DENSE if len(own) == 2 else TILED if i else FIRST
        if kind == DENSE:
            channels, height, width = channels * height * width, 1, 1
        down, right = (1, 1) if kind == DENSE else (height // 2, width // 2)
        row = channels * 9 if kind == FIRST else round_up(channels, 8)
        sizes = kind, channels, height, width, own[0], down, right, row
        for name, value in zip("kind channels height width units down right row".split(), sizes, strict=True):
            layer[name] = value
        layer["v_plane"] = odd_lines(own[0] * row)
        layer["weights"] = memory.take((9 if kind == TILED else 1) * int(layer["v_plane"]))
        layer["bias"] = memory.take(own[0])
        channels, height, width = own[0], down, right
    learnt = memory.size
    for layer in layers:
        layer["learnt"] = memory.take((TILE if layer["kind"] == TILED else 1) * int(layer["v_plane"]))
        layer["learnt_bias"] = memory.take(int(layer["units"]))
    learnt_end = memory.size
    for layer in layers:
        take_maps(memory, layer)
    join_layers(memory, layers)
    places = MapPlaces(
        scale=memory.take(1), labels=memory.take(GROUP), out=memory.take(2 * GROUP), floors=memory.take(2),
        sums=memory.take(int(layers["units"].max()) * 2 * GROUP), learnt=learnt, learnt_end=learnt_end,
    )  # fmt: skip
    return layers, places, learnt, memory.size


def take_maps(memory: Memory, layer: Any) -> None:
    """Places for what a layer reads, and for what it needs on the way."""
    channels, units, height, width = (int(layer[name]) for name in ("channels", "units", "height", "width"))
    tiles = int(layer["down"] * layer["right"])
    if layer["kind"] == DENSE:
        layer["x"], layer["x_slopes"] = memory.take(round_up(channels, 4) * GROUP), memory.take(channels * GROUP)
        layer["turned"] = memory.take(GROUP * int(layer["row"]))
        return
    layer["x_row"] = (round_up(width, 2) + 2) * GROUP
    layer["x_channel"] = (round_up(height, 2) + 2) * layer["x_row"]
    layer["x"] = memory.take(channels * int(layer["x_channel"]))
    layer["winners"] = memory.take(units * tiles * GROUP)
    if layer["kind"] == FIRST:
        layer["scratch"] = memory.take(units * 9 * LANES)
        return
    layer["x_slopes"] = memory.take(channels * int(layer["x_channel"]))
    # Planes lie an odd number of lines apart: at a power of two they would share few places of the cache.
    layer["plane"], layer["product_plane"] = odd_lines(round_up(channels, 4) * GROUP), odd_lines(units * GROUP)
    layer["tile_step"] = TILE * layer["plane"]
    layer["tiles"] = memory.take(tiles * int(layer["tile_step"]))
    layer["products"] = memory.take(TILE * int(layer["product_plane"]))
    layer["turned"] = memory.take(GROUP * int(layer["row"]))
    layer["v"] = memory.take(TILE * int(layer["v_plane"]))
    layer["scratch_plane"] = odd_lines(max(channels, units) * GROUP)
    layer["scratch"] = memory.take(TILE * int(layer["scratch_plane"]))


def join_layers(memory: Memory, layers: np.ndarray) -> None:
    """Each layer writes where the next one reads; the logits get places of their own."""
    for layer, following in pairwise(layers):
        if following["kind"] == DENSE:
            layer["y"], layer["y_slopes"] = following["x"], following["x_slopes"]
            layer["y_row"] = layer["right"] * GROUP
            layer["y_channel"] = layer["down"] * layer["y_row"]
        else:
            inside = following["x_row"] + GROUP
            layer["y"], layer["y_slopes"] = following["x"] + inside, following["x_slopes"] + inside
            layer["y_row"], layer["y_channel"] = following["x_row"], following["x_channel"]
    output = layers[-1]
    for name in ("y", "y_slopes"):
        output[name] = memory.take(int(output["units"]) * GROUP)


def odd_lines(floats: int) -> int:
    """Room for so many floats that is an odd number of lines."""
    return (-(-floats // LANES) | 1) * LANES
