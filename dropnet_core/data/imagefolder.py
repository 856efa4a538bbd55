"""A user's own images: a folder or zip with one folder for each class."""

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.free_memory import free_bytes, left_to_process, size_in_words
from dropnet_core.basics.places import expand_home
from dropnet_core.basics.plural import counted
from dropnet_core.basics.streams import stream
from dropnet_core.data.dataset import DataSet, Split
from dropnet_core.data.images import Images, LabelledImages, Member, decode_image, open_images, suffix
from dropnet_core.data.splits import stratified_rows

SPLIT_FOLDERS = dict.fromkeys(("val", "valid", "validation"), "validation")
SPLIT_FOLDERS |= {"train": "train", "training": "train", "test": "test", "testing": "test"}
CLASS_FOLDER_LAYOUT = "expected PATH/CLASS/image.png, or PATH/train/CLASS/image.png with val and test beside train"
ClassMembers = list[tuple[str, Member]]  # the class and the place of each image


def imagefolder(path: str, size: int = 32, colour: bool = True) -> DataSet:
    """Images of a folder or zip, resized bilinearly to size x size, as RGB or (colour False) grey.

    Classes are numbered in alphabetical order of their folders. Where there are subfolders train, val and
    test (or training, valid, validation, testing) they are the splits; a missing test and then a missing validation
    split is a tenth of the training images, stratified as in the paper. Links are followed; nothing is unpacked to
    disk. Files that are no images, by their suffix, or lie in no class folder are skipped, and a warning counts them.

    Raises InputError for a path that is missing or no zip, a damaged zip, a folder that cannot be read or has no
    images, an image that cannot be decoded, a single class, splits with different classes, classes too small to be
    split, and more images than fit into the memory; the last three before any image is decoded.
    """
    with open_images(expand_home(path)) as images:
        outer = outer_folders(images)
        parts = arrange(images, outer)
        classes = common_classes(parts, images.path)
        warn_of_skipped(images, [member for pairs in parts.values() for _, member in pairs])
        splits = complete_splits(parts, classes)
        shape = (3 if colour else 1, size, size)
        check_fits(sum(len(split.members) for split in splits.values()), shape, path)
        decoded = {part: decode_split(images, split, shape) for part, split in splits.items()}
    return DataSet.of(f"imagefolder:{path}", **decoded, classes=len(classes))


def outer_folders(images: Images) -> Member:
    """The folders around everything, which archives often have: each is alone, and its images lie deeper."""
    outer: Member = ()
    while True:
        depth = len(outer)
        below = {folder[depth] for folder in images.folders if len(folder) > depth and folder[:depth] == outer}
        if len(below) != 1 or any(len(member) < depth + 3 for member in images.members):
            return outer
        outer = (*outer, *below)


def arrange(images: Images, outer: Member) -> dict[str, ClassMembers]:
    """For each split that lies in the folder `outer`, pairs (class, image) in alphabetical order.

    Raises InputError if there are no images in class folders, if a folder of a class or split has none, if the
    folders beside train are no splits, or if folders look like splits under other names.
    """
    depth = len(outer)
    members = [(member[depth:], member) for member in images.members if len(member) > depth + 1]
    if not members:
        raise InputError(
            f"no images in class folders in {images.path}{other_files(images, outer)}; {CLASS_FOLDER_LAYOUT}"
        )
    # A split's images lie one folder deeper than a class's, so a class may be called "train", too.
    tops = {below[0] for below, _ in members}
    deep = {top for top in tops if all(len(below) > 2 for below, _ in members if below[0] == top)}
    check_filled(images, (outer,))
    if not any(SPLIT_FOLDERS.get(top.lower()) == "train" for top in deep):
        if deep and all(top.lower() in SPLIT_FOLDERS for top in tops):
            for below, _ in members:
                if SPLIT_FOLDERS.get(below[0].lower()) == "train" and len(below) == 2:
                    raise InputError(
                        f"{'/'.join(below)} in {images.path} is in no class of a split; {CLASS_FOLDER_LAYOUT}"
                    )
            raise InputError(
                f"{images.path} holds {', '.join(sorted(tops))} but no train folder; {CLASS_FOLDER_LAYOUT}"
            )
        check_no_splits({below[:2] for below, _ in members if len(below) > 2}, images.path)
        return {"train": [(below[0], member) for below, member in members]}
    parts: dict[str, ClassMembers] = {}
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
    check_filled(images, [(*outer, top) for top in tops])
    return parts


