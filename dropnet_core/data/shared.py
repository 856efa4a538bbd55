"""Images on their way to worker processes: in a file without a name, which each of them maps.

torch would send them by way of /dev/shm, and a container has 64 MB of that unless somebody asked for more.
"""

import tempfile
from dataclasses import dataclass, replace
from multiprocessing.reduction import DupFd
from typing import IO, Any

import numpy as np
import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.data.dataset import DataSet, Split
from dropnet_core.data.decoded import MappedSplit


@dataclass(frozen=True, eq=False)
class SharedSplit(Split):
    """A split that another process gets by a file, which is gone as soon as nobody holds it, however they end."""

    file: IO[bytes]

    @classmethod
    def of(cls, split: Split) -> "SharedSplit":
        """Writes the images. Raises OSError where there is no room."""
        file = tempfile.TemporaryFile()
        file.write(split.images.contiguous().numpy().data)
        file.flush()
        return cls(split.images, split.labels, file)

    def __reduce__(self) -> tuple[Any, ...]:
        return receive_split, (DupFd(self.file.fileno()), tuple(self.images.shape), self.labels.numpy())


def receive_split(descriptor: Any, shape: tuple[int, ...], labels: np.ndarray) -> Split:
    """The split in another process."""
    with open(descriptor.detach(), "rb") as file:
        # "c": torch wants arrays that could be written; a change would stay in memory.
        images = np.memmap(file, np.uint8, "c", shape=shape)
    return Split(torch.from_numpy(images), torch.from_numpy(labels))


def share_images(data: DataSet) -> DataSet:
    """The data set, ready to be sent to several processes, which will hold its images once for all of them.

    Raises InputError if there is no room for the file. What lies on a GPU stays there.
    """
    if data.train.images.device.type != "cpu":
        return data
    try:
        ready = {
            part: split if isinstance(split, MappedSplit) and split.unchanged else SharedSplit.of(split)
            for part, split in data.parts.items()
        }
    except OSError as error:
        raise InputError(
            f"the images cannot be put into a temporary file for the worker processes ({error.strerror}); free some "
            "space, name another folder by TMPDIR, or use one worker"
        ) from error
    return replace(data, **ready)  # type: ignore[arg-type]
