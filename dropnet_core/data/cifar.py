"""CIFAR-10 from its python batches.

A. Krizhevsky: Learning multiple layers of features from tiny images, technical report, 2009.
"""

import io
import pickle
from typing import Any

import numpy as np

from dropnet_core.basics.errors import InputError
from dropnet_core.data.dataset import DataSet
from dropnet_core.data.sources import SourceFiles, locate, read_whole
from dropnet_core.data.splits import with_official_test

BATCHES = {
    "data_batch_1": (31_035_704, "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"),
    "data_batch_2": (31_035_320, "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"),
    "data_batch_3": (31_035_999, "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"),
    "data_batch_4": (31_035_696, "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"),
    "data_batch_5": (31_035_623, "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"),
    "test_batch": (31_035_526, "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"),
}
CIFAR10_FILES = SourceFiles("CIFAR10", {f"cifar-10-batches-py/{name}": known for name, known in BATCHES.items()})
CIFAR10_SHA256 = "85368cf6013ab1f79eab9b13f24cb2aae8d525745b2eaf6663d67267441ad012"


class ArraysOnly(pickle.Unpickler):
    """Reads pickles of arrays and plain values. Any other name in one might be a function that does harm."""

    NAMES = frozenset(("_reconstruct", "_frombuffer", "ndarray", "dtype"))  # what numpy makes arrays of

    def find_class(self, module: str, name: str) -> Any:
        """NumPy's makers of arrays; raises UnpicklingError for any other name."""
        if module.partition(".")[0] == "numpy" and name in self.NAMES:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def read_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (n, 3, 32, 32) and labels int64 (n,) of a batch, which is a pickle.

    Raises InputError for a pickle of anything but arrays and plain values; it calls nothing.
    """
    try:
        batch = ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError as error:
        raise InputError(f"this is no batch of CIFAR-10 ({error}); fetch the data set again") from error
    return batch[b"data"].reshape(-1, 3, 32, 32), np.array(batch[b"labels"])


def cifar10() -> DataSet:
    """CIFAR-10: 45,000 / 5,000 / 10,000 colour images of 32x32, split as in the paper.

    The split is that of the authors' code. Raises InputError for a file that cannot be found,
    downloaded or believed.
    """
    folder = locate(CIFAR10_FILES)
    *batches, test = (read_batch(read_whole(CIFAR10_FILES, folder, file)) for file in CIFAR10_FILES.files)
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return with_official_test("cifar10", images, labels, *test, known=CIFAR10_SHA256)