def check_no_splits(folders: set[Member], path: Path) -> None:
    """Raise InputError where two class folders hold the same subfolders: splits would pass for classes.

    One that is the same may be each class's "images", as in Tiny ImageNet.
    """
    inside: dict[str, set[str]] = {}
    for top, below in sorted(folders):
        inside.setdefault(top, set()).add(below)
    for one, other in combinations(inside, 2):
        both = sorted(inside[one] & inside[other])
        if len(both) > 1:
            raise InputError(
                f"{one} and {other} in {path} both hold {both[0]} and {both[1]}, as splits do and classes do not; "
                f"rename splits to train, val and test, or move the images of classes right into {one} and {other}"
            )


def check_filled(images: Images, around: Iterable[Member]) -> None:
    """Raise InputError where a folder right below one of these holds no image: its class would be missing."""
    filled = {member[:depth] for member in images.members for depth in range(len(member))}
    for outer in around:
        for folder in images.folders:
            if folder[:-1] == outer and folder not in filled:
                raise InputError(
                    f"the folder {'/'.join(folder)} in {images.path} holds no image{other_files(images, folder)}; "
                    "fill it, remove it, or hide it by a dot before its name"
                )


def other_files(images: Images, folder: Member) -> str:
    """ ", only 12 files of other kinds (11 .heic, 1 .txt)", or nothing."""
    others = [member for member in images.skipped if member[: len(folder)] == folder]
    if not others:
        return ""
    kinds = f"{counted(len(others), 'file')} of other kinds ({suffix_counts(others)})"
    return f", only {kinds}, which PNG or JPEG could replace"


def suffix_counts(members: Iterable[Member]) -> str:
    """ "11 .heic, 1 .txt": how many there are of each kind, the commonest first."""
    kinds = Counter(suffix(member) or "without a suffix" for member in members)
    return ", ".join(f"{-count:,} {kind}" for count, kind in sorted((-n, kind) for kind, n in kinds.items()))


def warn_of_skipped(images: Images, used: Sequence[Member]) -> None:
    """Warn of files that are no images, and of images in no class folder."""
    said = []
    if images.skipped:
        said.append(f"{counted(len(images.skipped), 'file')} of other kinds ({suffix_counts(images.skipped)})")
    if stray := sorted(set(images.members).difference(used)):
        said.append(
            f"{counted(len(stray), 'image')} in no class folder ({'/'.join(stray[0])}{', ...' * (len(stray) > 1)})"
        )
    if said:
        warnings.warn(f"skipped in {images.path}: {'; '.join(said)}", stacklevel=4)


def common_classes(parts: dict[str, ClassMembers], path: Path) -> list[str]:
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


def complete_splits(parts: dict[str, ClassMembers], classes: list[str]) -> dict[str, LabelledImages]:
    """All three splits, in the order of presentation: those given, and those cut from the training images.

    Raises InputError, naming the smallest class, if it has too few images for that.
    """
    number = {name: i for i, name in enumerate(classes)}
    given = {
        part: LabelledImages([member for _, member in pairs], np.array([number[name] for name, _ in pairs], np.int64))
        for part, pairs in parts.items()
    }
    train = given.pop("train")
    # Files come class by class, and training does not shuffle: mix them once.
    rows = stream(0, "imagefolder", "order").permutation(len(train.labels))
    for part in ("test", "validation"):
        if part not in given:
            try:
                kept, held_out = stratified_rows(train.labels[rows])
            except InputError:
                counts = np.bincount(train.labels)
                raise InputError(
                    f"too few images to cut off a {part} split: the class folder {classes[counts.argmin()]} holds "
                    f"{counts.min()}; give at least 12 of each class, or make the folders train, val and test yourself"
                ) from None
            given[part] = train.rows(rows[held_out])
            rows = rows[kept]
    return {"train": train.rows(rows)} | given


def check_fits(count: int, shape: tuple[int, int, int], path: str) -> None:
    """Raise InputError where so many images of this shape do not fit into the memory that is free."""
    needed = count * math.prod(shape)
    known = (free_bytes(torch.device("cpu")), left_to_process())
    free = min((bytes_ for bytes_ in known if bytes_ is not None), default=needed)
    if needed > free:
        raise InputError(
            f"the {counted(count, 'image')} of 'imagefolder:{path}' with {shape[2]}x{shape[1]} pixels need "
            f"{size_in_words(needed)}, and {size_in_words(free)} are free; give a smaller size, or fewer images"
        )


def decode_split(images: Images, split: LabelledImages, shape: tuple[int, int, int]) -> Split:
    """A split's images, decoded one by one, each into its place: no more is held than is kept, and one image."""
    pixels = np.empty((len(split.members), *shape), np.uint8)
    for place in sorted(range(len(split.members)), key=split.members.__getitem__):  # as they lie in the folder
        pixels[place] = decode_image(images, split.members[place], shape[1], colour=shape[0] == 3)
    return Split(torch.from_numpy(pixels), torch.from_numpy(split.labels))
