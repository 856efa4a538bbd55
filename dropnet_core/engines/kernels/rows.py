"""Dense networks: a row of units for each image, and only lit pixels are looked at."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dropnet_core.engines.kernels.compiled import compiled
from dropnet_core.engines.kernels.lit import CHAINS, PAIR, Lists
from dropnet_core.engines.kernels.model import Memory, Model, Plan, aligned_zeros, round_up
from dropnet_core.engines.kernels.row_kernels import (
    dense_slopes,
    dense_values,
    learn,
    learn_lit,
    lit_values,
    tally,
    transpose,
)
from dropnet_core.engines.kernels.softmax import softmax16
from dropnet_core.engines.kernels.vectors import LANES

AT_A_TIME = 32  # images whose values are summed in float32

ROW_LAYER = np.dtype([(name, np.int64) for name in "inputs units row weights turned bias values slopes".split()])
"""A layer's sizes, and the places of its numbers in the memory:

row      distance of rows, its units rounded up
weights  (inputs, row); turned (units, row of the layer before), made anew before slopes are passed back
bias     (row); values and slopes (images of a batch, row)
"""


class RowPlaces(NamedTuple):
    """Places that no layer owns.

    table   the brightness of the 256 bytes
    one     the number 1
    floors  0 and minus infinity, below which no value of a hidden layer and of the output falls
    scale   minus the learning rate over the images of the batch
    labels  (room), logits and slopes (classes, room), out (2, room): a batch as the softmax sees it
    room    images of a batch, rounded up
    sums    (2, widest row), what is counted of a layer
    """

    table: int
    one: int
    floors: int
    scale: int
    labels: int
    logits: int
    slopes: int
    out: int
    room: int
    sums: int


@compiled
def forward(memory: Any, layers: Any, places: Any, by_image: Any, start: int, images: int) -> None:
    """The values of all layers for so many images from number `start` on."""
    first, last = layers[0], len(layers) - 1
    floor = places.floors + (1 if last == 0 else 0)
    for k in range(images):
        at, end = by_image.starts[start + k], by_image.starts[start + k + 1]
        to, quads = first.values + k * first.row, (end - at) // CHAINS
        spots = (by_image.pixels, by_image.values)
        lit_values(memory, spots, (first.row, to, first.weights, first.bias, places.table, at, quads, floor))
    for i in range(1, last + 1):
        layer, before = layers[i], layers[i - 1]
        floor = places.floors + (1 if i == last else 0)
        dense_values(
            memory,
            (layer.row, layer.values, before.values, before.row, 1, layer.weights, images, layer.inputs,
             layer.bias, 0, floor),
        )  # fmt: skip


@compiled
def loss_and_slopes(memory: Any, layers: Any, places: Any, labels: Any, rate: Any) -> Any:
    """The sum of the losses and the number of right answers; and the slopes of the logits, times -rate / images."""
    output, room, images = layers[len(layers) - 1], places.room, len(labels)
    memory[places.labels : places.labels + room] = -1
    for k in range(images):
        memory[places.labels + k] = labels[k]
    memory[places.scale] = -rate / np.float32(images)
    transpose(memory, output.values, output.row, places.logits, room, images, output.units)
    for k in range(0, images, LANES):
        softmax16(
            memory,
            (places.logits + k, room, places.labels + k, places.scale, output.units, places.slopes + k, places.out + k),
        )
    transpose(memory, places.slopes, room, output.slopes, output.row, output.units, images)
    loss = right = 0.0
    for k in range(images):
        loss += memory[places.out + k]
        right += memory[places.out + room + k]
    return loss, right


@compiled
def backward(memory: Any, layers: Any, places: Any, by_batch: Any, batch: int, images: int) -> None:
    """Pass the slopes of the logits back, and let every layer learn."""
    for i in range(len(layers) - 1, 0, -1):
        layer, before = layers[i], layers[i - 1]
        transpose(memory, layer.weights, layer.row, layer.turned, before.row, layer.inputs, layer.units)
        dense_slopes(
            memory,
            (before.row, before.slopes, layer.slopes, layer.row, 1, layer.turned, images, layer.units,
             before.values, before.row, places.floors),
        )  # fmt: skip
        learn(
            memory,
            (layer.row, layer.weights, before.values, 1, before.row, layer.slopes, layer.inputs, images,
             layer.bias, 0, places.floors),
        )  # fmt: skip
        learn_bias(memory, layer, places, images)
    first, segments = layers[0], by_batch.segments
    pixel, entry = segments[batch, 0], segments[batch, 1]
    for pairs in range(segments.shape[1] - 2, 0, -1):
        pixels = segments[batch, 1 + pairs]
        if pixels:
            learn_lit(
                memory,
                (by_batch.pixels, by_batch.images, by_batch.values),
                (first.row, first.weights, first.slopes, places.table, pixel, entry, pixels, pairs),
            )
            pixel += pixels
            entry += pixels * pairs * PAIR
    learn_bias(memory, first, places, images)


@compiled
def learn_bias(memory: Any, layer: Any, places: Any, images: int) -> None:
    """bias (row) += the sum of the slopes of so many images (images, row)."""
    learn(
        memory,
        (layer.row, layer.bias, places.one, 0, 0, layer.slopes, 1, images, layer.bias, 0, places.floors),
    )  # fmt: skip


@compiled
def epoch(
    memory: Any, layers: Any, places: Any, by_image: Any, by_batch: Any, labels: Any, size: int, rate: Any
) -> Any:
    """Train for an epoch in batches of `size`. Returns the summed loss and the number of right answers."""
    loss = right = 0.0
    for batch in range(len(by_batch.segments)):
        own = labels[batch * size : batch * size + size]
        forward(memory, layers, places, by_image, batch * size, len(own))
        one, two = loss_and_slopes(memory, layers, places, own, rate)
        loss, right = loss + one, right + two
        backward(memory, layers, places, by_batch, batch, len(own))
    return loss, right


@compiled
def evaluate(memory: Any, layers: Any, places: Any, by_image: Any, labels: Any) -> Any:
    """The summed loss and the number of right answers."""
    loss = right = 0.0
    for start in range(0, len(labels), places.room):
        own = labels[start : start + places.room]
        forward(memory, layers, places, by_image, start, len(own))
        one, two = loss_and_slopes(memory, layers, places, own, np.float32(0))
        loss, right = loss + one, right + two
    return loss, right


@compiled
def add_statistics(memory: Any, layers: Any, places: Any, by_image: Any, sums: Any) -> None:
    """Add to `sums` (hidden layers, 3, widest), of each unit, its values and how many of them are 0.

    Of few images at a time, since each time is summed in float32.
    """
    count, step = len(by_image.starts) - 1, min(places.room, AT_A_TIME)
    for start in range(0, count, step):
        images = min(step, count - start)
        forward(memory, layers, places, by_image, start, images)
        for i in range(len(layers) - 1):
            layer, zeros = layers[i], places.sums + layers[i].row
            tally(memory, (layer.row, layer.values, images, places.sums, zeros))
            for u in range(layer.units):
                sums[i, 0, u] += memory[places.sums + u]
                sums[i, 1, u] += memory[zeros + u]


def row_plan(shapes: Sequence[tuple[int, ...]], size: int) -> Plan:
    """Where the numbers of a network with weights (units, inputs) lie, for batches of `size` images."""
    memory, room = Memory(), round_up(size, LANES)
    layers = np.zeros(len(shapes), ROW_LAYER)
    for layer, (units, inputs) in zip(layers, shapes, strict=True):
        row = round_up(max(units, 1), 4 if units <= 4 else 8)  # a narrow last layer costs as little as it can
        layer["units"], layer["inputs"], layer["row"] = units, inputs, row
        layer["weights"], layer["bias"] = memory.take(round_up(inputs, 4) * row), memory.take(row)
    end_of_weights, before = memory.size, 0
    for layer in layers:
        row = int(layer["row"])
        layer["turned"] = memory.take(round_up(int(layer["units"]), 4) * before)
        layer["values"], layer["slopes"] = memory.take(room * row), memory.take(room * row)
        before = row
    widest, classes = int(layers["row"].max()), round_up(int(layers["units"][-1]), 4)
    places = RowPlaces(
        table=memory.take(256), one=memory.take(1), floors=memory.take(2), scale=memory.take(1),
        labels=memory.take(room), logits=memory.take(classes * room), slopes=memory.take(classes * room),
        out=memory.take(2 * room), room=room, sums=memory.take(2 * widest),
    )  # fmt: skip
    return layers, places, end_of_weights, memory.size


class Rows(Model):
    """A dense network with its weights as they are now.

    weights  for each layer, the output layer last, (units, inputs) and (units,), float32
    size     images of a batch
    """

    def __init__(self, weights: Sequence[tuple[np.ndarray, np.ndarray]], size: int) -> None:
        self.layers, self.places, self.end_of_weights, end = row_plan([weight.shape for weight, _ in weights], size)
        self.memory = aligned_zeros(end)
        self.memory[self.places.table : self.places.table + 256] = np.arange(256, dtype=np.float32) / np.float32(255)
        self.memory[self.places.one], self.memory[self.places.floors + 1] = 1, -np.inf
        self.put(weights)

    def _epoch(self, layout: Lists, rate: np.float32) -> tuple[float, float]:
        lists = layout.by_image, layout.by_batch, layout.labels, layout.size
        return epoch(self.memory, self.layers, self.places, *lists, rate)

    def _evaluate(self, layout: Lists) -> tuple[float, float]:
        return evaluate(self.memory, self.layers, self.places, layout.by_image, layout.labels)

    def _add_statistics(self, layout: Lists, sums: np.ndarray) -> None:
        add_statistics(self.memory, self.layers, self.places, layout.by_image, sums)
        sums[:, 2] = sums[:, 1]  # a node has one value an image

    def weight(self, i: int) -> np.ndarray:
        """A layer's weights, a view of the memory: (units, inputs)."""
        layer = self.layers[i]
        place, inputs, row = int(layer["weights"]), int(layer["inputs"]), int(layer["row"])
        return self.memory[place : place + inputs * row].reshape(inputs, row)[:, : layer["units"]].T
