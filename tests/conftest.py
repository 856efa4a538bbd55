"""Data and helpers that many tests share."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch

from dropnet_core.data import DataSet, Split
from dropnet_core.engines import Take, engines
from dropnet_core.runs import Job
from dropnet_core.training import Outcome


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


def taking(jobs: Iterable[Job]) -> Take:
    """The `take` of an engine, over a fixed list of jobs."""
    left = list(jobs)

    def take(count: int) -> list[Job]:
        taken = left[:count]
        del left[:count]
        return taken

    return take


def train_all(engine: str, data: DataSet, jobs: Iterable[Job]) -> dict[Job, Outcome]:
    """The outcome of each job by this engine."""
    return dict(engines[engine](data, taking(jobs)))
