"""Augmentation: every training image is turned, shifted, zoomed and flipped anew in every epoch.

The ranges are those of the paper's Tiny ImageNet experiments (its supplement), and what each means is what
the image generator of Keras, which the authors' code uses, makes of it. All changes of one image are one affine map
that says for each pixel of the result where in the image to read it, so the image is interpolated once.

The draws depend on the seed, the epoch and the image's place in the training split, on nothing else: not on the
batch it is in, nor on the cycle. Every cycle of a run, and every metric, thus sees the same augmented images, as
the authors' code intends by seeding its generators before each training.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dropnet_core.basics.streams import stream

ROTATION = 40.0  # degrees, to either side
SHIFT = 0.2  # of the height and of the width, to either side
SHEAR = 0.2  # degrees, to either side: the generator takes degrees, so this is next to nothing
ZOOM = 0.2  # rows and columns are stretched by 0.8 to 1.2, each by a draw of its own
FLIP = 0.5  # probability of exchanging left and right, after everything else

DRAWS = 7  # numbers an image


def draws(seed: int, epoch: int, count: int) -> np.ndarray:
    """Numbers in [0, 1), one row (rotation, shifts, shear, zooms, flip) for each of `count` images in stored order."""
    return stream(seed, "augmentation", epoch).random((count, DRAWS))


def affine_maps(numbers: np.ndarray, height: int, width: int) -> Tensor:
    """From draws (n, 7) the maps (n, 2, 3), float64: a pixel (row, column, 1) of the result -> where to read.

    About the centre of the image: rotation x shift x shear x zoom, so a zoom above 1 shows more of the image, in
    smaller size, and the shift is turned along with the rotation. The flip is done to the result.
    """
    turn, down, right, shear, zoom_rows, zoom_columns = (2 * numbers[:, :6] - 1).T  # -1 to 1
    turn, shear = np.deg2rad(ROTATION * turn), np.deg2rad(SHEAR * shear)
    one, zero = np.ones(len(numbers)), np.zeros(len(numbers))
    middle_row, middle_column = one * (height - 1) / 2, one * (width - 1) / 2
    flip = np.where(numbers[:, 6] < FLIP, -1.0, 1.0)

    def matrix(*rows: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
        return np.stack([np.stack(row, -1) for row in (*rows, (zero, zero, one))], -2)

    whole = (
        matrix((one, zero, middle_row), (zero, one, middle_column))
        @ matrix((np.cos(turn), -np.sin(turn), zero), (np.sin(turn), np.cos(turn), zero))
        @ matrix((one, zero, SHIFT * down * height), (zero, one, SHIFT * right * width))
        @ matrix((one, -np.sin(shear), zero), (zero, np.cos(shear), zero))
        @ matrix((1 + ZOOM * zoom_rows, zero, zero), (zero, 1 + ZOOM * zoom_columns, zero))
        @ matrix((one, zero, -middle_row), (zero, flip, -flip * middle_column))
    )
    return torch.from_numpy(whole[:, :2])


def warp_images(images: Tensor, maps: Tensor) -> Tensor:
    """Images (n, C, H, W) of floats, each read through its own map (n, 2, 3) on the same device.

    Bilinear; outside the image the nearest pixel of its edge counts. Each pixel is computed by itself, so an image
    comes out the same in any batch.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device, dtype=images.dtype)[:, None]
    columns = torch.arange(width, device=images.device, dtype=images.dtype)
    by_row, by_column, offset = maps.to(images.dtype)[..., None, None].unbind(2)  # each (n, 2, 1, 1)
    source = by_row * rows + by_column * columns + offset  # (n, 2, H, W): a row and a column of the image
    row, column = source.unbind(1)
    # The sampler counts from -1, the middle of the first pixel, to 1, the middle of the last, columns first.
    grid = torch.stack((2 * column / max(width - 1, 1) - 1, 2 * row / max(height - 1, 1) - 1), dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
