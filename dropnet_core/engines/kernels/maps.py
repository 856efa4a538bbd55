"""Plain convolutional networks: convolutions, each with its max-pool, then dense layers; groups of 32 images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dropnet_core.engines.kernels import map_kernels as kernel
from dropnet_core.engines.kernels import tile_kernels as tiles
from dropnet_core.engines.kernels.compiled import compiled
from dropnet_core.engines.kernels.groups import Groups
from dropnet_core.engines.kernels.map_kernels import GROUP
from dropnet_core.engines.kernels.map_layout import DENSE, FIRST, TILED, map_plan
from dropnet_core.engines.kernels.model import Model, aligned_zeros
from dropnet_core.engines.kernels.row_kernels import transpose
from dropnet_core.engines.kernels.softmax import softmax16
from dropnet_core.engines.kernels.tile_kernels import TILE
from dropnet_core.engines.kernels.vectors import LANES, brighten


@compiled
def load_images(memory: Any, layers: Any, pixels: Any) -> None:
    """Fill the first layer's maps."""
    first, at = layers[0], 0
    for c in range(first.channels):
        for i in range(first.height):
            to = first.x + c * first.x_channel + (i + 1) * first.x_row + GROUP
            for n in range(0, first.width * GROUP, LANES):
                brighten(memory, pixels, (to + n, at + n))  # type: ignore[call-arg] # Numba adds the first
            at += first.width * GROUP


@compiled
def first_forward(memory: Any, layer: Any, live: Any) -> None:
    """Pooled values (units, down, right, 32) = the largest of max(0, w * x + b) in each window; b where it is black."""
    plane = layer.down * layer.right * GROUP
    for i in range(layer.down):
        start, stop = live[i, 0], live[i, 1]
        y, winners = layer.y + i * layer.y_row, layer.winners + i * layer.right * GROUP
        for u in range(layer.units):
            bias, to, which = layer.bias + u, y + u * layer.y_channel, winners + u * plane
            kernel.pool_black(memory, (bias, to, which, start))
            kernel.pool_black(memory, (bias, to + stop * GROUP, which + stop * GROUP, layer.right - stop))
        kernel.convolve(
            memory,
            (layer.x + 2 * i * layer.x_row + 2 * start * GROUP, layer.x_row, layer.x_channel, layer.channels,
             layer.weights, layer.bias, layer.units, stop - start,
             y + start * GROUP, layer.y_channel, winners + start * GROUP, plane),
        )  # fmt: skip


@compiled
def first_backward(memory: Any, layer: Any, live: Any) -> None:
    """What each filter (channels, 3, 3) learns: the sum over windows and images of slope times pixel, for each tap."""
    plane = layer.down * layer.right * GROUP
    for c in range(layer.channels):
        memory[layer.scratch : layer.scratch + layer.units * 9 * LANES] = 0
        for i in range(layer.down):
            start, stop = live[i, 0], live[i, 1]
            kernel.correlate(
                memory,
                (layer.x + c * layer.x_channel + 2 * i * layer.x_row + 2 * start * GROUP, layer.x_row,
                 layer.y_slopes + i * layer.y_row + start * GROUP, layer.y_channel,
                 layer.winners + (i * layer.right + start) * GROUP, plane,
                 layer.scratch, layer.units, stop - start),
            )  # fmt: skip
        for u in range(layer.units):
            kernel.gather_taps(memory, (layer.learnt + (u * layer.channels + c) * 9, layer.scratch + u * 9 * LANES))
    learn_conv_bias(memory, layer)


@compiled
def learn_conv_bias(memory: Any, layer: Any) -> None:
    """What each bias learns: the sum of the slopes of its values above 0."""
    plane = layer.down * layer.right * GROUP
    for u in range(layer.units):
        kernel.live_slopes(
            memory,
            (layer.learnt_bias + u, layer.y_slopes + u * layer.y_channel, layer.y_row, layer.winners + u * plane,
             layer.down, layer.right),
        )  # fmt: skip


