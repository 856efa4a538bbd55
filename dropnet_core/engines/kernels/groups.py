"""Images as convolutions read them: groups of 32 side by side, which never cross the border of a batch."""

from typing import Any, NamedTuple

import numpy as np

from dropnet_core.engines.kernels.compiled import compiled
from dropnet_core.engines.kernels.map_kernels import GROUP


class Groups(NamedTuple):
    """Images in groups.

    pixels     (groups, channels * height * width * 32), bytes, or floats from 0 to 1; black where an image is missing
    labels     float32 (groups, 32), -1 where an image is missing
    counts     int64 (groups,), images of each
    live       int64 (groups, height / 2, 2): of each row of windows (4x4, 2 apart, around 2x2 pixels) the first and
               the one behind the last that is not black in all images
    per_batch  groups of a batch
    """

    pixels: np.ndarray
    labels: np.ndarray
    counts: np.ndarray
    live: np.ndarray
    per_batch: int

    @property
    def images(self) -> int:
        """How many images there are in all groups."""
        return int(self.counts.sum())


def image_groups(images: np.ndarray, labels: np.ndarray, size: int) -> Groups:
    """Images (n, channels, height, width), in the order in which they are presented in batches of `size`."""
    count, (_, height, width) = len(images), images.shape[1:]
    per_batch = -(-size // GROUP)
    starts = [start for batch in range(0, count, size) for start in range(batch, min(batch + size, count), GROUP)]
    counts = np.array([min(GROUP, size - start % size, count - start) for start in starts])
    flat = images.reshape(count, -1)
    pixels = np.zeros((len(starts), flat.shape[1] * GROUP), images.dtype)
    answers = np.full((len(starts), GROUP), -1, np.float32)
    live = np.zeros((len(starts), height // 2, 2), np.int64)
    _lay_out(flat, labels, np.array(starts), counts, height, width, pixels, answers, live)
    return Groups(pixels, answers, counts, live, per_batch)


def padded_count(count: int, size: int) -> int:
    """How many images there is room for in the groups of so many images in batches of `size`."""
    whole, rest = divmod(count, size)
    return (whole * -(-size // GROUP) + -(-rest // GROUP)) * GROUP


@compiled
def _lay_out(
    images: Any, labels: Any, starts: Any, counts: Any, height: int, width: int, pixels: Any, answers: Any, live: Any
) -> None:
    lit = np.zeros((height + 4, width + 4), np.bool_)  # in some image of the group, with a border
    for g in range(len(starts)):
        lit[:] = False
        for k in range(counts[g]):
            answers[g, k] = labels[starts[g] + k]
            for p in range(images.shape[1]):
                value = images[starts[g] + k, p]
                pixels[g, p * GROUP + k] = value
                lit[p % (height * width) // width + 1, p % width + 1] |= value != 0
        for i in range(live.shape[1]):
            first, behind = width // 2, 0
            for j in range(width // 2):
                if lit[2 * i : 2 * i + 4, 2 * j : 2 * j + 4].any():
                    first, behind = min(first, j), j + 1
            live[g, i, 0], live[g, i, 1] = min(first, behind), behind
