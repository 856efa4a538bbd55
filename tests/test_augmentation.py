"""Augmentation agrees, image by image, with a plain rendering of the image generator that the authors' code uses."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from some_jobs import train_all

from dropnet_core.basics.errors import InputError
from dropnet_core.data.augmentation import affine_maps, draws, warp_images
from dropnet_core.figures.augmentation_figure import augmented_samples
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import PlainNetwork, initial_weights
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job
from dropnet_core.training import batches, epoch_plan, evaluate, train

CENTRE = [0.5] * 6 + [1.0]  # draws that leave an image as it is


def plain(image: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """One image (C, H, W) the way the generator's documentation and formulas have it, one step after another."""
    height, width = image.shape[1:]
    theta = np.deg2rad(-40 + 80 * drawn[0])
    tx, ty = (-0.2 + 0.4 * drawn[1]) * height, (-0.2 + 0.4 * drawn[2]) * width
    shear = np.deg2rad(-0.2 + 0.4 * drawn[3])
    zx, zy = 0.8 + 0.4 * drawn[4], 0.8 + 0.4 * drawn[5]
    rotation = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    shift = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    sheared = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    zoom = np.array([[zx, 0, 0], [0, zy, 0], [0, 0, 1]])
    to_centre = np.array([[1, 0, height / 2 - 0.5], [0, 1, width / 2 - 0.5], [0, 0, 1]])
    whole = to_centre @ rotation @ shift @ sheared @ zoom @ np.linalg.inv(to_centre)
    channels = [affine_transform(one, whole[:2, :2], whole[:2, 2], order=1, mode="nearest") for one in image]
    result = np.stack(channels)
    return result[:, :, ::-1] if drawn[6] < 0.5 else result


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (2, 9, 14)])
def test_every_image_is_moved_as_the_plain_rendering_moves_it(shape):
    images = np.random.default_rng(1).random((40, *shape))
    drawn = draws(3, 2, 40)
    result = warp_images(torch.from_numpy(images), affine_maps(drawn, *shape[1:]))
    expected = np.stack([plain(image, row) for image, row in zip(images, drawn, strict=True)])
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-9)
    single = warp_images(torch.from_numpy(images).float(), affine_maps(drawn, *shape[1:]))
    assert np.abs(single.numpy() - expected).max() < 1e-4


def test_the_extreme_draws_too():
    """The ends of all ranges, which pull in pixels from far outside the image."""
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 7), -1).reshape(-1, 7)
    images = np.random.default_rng(2).random((len(corners), 1, 12, 12))
    result = warp_images(torch.from_numpy(images), affine_maps(corners, 12, 12))
    expected = np.stack([plain(image, row) for image, row in zip(images, corners, strict=True)])
    np.testing.assert_allclose(result.numpy(), expected, rtol=0, atol=1e-9)


def one(**changed: float) -> torch.Tensor:
    """A 5x5 ramp, 10 x row + column, under a single change given by its draw."""
    names = ["rotation", "down", "right", "shear", "zoom_rows", "zoom_columns", "flip"]
    drawn = np.array([[changed.get(name, still) for name, still in zip(names, CENTRE, strict=True)]])
    ramp = (10 * torch.arange(5.0)[:, None] + torch.arange(5.0)).double()
    return warp_images(ramp[None, None], affine_maps(drawn, 5, 5))[0, 0]


def test_what_each_draw_does():
    still = one()
    assert torch.equal(still, 10 * torch.arange(5.0)[:, None].double() + torch.arange(5.0))
    assert torch.allclose(one(flip=0.0), still.flip(1))
    # 0.2 of 5 rows: one row is read one below, so the content goes up and the last row is repeated.
    assert torch.allclose(one(down=1.0), still[[1, 2, 3, 4, 4]])
    assert torch.allclose(one(right=0.0), still[:, [0, 0, 1, 2, 3]])
    # Zoom 1.2 reads 1.2 rows for each row about the middle one: the content shrinks.
    assert torch.allclose(one(zoom_rows=1.0)[:, 0], torch.tensor([0.0, 8, 20, 32, 40]).double())
    assert torch.allclose(one(zoom_columns=0.0)[0], torch.tensor([0.4, 1.2, 2, 2.8, 3.6]).double())
    # 40 degrees: one column to the right of the middle is read from one column and rows above it.
    across = one(rotation=1.0)[2, 3]
    assert across == pytest.approx(22 - 10 * np.sin(np.deg2rad(40)) + np.cos(np.deg2rad(40)))
    assert (one(shear=1.0) - still).abs().max() < 0.1  # degrees, not radians: next to nothing


def test_draws_are_named_by_seed_epoch_and_image_alone():
    assert np.array_equal(draws(0, 1, 30)[:20], draws(0, 1, 20))
    assert not np.allclose(draws(0, 1, 20), draws(0, 2, 20)) and not np.allclose(draws(0, 1, 20), draws(1, 1, 20))
    drawn = draws(0, 0, 20_000)
    np.testing.assert_allclose(drawn.mean(0), 0.5, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(drawn.T), np.eye(7), atol=0.03)