@compiled
def tiled_forward(memory: Any, layer: Any) -> None:
    """Tile by tile, so that what is read has just been written; the transformed tiles are kept for the way back."""
    plane = layer.down * layer.right * GROUP
    for i in range(layer.down):
        for j in range(layer.right):
            tile_products(memory, layer, i, j, layer.tiles + (i * layer.right + j) * layer.tile_step)
            tiles.pool_tile(
                memory,
                (layer.scratch, layer.scratch_plane, layer.bias, layer.units,
                 layer.y + i * layer.y_row + j * GROUP, layer.y_channel,
                 layer.winners + (i * layer.right + j) * GROUP, plane),
            )  # fmt: skip


@compiled
def tile_products(memory: Any, layer: Any, i: int, j: int, tile: int) -> None:
    """From the input of tile (i, j) to its products in `scratch`; the transformed input stays in `tile`."""
    x = layer.x + 2 * i * layer.x_row + 2 * j * GROUP
    tiles.transform(memory, (x, layer.x_row, layer.x_channel, tile, layer.plane, layer.channels))
    for k in range(TILE):
        kernel.products(
            memory,
            (layer.scratch + k * layer.scratch_plane, layer.v + k * layer.v_plane, layer.row, 1,
             tile + k * layer.plane, layer.units, layer.channels),
        )  # fmt: skip


@compiled
def tiled_backward(memory: Any, layer: Any) -> None:
    """The slopes of the input, and what the transformed filters learn, from the slopes of the pooled values.

    Tile by tile M' = A y' A', U' = V turned times M', V' += M' times U turned, x' += B U' B'.
    """
    learn_conv_bias(memory, layer)
    plane = layer.down * layer.right * GROUP
    for i in range(layer.down):
        for j in range(layer.right):
            tiles.unpool_tile(
                memory,
                (layer.y_slopes + i * layer.y_row + j * GROUP, layer.y_channel,
                 layer.winners + (i * layer.right + j) * GROUP, plane, layer.products, layer.product_plane,
                 layer.units),
            )  # fmt: skip
            tile = layer.tiles + (i * layer.right + j) * layer.tile_step
            for k in range(TILE):
                own = layer.products + k * layer.product_plane
                kernel.products(
                    memory,
                    (layer.scratch + k * layer.scratch_plane, layer.v + k * layer.v_plane, 1, layer.row,
                     own, layer.channels, layer.units),
                )  # fmt: skip
                transpose(memory, tile + k * layer.plane, GROUP, layer.turned, layer.row, layer.channels, GROUP)
                kernel.learn_weights(
                    memory, (layer.learnt + k * layer.v_plane, own, layer.turned, layer.row, layer.units)
                )
            tile_input_slopes(memory, layer, i, j)


@compiled
def tile_input_slopes(memory: Any, layer: Any, i: int, j: int) -> None:
    """The slopes of the input of tile (i, j), from those of its transform in `scratch`. Tiles overlap by two pixels."""
    s = layer.x_slopes + 2 * i * layer.x_row + 2 * j * GROUP
    args = (s, layer.x_row, layer.x_channel, layer.scratch, layer.scratch_plane, layer.channels)
    if i and j:
        tiles.back_both(memory, args)
    elif i:
        tiles.back_top(memory, args)
    elif j:
        tiles.back_left(memory, args)
    else:
        tiles.back_first(memory, args)


@compiled
def dense_forward(memory: Any, layer: Any, floor: int) -> None:
    """y (units, 32) = max(floor, W x + b), from x (inputs, 32)."""
    kernel.products(memory, (layer.y, layer.weights, layer.row, 1, layer.x, layer.units, layer.channels))
    kernel.add_bias(memory, (layer.y, layer.bias, layer.units, floor))


@compiled
def dense_backward(memory: Any, layer: Any, last: bool) -> None:
    """x' (inputs, 32) = W turned times y'; what weights (units, inputs) and biases learn: y' times x turned, and y'."""
    if not last:
        kernel.through_relu(memory, (layer.y_slopes, layer.y, layer.units))
    kernel.products(memory, (layer.x_slopes, layer.weights, 1, layer.row, layer.y_slopes, layer.channels, layer.units))
    transpose(memory, layer.x, GROUP, layer.turned, layer.row, layer.channels, GROUP)
    kernel.learn_weights(memory, (layer.learnt, layer.y_slopes, layer.turned, layer.row, layer.units))
    kernel.gather_bias(memory, (layer.learnt_bias, layer.y_slopes, layer.units))


