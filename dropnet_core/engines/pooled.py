"""What the layers of a hand-written step share, above all the 2x2 max-pool of values that lie apart by corner.

A layer knows its neighbours by

input               all that it reads, with a border of zeros where it wants one
inner               (n, height, width, channels), the part of it that the layer before fills
forward(value)      fills `value`, the next layer's `inner`
backward(slope, scale)  moves the weights by `scale` times their derivatives; returns the slope of what was read
read(batch)         of a first layer: takes in the images
seen()              what is to be known of its values for the scores, where it can tell

It holds the buffers for batches of one size and all views of them, so that a step asks the system for little
memory and Python for little time. It shares its weights with the layers for batches of other sizes. A convolution's
weights are

taps  (9, channels, units), one matrix for each pixel of the 3x3 kernel
bias  (units,)

Values and slopes, the loss's derivatives by them, are seen as (n, height, width, channels), however they lie in
memory. The 2x2 max-pool comes before the ReLU, which gives the same values; of equal ones it takes the first, as
PyTorch's does.
"""

import torch
from torch import Tensor

from dropnet_core.engines.relu import through_relu

Seen = Tensor
"""(3, units), float64: the sum of a unit's values over all images and places, the number of those above 0, and the
number of images in which there are none."""


def seen(values: Tensor) -> Seen:
    """What is to be known of values (n, places, units), which are not negative. Destroys them."""
    whole = values.sum(dim=1)
    above = values.sign_().sum(dim=1)
    return torch.stack([whole.sum(0, dtype=torch.float64), above.sum(0, dtype=torch.float64), (whole == 0).sum(0)])


def as_taps(weight: Tensor) -> Tensor:
    """A convolution's weight (units, channels, 3, 3) as (9, channels, units)."""
    return weight.permute(2, 3, 1, 0).reshape(9, *weight.shape[1::-1]).contiguous()


def from_taps(taps: Tensor) -> Tensor:
    """The weight (units, channels, 3, 3) of taps, as a view."""
    return taps.unflatten(0, (3, 3)).permute(3, 2, 0, 1)


class Pool:
    """The 2x2 max-pool of values that lie apart by their corner of the window: `corners` (4, a, b).

    On the way back slopes are not sorted by corner, which takes many passes over memory, but into four sums: of all
    windows, of those whose largest value is in corner 1, in the lower row, in corner 3. ROUTES turns these into the
    slopes of the corners. What follows is linear, so that it can be multiplied into a small matrix there.
    """

    ROUTES = ((1.0, -1.0, -1.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, -1.0), (0.0, 0.0, 0.0, 1.0))
    PLANES = 10  # of a x b numbers each

    def __init__(self, memory: Tensor, a: int, b: int) -> None:
        """`memory` has room for all planes."""
        planes = memory[: self.PLANES * a * b].view(self.PLANES, a, b)
        self.corners, self._rows, self.sums = planes.split([4, 2, 4])
        self._left, self._right = self.corners[0::2], self.corners[1::2]
        self._upper, self._lower = self._rows
        self._lead_above, self._lead_below = self._rows  # on the way back, when the rows have been read
        self.whole, self._second, self._below, self._fourth = self.sums

    def forward(self, value: Tensor) -> Tensor:
        """Fill `value` (a, b) with the largest of the corners."""
        torch.maximum(self._left, self._right, out=self._rows)
        return torch.maximum(self._upper, self._lower, out=value)

    def backward(self) -> None:
        """Fill the four sums, `sums` (4, a, b), of which `whole`, the slopes of the pooled values, is there already."""
        through_relu(self.whole, torch.sub(self._lower, self._upper, out=self._below), self._below)
        torch.sub(self._right, self._left, out=self._rows)
        torch.sub(self.whole, self._below, out=self._second)
        through_relu(self._second, self._lead_above, self._second)
        through_relu(self._below, self._lead_below, self._fourth)
