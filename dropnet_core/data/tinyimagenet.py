"""Tiny ImageNet from its original folder or zip, decoded once.

Y. Le, X. Yang: Tiny ImageNet visual recognition challenge, Stanford CS231n, 2015. The images are ImageNet's
(O. Russakovsky et al.: ImageNet large scale visual recognition challenge, IJCV 115, 2015).
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.places import cache_folder
from dropnet_core.data.dataset import DataSet
from dropnet_core.data.decoded import EncodedSplit, decode_once
from dropnet_core.data.images import Images, LabelledImages, Member, decode_image, open_images
from dropnet_core.data.sources import DATA_VARIABLE, data_folders
from dropnet_core.data.splits import rows_digest, split_error, stratified_rows

FOLDER = "tiny-imagenet-200"
SIZE = 64  # pixels, height and width
ANNOTATIONS = "val_annotations.txt"
ORIGINAL_LAYOUT = (
    f"expected train/WNID/images/*.JPEG, val/images/*.JPEG and val/{ANNOTATIONS}, as in the original {FOLDER}.zip, or "
    "val/WNID/*.JPEG; fetch or unpack it again"
)
DECODING = 1  # raised when the same files are read in another way, so that arrays decoded before are not used


@dataclass(frozen=True)
class Extent:
    """How much there must be: classes, and labelled images of each.

    split  fingerprints of the row numbers that stay in training and that are held out, where they are known
    """

    classes: int
    train: int
    test: int
    split: tuple[str, str] | None = None


PUBLISHED_EXTENT = Extent(200, 500, 50, ("30c3083c34056444", "37eec85f462a4c19"))


def tinyimagenet() -> DataSet:
    """Tiny ImageNet: 90,000 / 10,000 / 10,000 colour images of 64x64 in 200 classes, split as in the paper.

    The labelled validation images are the test set, because the labels of the real one were never published; a tenth
    of the training images is held out for validation by the split of the authors' code. Grey images become RGB.

    The first call decodes all images, which takes a minute or two, and keeps the arrays in the user's cache folder
    (1.35 GB). Later calls map them from there: they need no more memory than the system has to spare, and 1.35 GB to
    hold every pixel. On a GPU, `DataSet.to` copies 1.35 GB.

    Raises InputError if there is neither folder nor zip, for a damaged zip, another layout or number of classes or
    images, and an image that cannot be decoded.
    """
    return from_files(find_original(), cache_folder() / "data" / f"{FOLDER}.decoded", PUBLISHED_EXTENT)


def find_original() -> Path:
    """The folder or zip, from DROPNET_DATA or else the cache. Raises InputError if it is in neither."""
    folders = data_folders()
    for folder in folders:
        for place in (folder / FOLDER, folder / f"{FOLDER}.zip"):
            if place.exists():
                return place
    raise InputError(
        f"Tiny ImageNet is not in {' or '.join(map(str, folders))}, and it cannot be downloaded from here; get "
        f"{FOLDER}.zip (248 MB) from the site of the Stanford course CS231n, and set {DATA_VARIABLE} to the "
        "folder it is in"
    )


def from_files(path: Path, cache: Path, extent: Extent) -> DataSet:
    """The data set of a folder or zip, from the decoded images in `cache` if they were made from it."""
    splits = encoded_splits(path, extent)  # a generator: nothing is read unless needed
    return decode_once(
        cache, stamp(path), name="tinyimagenet", shape=(3, SIZE, SIZE), classes=extent.classes, splits=splits
    )


def stamp(path: Path) -> str:
    """How a folder or zip looks from outside, its times and sizes: found in no time.

    It differs once a file has come or gone; one overwritten in place in a folder it cannot see. Then delete the cache.
    """
    places = (
        [path]
        if path.is_file()
        else [
            *sorted(path.glob("train/*/images")),
            *sorted(path.glob("val/*")),
            *sorted(path.glob("val/*/images")),
        ]
    )
    looks = [(place.parts[-3:], place.stat().st_mtime_ns, place.stat().st_size) for place in places]
    return hashlib.sha256(repr((DECODING, looks)).encode()).hexdigest()


def encoded_splits(path: Path, extent: Extent) -> Iterator[tuple[str, EncodedSplit]]:
    """The three splits; their images are read and decoded one by one, as they are asked for."""
    with open_images(path) as images:
        train, test = labelled_images(images, extent)
        kept, held_out = stratified_rows(train.labels)
        fingerprints = (rows_digest(kept), rows_digest(held_out))
        if extent.split is not None and fingerprints != extent.split:
            raise split_error("tinyimagenet", fingerprints[0], extent.split[0])
        for part, split in (("train", train.rows(kept)), ("validation", train.rows(held_out)), ("test", test)):
            pixels = (decode_image(images, member, SIZE, colour=True) for member in split.members)
            yield part, EncodedSplit(split.labels, pixels)


def labelled_images(images: Images, extent: Extent) -> tuple[LabelledImages, LabelledImages]:
    """The images under train and those under val, in alphabetical order, with their classes numbered by sorted WNID.

    Those of val may have been sorted into folders of their classes, as many scripts do; their order stays that of
    their file names. Raises InputError if there are others than there should be, or some of val have no class.
    """
    outer = () if any(member[0] == "train" for member in images.members) else (FOLDER,)
    inside = [(member[len(outer) :], member) for member in images.members if member[: len(outer)] == outer]
    train = [(below[1], member) for below, member in inside if below[0] == "train" and len(below) == 4]
    test = [(below[1], member) for below, member in inside if below[0] == "val" and len(below) in (3, 4)]
    test.sort(key=lambda pair: pair[1][-1])
    if not train or not test:
        raise InputError(f"{images.path} has no images of the {'val' if train else 'train'} split; {ORIGINAL_LAYOUT}")
    wnids = sorted({wnid for wnid, _ in train})
    if len(wnids) != extent.classes:
        raise InputError(f"{images.path} has {len(wnids)} classes, not {extent.classes}; {ORIGINAL_LAYOUT}")
    for wnid, count in Counter(wnid for wnid, _ in train).items():
        if count != extent.train:
            raise InputError(
                f"{images.path} has {count} training images of {wnid}, not {extent.train}; {ORIGINAL_LAYOUT}"
            )
    if len(test) != extent.test * extent.classes:
        raise InputError(
            f"{images.path} has {len(test)} images in val, not {extent.test * extent.classes}; {ORIGINAL_LAYOUT}"
        )
    number = {wnid: i for i, wnid in enumerate(wnids)}
    sorted_already = all(folder in number for folder, _ in test)
    classes = {} if sorted_already else read_annotations(images, (*outer, "val", ANNOTATIONS))
    found = [folder if folder in number else classes.get(member[-1], "") for folder, member in test]
    for (_, member), wnid in zip(test, found, strict=True):
        if wnid not in number:
            raise InputError(
                f"{ANNOTATIONS} in {images.path} gives no class of train for {member[-1]}; {ORIGINAL_LAYOUT}"
            )
    return (
        LabelledImages([member for _, member in train], np.array([number[wnid] for wnid, _ in train])),
        LabelledImages([member for _, member in test], np.array([number[wnid] for wnid in found])),
    )


def read_annotations(images: Images, file: Member) -> dict[str, str]:
    """File name -> WNID of the images of val, from lines of a name, a WNID and a box, separated by tabs."""
    try:
        text = images.read(file).decode("utf-8", errors="replace")
    except InputError as error:
        raise InputError(f"{error}; {ORIGINAL_LAYOUT}") from error
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: row[1] for row in rows if len(row) > 1}