@compiled
def prepare(memory: Any, layers: Any) -> None:
    """Transform the filters of all tiled layers, once the weights have changed."""
    for layer in layers:
        if layer.kind == TILED:
            tiles.transform_filters(memory, (layer.v, layer.weights, layer.v_plane))


@compiled
def forward(memory: Any, layers: Any, places: Any, live: Any) -> None:
    """All layers' values for the group of images that has been read."""
    for i in range(len(layers)):
        layer = layers[i]
        if layer.kind == FIRST:
            first_forward(memory, layer, live)
        elif layer.kind == TILED:
            tiled_forward(memory, layer)
        else:
            dense_forward(memory, layer, places.floors + (1 if i == len(layers) - 1 else 0))


@compiled
def loss_and_slopes(memory: Any, layers: Any, places: Any, labels: Any, count: int) -> Any:
    """The sum of the losses and the number of right answers; and the slopes of the logits."""
    output = layers[len(layers) - 1]
    memory[places.labels : places.labels + GROUP] = labels
    for n in range(0, GROUP, LANES):
        softmax16(
            memory,
            (output.y + n, GROUP, places.labels + n, places.scale, output.units, output.y_slopes + n, places.out + n),
        )
    loss = right = 0.0
    for n in range(count):
        loss += memory[places.out + n]
        right += memory[places.out + GROUP + n]
    return loss, right


@compiled
def backward(memory: Any, layers: Any, live: Any) -> None:
    """Pass the slopes of the logits back, and note what every layer learns."""
    for i in range(len(layers) - 1, -1, -1):
        layer = layers[i]
        if layer.kind == FIRST:
            first_backward(memory, layer, live)
        elif layer.kind == TILED:
            tiled_backward(memory, layer)
        else:
            dense_backward(memory, layer, i == len(layers) - 1)


@compiled
def learn_batch(memory: Any, layers: Any) -> None:
    """Add to the weights what the batch has taught."""
    for layer in layers:
        if layer.kind == TILED:
            tiles.learn_filters(memory, (layer.learnt, layer.weights, layer.v_plane))
        else:
            for k in range(layer.units * layer.row):  # beyond a row's inputs 0 is added to 0
                memory[layer.weights + k] += memory[layer.learnt + k]
        for u in range(layer.units):
            memory[layer.bias + u] += memory[layer.learnt_bias + u]


@compiled
def epoch(
    memory: Any, layers: Any, places: Any, pixels: Any, labels: Any, counts: Any, live: Any, per_batch: int, rate: Any
) -> Any:
    """Train for an epoch. Returns the summed loss and the number of right answers."""
    loss = right = 0.0
    for start in range(0, len(counts), per_batch):
        stop = min(start + per_batch, len(counts))
        memory[places.scale] = -rate / np.float32(counts[start:stop].sum())
        memory[places.learnt : places.learnt_end] = 0
        prepare(memory, layers)
        for g in range(start, stop):
            load_images(memory, layers, pixels[g])
            forward(memory, layers, places, live[g])
            one, two = loss_and_slopes(memory, layers, places, labels[g], counts[g])
            loss, right = loss + one, right + two
            backward(memory, layers, live[g])
        learn_batch(memory, layers)
    return loss, right


@compiled
def evaluate(memory: Any, layers: Any, places: Any, pixels: Any, labels: Any, counts: Any, live: Any) -> Any:
    """The summed loss and the number of right answers."""
    loss = right = 0.0
    prepare(memory, layers)
    for g in range(len(counts)):
        load_images(memory, layers, pixels[g])
        forward(memory, layers, places, live[g])
        one, two = loss_and_slopes(memory, layers, places, labels[g], counts[g])
        loss, right = loss + one, right + two
    return loss, right


@compiled
def add_statistics(memory: Any, layers: Any, places: Any, pixels: Any, counts: Any, live: Any, sums: Any) -> None:
    """Add to `sums` (hidden layers, 3, widest): of each unit its mean over the positions of an image, the share of
    them where it is 0, and 1 if that is all of them."""
    prepare(memory, layers)
    for g in range(len(counts)):
        load_images(memory, layers, pixels[g])
        forward(memory, layers, places, live[g])
        for i in range(len(layers) - 1):
            layer = layers[i]
            memory[places.sums : places.sums + layer.units * 2 * GROUP] = 0
            if layer.kind == FIRST:
                tally_windows(memory, layer, places.sums)
            elif layer.kind == TILED:
                tally_tiles(memory, layer, places.sums)
            else:
                tally_values(memory, layer, places.sums)
            positions = np.float32(1 if layer.kind == DENSE else layer.height * layer.width)
            for u in range(layer.units):
                for n in range(counts[g]):
                    at = places.sums + u * 2 * GROUP + n
                    mean = memory[at] / positions
                    sums[i, 0, u] += mean
                    sums[i, 1, u] += memory[at + GROUP] / positions
                    sums[i, 2, u] += mean == 0


