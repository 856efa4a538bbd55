"""How images are laid out for the kernels: lists of lit pixels, and groups of 32."""

import numpy as np
import pytest
import torch

from dropnet_core.data import DataSet, Split
from dropnet_core.engines.kernels import presentation
from dropnet_core.engines.kernels.groups import image_groups
from dropnet_core.engines.kernels.lit import Lists, by_batch, by_image, pixel_lists
from dropnet_core.engines.kernels.presentation import Presentation, labels_only
from dropnet_core.training import batches


def some_images(kind: str, count: int, *shape: int, share: float = 0.2) -> np.ndarray:
    """Images of which a share of the pixels is lit; the second is black."""
    draw = np.random.default_rng(count)
    images = draw.integers(1, 256, (count, *shape)) * (draw.random((count, *shape)) < share)
    images[1:2] = 0
    return images.astype(kind) if kind == "uint8" else (images / 255).astype(kind)


def drawn_back(lists: Lists, pixels: int) -> np.ndarray:
    """The images (n, pixels) that the lists by image tell of."""
    own, images = lists.by_image, np.zeros((lists.images, pixels), lists.by_image.values.dtype)
    for n in range(lists.images):
        span = slice(own.starts[n], own.starts[n + 1])
        np.add.at(images[n], own.pixels[span], own.values[span])
    return images


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("pixels", [1, 60, 256, 257])
def test_each_images_list_holds_its_lit_pixels_in_fours(kind, pixels):
    images = some_images(kind, 9, pixels)
    lit = by_image(images)
    assert lit.values.dtype == images.dtype
    assert lit.starts[0] == 0 and lit.starts[-1] == len(lit.pixels) == len(lit.values)
    for n, image in enumerate(images):
        span = slice(lit.starts[n], lit.starts[n + 1])
        own, values, expected = lit.pixels[span], lit.values[span], np.flatnonzero(image)
        assert len(own) == -(-len(expected) // 4) * 4
        np.testing.assert_array_equal(own[: len(expected)], expected)
        np.testing.assert_array_equal(values[: len(expected)], image[expected])
        assert not values[len(expected) :].any()


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize(("count", "size"), [(20, 1), (20, 7), (21, 7), (20, 32), (300, 257)])
def test_each_batchs_list_holds_its_lit_pixels_by_their_number_of_images(kind, count, size):
    images = some_images(kind, count, 50)
    images[:, 3] = 0  # a pixel that is never lit
    lit = by_batch(by_image(images), 50, size)
    assert len(lit.segments) == -(-count // size)
    used = entries = 0
    for batch, (pixel, entry, *segments) in enumerate(lit.segments.tolist()):
        own, found = images[batch * size : (batch + 1) * size], []
        assert (pixel, entry) == (used, entries)
        for pairs in range(len(segments), 0, -1):
            for _ in range(segments[pairs - 1]):
                p, span = int(lit.pixels[pixel]), slice(entry, entry + 2 * pairs)
                expected = np.flatnonzero(own[:, p])
                assert -(-len(expected) // 2) == pairs
                np.testing.assert_array_equal(lit.images[span][: len(expected)], expected)
                np.testing.assert_array_equal(lit.values[span][: len(expected)], own[expected, p])
                assert not lit.values[span][len(expected) :].any()
                found.append(p)
                pixel, entry = pixel + 1, entry + 2 * pairs
        assert sorted(found) == np.flatnonzero(own.any(axis=0)).tolist()
        used, entries = pixel, entry
    assert used == len(lit.pixels) and entries == len(lit.images) == len(lit.values)


@pytest.mark.parametrize(
    ("count", "size", "counts"),
    [
        (100, 50, [32, 18, 32, 18]),
        (120, 50, [32, 18, 32, 18, 20]),
        (135, 50, [32, 18, 32, 18, 32, 3]),
        (70, 32, [32, 32, 6]),
        (15, 7, [7, 7, 1]),
        (3, 1, [1, 1, 1]),
        (40, 500, [32, 8]),
    ],
)
def test_groups_do_not_cross_the_border_of_a_batch(count, size, counts):
    images, labels = some_images("uint8", count, 2, 5, 7), np.arange(count)
    groups = image_groups(images, labels, size)
    assert groups.counts.tolist() == counts and groups.images == count
    assert groups.per_batch == -(-size // 32)
    in_batches = [sum(counts[at : at + groups.per_batch]) for at in range(0, len(counts), groups.per_batch)]
    assert in_batches == [min(size, count - start) for start in range(0, count, size)]
    start = 0
    for pixels, answers, many in zip(groups.pixels, groups.labels, counts, strict=True):
        laid = pixels.reshape(2, 5, 7, 32).transpose(3, 0, 1, 2)
        np.testing.assert_array_equal(laid[:many], images[start : start + many])
        assert not laid[many:].any()
        assert answers.tolist() == [*labels[start : start + many], *[-1] * (32 - many)]
        start += many


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 9), (2, 3), (28, 28), (5, 32)])
def test_windows_are_live_where_any_of_their_pixels_is_lit(height, width):
    draw = np.random.default_rng(height)
    for lit in (0, 1, 1, 3, 3, 200):  # pixels, of which few rows of windows see any
        images = np.zeros((40, 2, height, width), np.uint8)
        for _ in range(lit):
            images[tuple(draw.integers(0, size) for size in images.shape)] = 1
        groups = image_groups(images, np.zeros(40, int), 32)
        for own, live in zip((images[:32], images[32:]), groups.live, strict=True):
            bordered = np.pad(own.any(axis=(0, 1)), 2)[1:, 1:]
            for i, (first, behind) in enumerate(live.tolist()):
                seen = [j for j in range(width // 2) if bordered[2 * i : 2 * i + 4, 2 * j : 2 * j + 4].any()]
                assert (first, behind) == ((seen[0], seen[-1] + 1) if seen else (0, 0))


@pytest.fixture
def data() -> DataSet:
    images = torch.from_numpy(some_images("uint8", 90, 1, 4, 5))
    split = Split(images, torch.arange(90) % 3)
    return DataSet.of("few", split, split, split, 3)


@pytest.mark.parametrize("augmented", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("size", [7, 32, 200])
def test_an_epoch_presents_what_the_definition_does(data, augmented, ordered, size, monkeypatch):
    """Batch for batch, though only 20 images or so are laid out at a time."""
    monkeypatch.setattr(presentation, "CHUNK", 20)
    draw = torch.Generator().manual_seed(0)
    order = torch.randperm(90, generator=draw) if ordered else None
    turned = torch.eye(2, 3) + 0.1 * torch.randn(90, 2, 3, generator=draw)
    maps = turned if augmented else None
    expected = list(batches(data.train, size, torch.float32, order, maps))
    found = list(Presentation(data).epoch(order, maps, pixel_lists, size))
    assert all(lists.images % lists.size == 0 for lists in found[:-1])
    images = np.concatenate([drawn_back(lists, 20) for lists in found])
    if not augmented:
        images = images / np.float32(255)
    np.testing.assert_allclose(images, torch.cat([b for b, _ in expected]).flatten(1).numpy(), atol=1e-6)
    assert np.concatenate([lists.labels for lists in found]).tolist() == torch.cat([b for _, b in expected]).tolist()
    cut = [min(lists.size, lists.images - s) for lists in found for s in range(0, lists.images, lists.size)]
    assert cut == [len(labels) for _, labels in expected]


def test_images_in_stored_order_are_laid_out_once(data):
    images = Presentation(data)
    for lay_out in (pixel_lists, image_groups, labels_only):
        (once,) = images.epoch(None, None, lay_out, 7)
        assert images.part("train", lay_out, 7) is once
        assert images.part("train", lay_out, 8) is not once
        assert images.part("test", lay_out, 7) is images.part("test", lay_out, 8)  # no batches there
    assert images.part("train", labels_only, 7).by_image.starts.tolist() == [0] * 91
