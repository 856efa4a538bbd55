"""Data and surroundings that many tests share."""

import numpy as np
import pytest
import torch

from dropnet_core.data import DATA_SETS, DataSet, Split


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Numbers are compared bit for bit, which needs one and the same number of threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> DataSet:
    """Three classes of noisy 8x8 patterns that a small network can tell apart; 150 + 40 + 50 images.

    150 leaves a partial last batch of any usual size.
    """
    generator = np.random.default_rng(0)
    patterns = generator.random((3, 1, 8, 8)) < 0.4

    def split(n: int) -> Split:
        labels = generator.integers(0, 3, n)
        noise = generator.random((n, 1, 8, 8)) * 0.6
        images = (np.clip(patterns[labels] * 0.7 + noise, 0, 1) * 255).astype(np.uint8)
        images[:, :, 0, :3] = 0  # pixels that are never lit
        return Split(torch.from_numpy(images), torch.from_numpy(labels))

    return DataSet.of("tiny", split(150), split(40), split(50), 3)


@pytest.fixture
def tiny_by_name(tiny: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tiny` under its name, for whoever loads data sets."""
    monkeypatch.setitem(DATA_SETS._entries, "tiny", lambda: tiny)


def enlarged(data: DataSet, size: int) -> DataSet:
    """Some of these images in three colours and with size x size pixels: 64 + 24 + 24."""

    def larger(split: Split, n: int) -> Split:
        images = split.images[:n].repeat_interleave(size // 8, dim=2).repeat_interleave(size // 8, dim=3)
        return Split(torch.cat([images, images.flip(2), images.flip(3)], dim=1), split.labels[:n])

    train, validation, test = larger(data.train, 64), larger(data.validation, 24), larger(data.test, 24)
    return DataSet.of(f"tiny{size}", train, validation, test, data.classes)


@pytest.fixture(scope="session")
def tiny16(tiny: DataSet) -> DataSet:
    """Images of 16x16 pixels, the smallest that ResNet18 takes."""
    return enlarged(tiny, 16)


@pytest.fixture(scope="session")
def tiny32(tiny: DataSet) -> DataSet:
    """Images of 32x32 pixels, the smallest that VGG19 takes."""
    return enlarged(tiny, 32)
