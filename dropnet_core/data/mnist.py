"""MNIST from its idx files, and the part of it that travels with this package.

Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits, 1998.
"""

import io
import zipfile
from dataclasses import dataclass
from importlib import resources

import numpy as np

from dropnet_core.basics.errors import InputError
from dropnet_core.data.dataset import SPLIT_NAMES, DataSet
from dropnet_core.data.sources import SourceFiles, locate, read_whole
from dropnet_core.data.splits import split_of, with_official_test

TRAIN_IMAGES = "MNIST/raw/train-images-idx3-ubyte"
TRAIN_LABELS = "MNIST/raw/train-labels-idx1-ubyte"
TEST_IMAGES = "MNIST/raw/t10k-images-idx3-ubyte"
TEST_LABELS = "MNIST/raw/t10k-labels-idx1-ubyte"

MNIST_FILES = SourceFiles(
    "MNIST",
    {
        TRAIN_IMAGES: (47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        TRAIN_LABELS: (60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        TEST_IMAGES: (7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        TEST_LABELS: (10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    },
)
MNIST_SHA256 = "75119d6c7ed8eba47b49c7c9b1b0d9f65e773888634d348ed7847c00eaf926b8"
MNIST5K_SHA256 = "9772e404df5b5ca44d495920c8ec632b90bd74c41b0bee5ebea1ecae5ba69046"

# Arrays {train,validation,test}_{images,labels,rows}; rows are counted in the official order.
EMBEDDED = "mnist5k.npz"


@dataclass(frozen=True)
class OfficialArrays:
    """MNIST as published: images uint8 (n, 1, 28, 28), labels uint8 (n,); 60,000 and 10,000."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def official_arrays() -> OfficialArrays:
    """The published arrays, found or downloaded. Raises InputError for a file that is missing or damaged."""
    folder = locate(MNIST_FILES)
    arrays = (read_idx(read_whole(MNIST_FILES, folder, file)) for file in MNIST_FILES.files)
    images, labels, test_images, test_labels = arrays
    return OfficialArrays(images[:, None], labels, test_images[:, None], test_labels)


def read_idx(content: bytes) -> np.ndarray:
    """The array in an idx file of bytes: two zeros, type 8, number of axes, big-endian lengths, data."""
    axes = content[3]
    lengths = np.frombuffer(content, ">i4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(lengths)


def mnist() -> DataSet:
    """MNIST: 54,000 / 6,000 / 10,000 grey digits of 28x28, split as in the paper.

    The split is that of the authors' code. Raises InputError for a file that cannot be found, downloaded or
    believed.
    """
    digits = official_arrays()
    return with_official_test(
        "mnist", digits.images, digits.labels, digits.test_images, digits.test_labels, known=MNIST_SHA256
    )


def mnist5k() -> DataSet:
    """The first 500 / 100 / 200 digits of each class of the splits of `mnist`, in their order; no download.

    5,000 training, 1,000 validation and 2,000 test images. Raises InputError if the embedded file is damaged.
    """
    try:
        arrays = embedded_arrays()
        train, validation, test = (split_of(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in SPLIT_NAMES)
        data = DataSet.of("mnist5k", train, validation, test, classes=10)
    except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise embedded_error(str(error)) from error
    if data.sha256 != MNIST5K_SHA256:
        raise embedded_error("its checksum is not the known one")
    return data


def embedded_arrays() -> dict[str, np.ndarray]:
    """The arrays of the embedded file, `train_rows` and the like included."""
    content = resources.files("dropnet_core.data").joinpath(EMBEDDED).read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)


def embedded_error(reason: str) -> InputError:
    """The error for the embedded file."""
    return InputError(f"{EMBEDDED}, a file of this package, is damaged ({reason}); install the package again")
