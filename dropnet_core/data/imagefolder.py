"""A user's own images: a folder or zip with one folder for each class."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.streams import stream
from dropnet_core.data.dataset import DataSet, Split
from dropnet_core.data.images import Images, Member, decode_image, open_images
from dropnet_core.data.splits import split_of, stratified_rows

SPLIT_FOLDERS = {"train": "train", "test": "test"} | dict.fromkeys(("val", "valid", "validation"), "validation")
CLASS_FOLDER_LAYOUT = "expected PATH/CLASS/image.png, or PATH/train/CLASS/image.png with val and test beside train"


def imagefolder(path: str, size: int = 32, colour: bool = True) -> DataSet:
    """Images of a folder or zip, resized bilinearly to size x size, as RGB or (colour False) grey.

    Classes are numbered in alphabetical order of their folders. Where there are subfolders train, val and
    test (or valid, validation) they are the splits; a missing test and then a missing validation split is a
    tenth of the training images, stratified as in the paper. Nothing is unpacked to disk.

    Raises InputError for a path that is missing or no zip, a damaged zip, an image that cannot be decoded, no
    images, a single class, splits with different classes, and classes too small to be split.
    """
    with open_images(Path(path).expanduser()) as images:
        parts = arrange(images)
        classes = common_classes(parts, images.path)
        number = {name: i for i, name in enumerate(classes)}
        arrays = {
            part: (
                np.stack([decode_image(images, member, size, colour) for _, member in pairs]),
                np.array([number[name] for name, _ in pairs]),
            )
            for part, pairs in parts.items()
        }
    return DataSet.of(
        f"imagefolder:{path}", **complete_splits(classes, *arrays.pop("train"), arrays), classes=len(classes)
    )


def arrange(images: Images) -> dict[str, list[tuple[str, Member]]]:
    """For each split that the folder holds, pairs (class, image) in alphabetical order.

    Raises InputError if there are no images in class folders, or if the folders beside train are no splits.
    """
    members = [pair for pair in inner_members(images.members) if len(pair[0]) > 1]
    if not members:
        raise InputError(f"no images in class folders in {images.path}; {CLASS_FOLDER_LAYOUT}")
    # A split's images lie one folder deeper than a class's, so a class may be called "train", too.
    tops = {below[0] for below, _ in members}
    deep = {top for top in tops if all(len(below) > 2 for below, _ in members if below[0] == top)}
    if not any(top.lower() == "train" for top in deep):
        if deep == tops and all(top.lower() in SPLIT_FOLDERS for top in tops):
            raise InputError(
                f"{images.path} holds {', '.join(sorted(tops))} but no train folder; {CLASS_FOLDER_LAYOUT}"
            )
        return {"train": [(below[0], member) for below, member in members]}
    parts: dict[str, list[tuple[str, Member]]] = {}
    folders: dict[str, str] = {}
    for below, member in members:
        role = SPLIT_FOLDERS.get(below[0].lower())
        if role is None or len(below) < 3:
            odd = "/".join(below)
            raise InputError(
                f"{images.path} has a train folder, but {odd} is in no class of a split; {CLASS_FOLDER_LAYOUT}"
            )
        if folders.setdefault(role, below[0]) != below[0]:
            both = f"{folders[role]} and {below[0]}"
            raise InputError(f"{images.path} has two {role} folders, {both}; keep one of them")
        parts.setdefault(role, []).append((below[1], member))
    return parts


def inner_members(members: Iterable[Member]) -> list[tuple[Member, Member]]:
    """Pairs (path below the folders around everything, whole path): archives often have an outer folder."""
    pairs = [(member, member) for member in members]
    while pairs and len({below[0] for below, _ in pairs}) == 1 and all(len(below) > 2 for below, _ in pairs):
        pairs = [(below[1:], member) for below, member in pairs]
    return pairs


def common_classes(parts: dict[str, list[tuple[str, Member]]], path: Path) -> list[str]:
    """The classes, alike in every split. Raises InputError where they differ or are fewer than two."""
    classes = {part: {name for name, _ in pairs} for part, pairs in parts.items()}
    for part, names in classes.items():
        if names != classes["train"]:
            odd = ", ".join(sorted(names ^ classes["train"]))
            raise InputError(f"class folders of train and {part} differ in {path}: {odd}; each split needs all")
    if len(classes["train"]) < 2:
        only = classes["train"].pop()
        raise InputError(f"{path} has one class only, {only}; at least two class folders are needed")
    return sorted(classes["train"])


def complete_splits(
    classes: list[str], images: np.ndarray, labels: np.ndarray, given: dict[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, Split]:
    """All three splits: those given, and those cut from the training images (n, C, H, W) with labels (n,).

    Raises InputError, naming the smallest class, if it has too few images for that.
    """
    # Files come class by class, and training does not shuffle: mix them once.
    rows = stream(0, "imagefolder", "order").permutation(len(labels))
    splits = {part: split_of(*arrays) for part, arrays in given.items()}
    for part in ("test", "validation"):
        if part not in splits:
            try:
                kept, held_out = stratified_rows(labels[rows])
            except InputError:
                counts = np.bincount(labels)
                raise InputError(
                    f"too few images to cut off a {part} split: the class folder {classes[counts.argmin()]} holds "
                    f"{counts.min()}; give at least 12 of each class, or make the folders train, val and test yourself"
                ) from None
            splits[part] = split_of(images, labels, rows[held_out])
            rows = rows[kept]
    return {"train": split_of(images, labels, rows)} | splits
