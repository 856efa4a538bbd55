"""The figure of augmented samples: what a network is shown instead of the images as they are."""

import matplotlib
import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.plural import counted
from dropnet_core.data import DataSet, pixels
from dropnet_core.data.augmentation import ROTATION, SHIFT, ZOOM, affine_maps, draws, warp_images
from dropnet_core.figures.charts import RC, Chart, chart

WIDTH, TITLES = 6.4, 0.35  # inches


def augmented_samples(data: DataSet, samples: int | None = None, epochs: int = 5, seed: int = 0) -> Chart:
    """A row for the first training image of each of the first classes: as it is, then in the first epochs of a seed.

    By default there are four rows, or as many as classes.

    The images are those that training by a recipe with augment="affine" sees. Raises InputError for no epoch, or for
    less than one class or more than there are.
    """
    samples = min(4, data.classes) if samples is None else samples
    if not 1 <= samples <= data.classes or epochs < 1:
        raise InputError(f"show 1 to {data.classes} samples in at least 1 epoch, not {samples} in {epochs}")
    labels = data.train.labels.cpu()
    rows = torch.stack([(labels == label).nonzero()[0, 0] for label in range(samples)])
    images = pixels(data.train.images.cpu()[rows], torch.float64)
    shown = [images]
    for epoch in range(epochs):
        drawn = draws(seed, epoch, len(labels))[rows.numpy()]
        shown.append(warp_images(images, affine_maps(drawn, *data.shape[1:])))
    tile = WIDTH / len(shown)
    with matplotlib.rc_context(RC):
        made = chart(
            WIDTH, tile * samples * data.shape[1] / data.shape[2] + TITLES, samples_in_words(data, samples, epochs)
        )
        grid = made.subplots(samples, len(shown), squeeze=False)
        for column, (axes_of_column, pictures) in enumerate(zip(grid.T, shown, strict=True)):
            axes_of_column[0].set_title("as it is" if column == 0 else f"epoch {column}")
            for axes, picture in zip(axes_of_column, pictures, strict=True):
                axes.imshow(picture.permute(1, 2, 0).numpy(), cmap="gray", vmin=0, vmax=1)
                axes.set_axis_off()
    return made


def samples_in_words(data: DataSet, samples: int, epochs: int) -> str:
    """The figure's text alternative."""
    return (
        f"{counted(samples, 'training image')} of {data.name}, one a row: first as it is, then as training sees it in "
        f"{counted(epochs, 'epoch')}, turned by up to {ROTATION:.0f} degrees, shifted by up to {SHIFT:.0%} and "
        f"stretched or shrunk by up to {ZOOM:.0%} each way, and mirrored in half of the cases. What lies outside an "
        "image repeats the pixels of its edge, which makes streaks."
    )