def test_an_image_comes_out_the_same_in_any_batch_bit_for_bit():
    images, maps = torch.rand(33, 3, 16, 16), affine_maps(draws(0, 0, 33), 16, 16)
    together = warp_images(images, maps)
    order = torch.randperm(33, generator=torch.Generator().manual_seed(0))
    assert torch.equal(warp_images(images[order], maps[order]), together[order])
    assert torch.equal(torch.cat([warp_images(images[i : i + 1], maps[i : i + 1]) for i in range(33)]), together)


AUGMENTED = Recipe(precision="float64", max_epochs=2, augment="affine")


def test_augmented_batches_are_whole_and_each_image_keeps_its_map(tiny):
    order, maps = epoch_plan(tiny.train, replace(AUGMENTED, shuffle=True), 0, 0)
    assert order is not None and maps is not None
    found = list(batches(tiny.train, 32, torch.float64, order, maps))
    assert [len(labels) for _, labels in found] == [32] * 4  # 22 of 150 images are left over
    clean = tiny.train.images.double() / 255
    for start, (images, labels) in zip(range(0, 150, 32), found, strict=False):
        rows = order[start : start + 32]
        assert torch.equal(images, warp_images(clean[rows], maps[rows])) and torch.equal(
            labels, tiny.train.labels[rows]
        )
    assert [len(labels) for _, labels in batches(tiny.train, 200, torch.float64, order, maps)] == [150]
    assert [len(labels) for _, labels in batches(tiny.train, 32, torch.float64, order)] == [32] * 4 + [22]


def test_tiny_imagenet_has_2812_steps_an_epoch():
    labels = torch.zeros(90_000, dtype=torch.int64)
    split = type("Split", (), {"labels": labels, "images": torch.zeros(90_000, 1, 1, 1, dtype=torch.uint8)})()
    maps = affine_maps(draws(0, 0, 90_000), 1, 1)
    assert sum(1 for _ in batches(split, 32, torch.float32, None, maps)) == 2812
    assert sum(1 for _ in batches(split, 32, torch.float32)) == 2813


def test_training_is_augmented_and_evaluation_is_not(tiny):
    network = describe("fc6-fc4", tiny.shape, tiny.classes)

    def trained(recipe, seed=0):
        model = PlainNetwork(network, initial_weights(network, 0)).double()
        return train(model, tiny, recipe, seed), model

    (history, test, _), model = trained(AUGMENTED)
    assert history == trained(AUGMENTED)[0][0]
    assert history != trained(AUGMENTED, seed=1)[0][0]
    assert history != trained(replace(AUGMENTED, augment="none"))[0][0]
    assert history != trained(replace(AUGMENTED, shuffle=True))[0][0]
    clean = evaluate(model, tiny.validation, torch.float64)
    assert (history.validation_loss[-1], history.validation_accuracy[-1]) == clean
    assert test == evaluate(model, tiny.test, torch.float64)


def test_masked_and_compacted_training_agree_under_augmentation(tiny):
    network = describe("conv3-conv2", tiny.shape, tiny.classes)
    job = Job(replace(AUGMENTED, shuffle=True), network, 0, 0, Mask([[True, False, True], [True, True]]))
    (reference,), (compact,) = (train_all(engine, tiny, [job]).values() for engine in ("reference", "compact"))
    assert compact.history.validation_loss == pytest.approx(reference.history.validation_loss, abs=1e-9)
    assert compact.statistics["mean_of_abs"][0] == pytest.approx(reference.statistics["mean_of_abs"][0], abs=1e-9)


def test_the_figure_shows_what_training_sees(tiny):
    chart = augmented_samples(tiny, samples=2, epochs=3, seed=4)
    pictures = np.array([[axes.get_images()[0].get_array() for axes in chart.axes]])[0].reshape(2, 4, 8, 8, -1)
    for label in range(2):
        row = tiny.train.labels.tolist().index(label)
        clean = tiny.train.images[row : row + 1].double() / 255
        assert np.array_equal(pictures[label, 0, :, :, 0], clean[0, 0].numpy())
        for epoch in range(3):
            maps = epoch_plan(tiny.train, AUGMENTED, 4, epoch)[1]
            assert maps is not None
            assert np.array_equal(
                pictures[label, epoch + 1, :, :, 0], warp_images(clean, maps[row : row + 1])[0, 0].numpy()
            )
    assert [axes.get_title() for axes in chart.axes[:4]] == ["as it is", "epoch 1", "epoch 2", "epoch 3"]
    assert "2 training images of tiny" in chart.alt_text and "3 epochs" in chart.alt_text
    assert chart.image() == augmented_samples(tiny, samples=2, epochs=3, seed=4).image()


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"samples": 4}, {"epochs": 0}])
def test_a_figure_of_nothing_is_refused(tiny, wrong):
    with pytest.raises(InputError, match="show 1 to 3 samples"):
        augmented_samples(tiny, **wrong)
