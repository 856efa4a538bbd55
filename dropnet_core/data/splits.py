"""The paper's split of a training set, made by scikit-learn."""

import hashlib

import numpy as np
import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.data.dataset import DataSet, Split

HELD_OUT = 0.1  # share of the images that leaves the training set
RANDOM_STATE = 42  # in the authors' code: one split for every seed and metric


def stratified_rows(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers that stay and row numbers that are held out (a tenth), stratified by class.

    The split of the authors' code: scikit-learn's `train_test_split` with random_state 42. It shuffles; the
    order of the rows is the order in which images are presented, in every epoch and for every seed.

    labels: (n,) integers. Returns two int64 arrays of together n rows. Raises InputError if a class is too
    small to be present on both sides.
    """
    from sklearn.model_selection import train_test_split  # takes a second to import

    sizes = np.unique(labels, return_counts=True)[1]
    too_few = InputError(
        f"too few images for a stratified split: {len(labels)} images, {sizes.min()} of them in the smallest "
        "class; give at least 12 of each class, or make the split yourself"
    )
    settings = {"test_size": HELD_OUT, "random_state": RANDOM_STATE}
    try:
        kept, held_out = train_test_split(np.arange(len(labels)), stratify=labels, **settings)
    except ValueError as error:
        raise too_few from error
    if any(len(np.unique(labels[part])) < len(sizes) for part in (kept, held_out)):
        raise too_few
    return kept, held_out


def rows_digest(rows: np.ndarray) -> str:
    """The first 16 digits of the SHA-256 of row numbers as little-endian int32: a split's fingerprint."""
    return hashlib.sha256(rows.astype("<i4").tobytes()).hexdigest()[:16]


def split_of(images: np.ndarray, labels: np.ndarray, rows: np.ndarray | slice = slice(None)) -> Split:
    """A Split of these rows of images (n, C, H, W) and labels (n,), both of any integer type that fits."""
    return Split(
        torch.from_numpy(np.require(images[rows], np.uint8, ["C", "W"])),  # copied once at most: torch wants to write
        torch.from_numpy(np.require(labels[rows], np.int64, ["C", "W"])),
    )


def with_official_test(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    *,
    known: str,
) -> DataSet:
    """A data set of ten classes whose official training set is split as in the authors' code.

    images: uint8 (n, C, H, W), labels: (n,); the official test set stays as it is. Raises InputError if the
    checksum is not the known one, so that another split can never pass for the paper's.
    """
    train, validation = stratified_rows(labels)
    data = DataSet.of(
        name,
        split_of(images, labels, train),
        split_of(images, labels, validation),
        split_of(test_images, test_labels),
        classes=10,
    )
    if data.sha256 != known:
        raise split_error(name, data.sha256, known)
    return data


def split_error(name: str, digest: str, known: str) -> InputError:
    """The error for a split with another digest than the paper's, which `known` is."""
    return InputError(
        f"the files of {name} are whole, but their split is not the paper's ({digest[:12]}, not {known[:12]}): this "
        "scikit-learn splits differently; install the version that constraints.txt names"
    )
