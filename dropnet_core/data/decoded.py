"""Decoded images kept on disk: decoded once, from then on only mapped into memory."""

import json
import os
import tempfile
import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dropnet_core.basics.errors import InputError
from dropnet_core.data.dataset import SPLIT_NAMES, DataSet, Split

ABOUT = "about.json"  # {"stamp": of the files that were decoded, "sha256": of the data set they gave}


@dataclass(frozen=True)
class EncodedSplit:
    """A split yet to be decoded: labels (n,) and, in the same order, images as uint8 arrays, made one by one."""

    labels: np.ndarray
    images: Iterable[np.ndarray]


FileIdentity = tuple[int, ...]  # device, inode, bytes, nanoseconds of the last change


def file_identity(file: Path) -> FileIdentity:
    """What tells a file apart from another one that takes its name. Raises OSError if it is not there."""
    status = file.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, eq=False)
class MappedSplit(Split):
    """A split whose images are mapped from an .npy file. Another process is told the file and maps it itself, where
    torch would copy the images into shared memory, which the system cannot drop again.

    file  where another process finds them
    mark  what the mapped file looked like
    """

    file: Path
    mark: FileIdentity

    @classmethod
    def of(cls, file: Path, labels: Tensor, name: Path | None = None) -> "MappedSplit":
        """The images of a file, which goes by another name later if one is given.

        Raises OSError, ValueError or InputError for a bad file.
        """
        # "c": torch wants arrays that could be written; a change would stay in memory.
        images = np.load(file, mmap_mode="c", allow_pickle=False)
        return cls(torch.from_numpy(images), labels, name or file, file_identity(file))

    @property
    def unchanged(self) -> bool:
        """Whether another process would find the same file."""
        try:
            return file_identity(self.file) == self.mark
        except OSError:
            return False

    def __reduce__(self) -> tuple[Any, ...]:
        if self.unchanged:
            return reopen_split, (self.file, self.labels.numpy(), self.mark)
        return Split, (self.images, self.labels)  # the file is gone or replaced; what is mapped goes as a copy


def reopen_split(file: Path, labels: np.ndarray, mark: FileIdentity) -> MappedSplit:
    """A split in another process. Raises InputError if the file has been replaced on the way."""
    split = MappedSplit.of(file, torch.from_numpy(labels))
    if split.mark != mark:
        raise InputError(f"{file} was replaced while a worker process started; start again")
    return split


def decode_once(
    folder: Path,
    stamp: str,
    *,
    name: str,
    shape: tuple[int, int, int],
    classes: int,
    splits: Iterable[tuple[str, EncodedSplit]],
) -> DataSet:
    """The data set that is kept in this folder; without one of this stamp there, it is decoded into it first.

    stamp   tells the files apart that the images come from; another one replaces what is kept
    shape   one image, (channels, height, width)
    splits  train, validation and test by name; asked for only when there is something to decode

    Pixels stay in their files: the system reads those that are used, and may drop them again when memory is short.
    What is kept is checked by the data set's checksum; if it is damaged, a warning names it and it is decoded again.
    A folder under its final name is whole, whatever interrupts the decoding and however many processes do it.

    Raises InputError if the folder cannot be written.
    """
    if (kept := kept_data_set(folder, stamp, name, classes)) is not None:
        return kept
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".decoding-", dir=folder.parent) as beside:
            fresh = Path(beside, "fresh")
            fresh.mkdir()
            for part, split in splits:
                np.save(fresh / f"{part}_labels.npy", split.labels.astype(np.int64))
                write_images(fresh / f"{part}_images.npy", (len(split.labels), *shape), split.images)
            data = map_data_set(fresh, name, classes, folder)
            (fresh / ABOUT).write_text(json.dumps({"stamp": stamp, "sha256": data.sha256}), "utf-8")
            put_in_place(fresh, folder, Path(beside, "former"))
            return data
    except OSError as error:
        raise InputError(
            f"decoded images cannot be kept in {folder} ({error.strerror or error}); free some space, or name another "
            "folder for caches by XDG_CACHE_HOME"
        ) from error


def kept_data_set(folder: Path, stamp: str, name: str, classes: int) -> DataSet | None:
    """The kept data set, or None if there is none of this stamp, or only a damaged one, which a warning names."""
    if not folder.exists():
        return None
    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        if about["stamp"] != stamp:
            return None
        data = map_data_set(folder, name, classes)
        if data.sha256 == about["sha256"]:
            return data
        reason = "their checksum is not the known one"
    except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, InputError) as error:
        reason = str(error)
    warnings.warn(f"the decoded images in {folder} are damaged ({reason}) and are decoded again", stacklevel=4)
    return None


def map_data_set(folder: Path, name: str, classes: int, later: Path | None = None) -> DataSet:
    """The data set of a folder of arrays, its pixels mapped; `later` is the name that the folder is going to have.

    Raises OSError, ValueError or InputError for bad ones.
    """

    def split(part: str) -> Split:
        labels = np.load(folder / f"{part}_labels.npy", allow_pickle=False)
        images = f"{part}_images.npy"
        return MappedSplit.of(folder / images, torch.from_numpy(labels), later and later / images)

    train, validation, test = map(split, SPLIT_NAMES)
    return DataSet.of(name, train, validation, test, classes)


def write_images(file: Path, shape: tuple[int, ...], images: Iterable[np.ndarray]) -> None:
    """An .npy file of images (n, C, H, W), of which only one at a time is in memory."""
    with file.open("wb") as stream:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for image in images:
            stream.write(image.astype(np.uint8, copy=False).tobytes())


def put_in_place(fresh: Path, folder: Path, former: Path) -> None:
    """Give a finished folder its final name; one that has it already goes to `former`."""
    with suppress(FileNotFoundError):
        os.replace(folder, former)
    try:
        os.replace(fresh, folder)
    except OSError:
        if not folder.exists():
            raise  # otherwise another process was faster, and what it put there is as good
