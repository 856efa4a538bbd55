"""What is known of the package's data sets without reading them."""

from dataclasses import dataclass

from dropnet_core.data import cifar, mnist
from dropnet_core.data.dataset import SPLIT_NAMES


@dataclass(frozen=True)
class DataFacts:
    """A data set.

    shape    of an image: (channels, height, width)
    images   in training, validation and test, by these names
    chance   the share of the largest class in the test images, as `DataSet.chance`
    sha256   its checksum; "" where it may differ, because images are decoded from JPEG
    """

    shape: tuple[int, int, int]
    classes: int
    images: dict[str, int]
    chance: float
    sha256: str


def split_sizes(*counts: int) -> dict[str, int]:
    """How many images the training, validation and test split have, by the names of the splits."""
    return dict(zip(SPLIT_NAMES, counts, strict=True))


DATA_FACTS = {
    "mnist": DataFacts((1, 28, 28), 10, split_sizes(54_000, 6_000, 10_000), 0.1135, mnist.MNIST_SHA256),
    "mnist5k": DataFacts((1, 28, 28), 10, split_sizes(5_000, 1_000, 2_000), 0.1, mnist.MNIST5K_SHA256),
    "cifar10": DataFacts((3, 32, 32), 10, split_sizes(45_000, 5_000, 10_000), 0.1, cifar.CIFAR10_SHA256),
    "tinyimagenet": DataFacts((3, 64, 64), 200, split_sizes(90_000, 10_000, 10_000), 0.005, ""),
}
