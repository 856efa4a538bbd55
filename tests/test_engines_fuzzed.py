"""The kernels beside the reference, on networks, masks, images and recipes that nobody chose."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from outcome_differences import gaps
from some_jobs import train_all

from dropnet_core.data import DataSet, Split
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job


def some_data(draw: np.random.Generator, convolutions: int) -> DataSet:
    """Noise in which each class has a bright place of its own, and a black border at random."""
    channels, classes = int(draw.choice([1, 1, 2, 3])), int(draw.integers(2, 7))
    height, width = (int(draw.integers(max(2**convolutions, 3), 24)) for _ in range(2))

    def split(count: int) -> Split:
        labels = draw.integers(0, classes, count)
        images = draw.integers(0, 200, (count, channels, height, width)) * (
            draw.random((count, 1, height, width)) < 0.4
        )
        images[:, :, : draw.integers(0, height // 2), :] = 0
        images[np.arange(count), :, labels % height, labels % width] = 255
        return Split(torch.from_numpy(images.astype(np.uint8)), torch.from_numpy(labels))

    return DataSet.of("fuzzed", split(int(draw.integers(30, 100))), split(20), split(25), classes)


def some_job(seed: int) -> tuple[DataSet, Job]:
    """Up to four convolutions and two dense layers, of which at least one is masked; one network in six is emptied."""
    draw = np.random.default_rng(seed)
    convolutions, dense = (
        (int(draw.integers(0, 4)), int(draw.integers(0, 3))) if seed % 2 else (0, int(draw.integers(1, 4)))
    )
    convolutions += not (convolutions or dense)
    layers = [f"conv{draw.integers(1, 20)}" for _ in range(convolutions)]
    layers += [f"{draw.choice(['fc', 'dense'])}{draw.integers(1, 50)}" for _ in range(dense)]
    if not convolutions:
        layers[0] = layers[0].replace("dense", "fc")
    data = some_data(draw, convolutions)
    network = describe("-".join(layers), data.shape, data.classes)
    kept = [draw.random(width) < draw.choice([0.3, 0.7, 1]) for width in network.widths]
    for own in kept:
        own[0] |= not own.any()
    if draw.random() < 1 / 6:
        kept[draw.integers(len(kept))][:] = False
    recipe = Recipe(
        learning_rate=float(draw.choice([0.02, 0.1])),
        batch_size=int(draw.choice([1, 5, 16, 32, 40, 64, 128])),
        max_epochs=2,
        shuffle=bool(draw.random() < 0.4),
        augment=str(draw.choice(["none", "none", "none", "affine"])),
        initial_range=str(draw.choice(["full", "small"])),
    )
    needs = ("loss_without",) if sum(network.widths) < 25 else ()
    return data, Job(recipe, network, seed, seed + 1, Mask(kept), needs=needs)


@pytest.mark.parametrize(
    "seeds", [range(start, start + 10) for start in range(0, 100, 10)], ids=lambda r: f"from {r.start}"
)
def test_kernels_agree_with_the_reference(seeds):
    """Losses and means but for rounding; of accuracies and zeros at most what one image more or less makes."""
    for seed in seeds:
        data, job = some_job(seed)
        exact_job = replace(job, recipe=replace(job.recipe, precision="float64"))
        expected = train_all("reference", data, [exact_job])[exact_job]
        found = train_all("kernels", data, [job])[job]
        assert found.history.epochs == 2
        largest, counted = gaps(expected, found)
        print(
            f"{seed} {job.network.name} {job.network.shape} by {job.recipe.batch_size}: {largest:.1e} ({counted:.1e})"
        )
        assert largest < 1e-6
        assert counted < 1.01 / 20