@compiled
def tally_windows(memory: Any, layer: Any, sums: int) -> None:
    """Add to sums (units, 2, 32) the first layer's values over all positions, and how many are 0; odd edges too."""
    for i in range((layer.height + 1) // 2):
        x, edge, whole = layer.x + 2 * i * layer.x_row, 2 * i + 1 == layer.height, layer.width // 2
        args = (x, layer.x_row, layer.x_channel, layer.channels, layer.weights, layer.bias, layer.units, whole, sums)
        if edge:
            kernel.tally12(memory, args)
        else:
            kernel.tally22(memory, args)
        if layer.width % 2:
            rest = (x + 2 * whole * GROUP, layer.x_row, layer.x_channel, layer.channels, layer.weights, layer.bias,
                    layer.units, 1, sums)  # fmt: skip
            if edge:
                kernel.tally11(memory, rest)
            else:
                kernel.tally21(memory, rest)


@compiled
def tally_tiles(memory: Any, layer: Any, sums: int) -> None:
    """The same for a tiled layer, whose input of the last group is still there."""
    for i in range((layer.height + 1) // 2):
        for j in range((layer.width + 1) // 2):
            tile_products(memory, layer, i, j, layer.tiles)
            args = (layer.scratch, layer.scratch_plane, layer.bias, layer.units, sums)
            low, narrow = 2 * i + 1 == layer.height, 2 * j + 1 == layer.width
            if low and narrow:
                tiles.tally_tile11(memory, args)
            elif low:
                tiles.tally_tile12(memory, args)
            elif narrow:
                tiles.tally_tile21(memory, args)
            else:
                tiles.tally_tile22(memory, args)


@compiled
def tally_values(memory: Any, layer: Any, sums: int) -> None:
    """The same for a dense layer, which has one position."""
    for u in range(layer.units):
        for n in range(GROUP):
            value = memory[layer.y + u * GROUP + n]
            memory[sums + u * 2 * GROUP + n] = value
            memory[sums + (u * 2 + 1) * GROUP + n] = value == 0


class Maps(Model):
    """A convolutional network with its weights as they are now.

    shape    of an image, (channels, height, width)
    weights  for each layer, the output layer last, (units, channels, 3, 3) or (units, inputs), and (units,), float32
    """

    def __init__(self, shape: tuple[int, int, int], weights: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        self.layers, self.places, self.end_of_weights, end = map_plan(shape, [weight.shape for weight, _ in weights])
        self.memory = aligned_zeros(end)
        self.memory[self.places.floors + 1] = -np.inf
        self.put(weights)

    def _epoch(self, layout: Groups, rate: np.float32) -> tuple[float, float]:
        return epoch(self.memory, self.layers, self.places, *layout, rate)

    def _evaluate(self, layout: Groups) -> tuple[float, float]:
        return evaluate(self.memory, self.layers, self.places, *layout[:4])

    def _add_statistics(self, layout: Groups, sums: np.ndarray) -> None:
        add_statistics(self.memory, self.layers, self.places, layout.pixels, layout.counts, layout.live, sums)

    def weight(self, i: int) -> np.ndarray:
        """A layer's weights, a view of the memory: (units, channels, 9), of a dense layer (units, inputs)."""
        layer = self.layers[i]
        place, units, channels, row, plane = (
            int(layer[name]) for name in ("weights", "units", "channels", "row", "v_plane")
        )
        if layer["kind"] == TILED:
            taps = self.memory[place : place + 9 * plane].reshape(9, plane)[:, : units * row]
            return taps.reshape(9, units, row)[:, :, :channels].transpose(1, 2, 0)
        own = self.memory[place : place + units * row].reshape(units, row)
        return own.reshape(units, channels, 9) if layer["kind"] == FIRST else own[:, :channels]
