"""Tiny ImageNet: its layout, its split, and what can be wrong, on a small copy of the layout; all of it where it is."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import png, write_files

from dropnet_core.basics.errors import InputError
from dropnet_core.data import decoded, load, tinyimagenet
from dropnet_core.data.splits import rows_digest, stratified_rows
from dropnet_core.data.tinyimagenet import ANNOTATIONS, FOLDER, PUBLISHED_EXTENT, Extent, from_files

WNIDS = ("n02", "n10", "n01")  # as in wnids.txt, which is not sorted
SMALL = Extent(classes=3, train=20, test=4)
SPLITS = {"train": 54, "validation": 6, "test": 12}


def original(changed: dict[str, bytes | None] | None = None) -> dict[str, bytes]:
    """Files in the original layout. Red says which class, by its place in the sorted list; green counts its images."""
    files = {"wnids.txt": "\n".join(WNIDS).encode(), "words.txt": b"n01\tgoldfish", "test/images/test_0.JPEG": png()}
    boxes = []
    for place, wnid in enumerate(sorted(WNIDS)):
        files[f"train/{wnid}/{wnid}_boxes.txt"] = b"n01_0.JPEG\t0\t10\t63\t58"
        for i in range(SMALL.train):
            files[f"train/{wnid}/images/{wnid}_{i}.JPEG"] = png((place, i, 0), size=(64, 64))
    for i in range(SMALL.classes * SMALL.test):
        place = i % 3
        files[f"val/images/val_{i}.JPEG"] = png((place, 100 + i, 0), size=(64, 64))
        boxes.append(f"val_{i}.JPEG\t{sorted(WNIDS)[place]}\t0\t32\t44\t62\n")
    files["val/val_annotations.txt"] = "".join(reversed(boxes)).encode()
    return {name: content for name, content in (files | (changed or {})).items() if content is not None}


def put(place: Path, changed: dict[str, bytes | None] | None = None) -> Path:
    """The layout as a folder of its own name, or in a zip with that folder around it."""
    if place.suffix == ".zip":
        return write_files(place, {f"{FOLDER}/{name}": content for name, content in original(changed).items()})
    return write_files(place, original(changed))


@pytest.fixture(params=[FOLDER, f"{FOLDER}.zip"])
def place(tmp_path, request) -> Path:
    return tmp_path / request.param


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache" / "decoded"


def test_the_split_of_the_real_one_is_pinned():
    labels = np.repeat(np.arange(200), 500)
    kept, held_out = stratified_rows(labels)
    assert (rows_digest(kept), rows_digest(held_out)) == PUBLISHED_EXTENT.split
    assert np.bincount(labels[kept]).tolist() == [450] * 200
    assert (len(kept), len(held_out), PUBLISHED_EXTENT.classes * PUBLISHED_EXTENT.test) == (90_000, 10_000, 10_000)


def test_the_original_layout_is_read_and_split(place, cache):
    data = from_files(put(place), cache, SMALL)
    assert (data.name, data.shape, data.classes) == ("tinyimagenet", (3, 64, 64), 3)
    assert {part: len(split) for part, split in data.parts.items()} == SPLITS
    for split in data.parts.values():
        assert torch.equal(split.images[:, 0, 0, 0].long(), split.labels)  # classes are numbered by sorted WNID
        assert torch.bincount(split.labels).unique().numel() == 1
    # Row numbers count the images class by class, names sorted as text: 0, 1, 10, 11, ..., 2, 3.
    names = sorted(range(SMALL.train), key=str)
    greens = np.tile(names, 3)
    kept, held_out = stratified_rows(np.repeat(np.arange(3), SMALL.train))
    assert data.train.images[:, 1, 9, 9].tolist() == greens[kept].tolist()
    assert data.validation.images[:, 1, 9, 9].tolist() == greens[held_out].tolist()
    assert data.test.images[:, 1, 63, 63].tolist() == [100 + i for i in sorted(range(12), key=str)]


def test_folder_and_zip_give_the_same_and_grey_becomes_rgb(tmp_path):
    changed = {"val/images/val_3.JPEG": png(77, size=(64, 64), mode="L")}
    places = [tmp_path / FOLDER, tmp_path / f"{FOLDER}.zip"]
    folder, archive = (from_files(put(place, changed), tmp_path / f"{place.name}.decoded", SMALL) for place in places)
    assert folder.sha256 == archive.sha256
    assert folder.test.images[5, :, 0, 0].tolist() == [77] * 3  # val_3, behind 0, 1, 10, 11 and 2


def moved(below: str, keep: str | None = None) -> dict[str, bytes | None]:
    """What scripts do that sort val into folders of its classes: each image goes to `below`, of its class."""
    changes: dict[str, bytes | None] = {}
    for line in original()[f"val/{ANNOTATIONS}"].decode().splitlines():
        name, wnid = line.split("\t")[:2]
        if name != keep:
            changes[f"val/images/{name}"] = None
            changes[f"val/{below.format(wnid)}/{name}"] = original()[f"val/images/{name}"]
    return changes | ({f"val/{ANNOTATIONS}": None} if keep is None else {})


@pytest.mark.parametrize("below", ["{}", "{}/images"])
@pytest.mark.parametrize("keep", [None, "val_7.JPEG"])
def test_a_val_that_is_sorted_into_class_folders_gives_the_same_data(tmp_path, place, below, keep):
    expected = from_files(put(tmp_path / "first" / FOLDER), tmp_path / "expected", SMALL)
    data = from_files(put(place, moved(below, keep)), tmp_path / "decoded", SMALL)
    assert data.sha256 == expected.sha256
    assert data.test.labels.tolist() == expected.test.labels.tolist()


def test_other_images_in_a_sorted_val_replace_what_is_kept(tmp_path, cache):
    path = put(tmp_path / FOLDER, moved("{}/images"))
    from_files(path, cache, SMALL)
    (path / "val/n01/images/val_0.JPEG").write_bytes(png((0, 250, 0), size=(64, 64)))
    os.utime(path / "val/n01/images", (1, 1))
    assert from_files(path, cache, SMALL).test.images[0, 1, 0, 0] == 250


def test_images_are_decoded_once_and_then_mapped(place, cache, monkeypatch):
    first = from_files(put(place), cache, SMALL)
    monkeypatch.setattr(tinyimagenet, "decode_image", None)  # whoever decodes now fails
    again = from_files(place, cache, SMALL)
    assert again.sha256 == first.sha256 and torch.equal(again.train.images, first.train.images)
    assert [file.name for file in cache.parent.iterdir()] == ["decoded"]  # nothing is left beside
    again.train.images[0] = 9  # a change stays in memory
    assert from_files(place, cache, SMALL).sha256 == first.sha256


def test_other_files_replace_what_is_kept(place, cache):
    first = from_files(put(place), cache, SMALL)
    put(place, {"val/images/val_0.JPEG": png((0, 250, 0), size=(64, 64))})
    os.utime(place if place.suffix else place / "val" / "images", (1, 1))
    second = from_files(place, cache, SMALL)
    assert second.sha256 != first.sha256 and second.test.images[0, 1, 0, 0] == 250
    assert first.test.images[0, 1, 0, 0] == 100  # what was mapped before stays readable


def flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        ("train_images.npy", flipped, "checksum is not the known one"),
        ("test_labels.npy", flipped, ""),
        ("test_images.npy", lambda content: content[:-9], ""),
        ("train_labels.npy", lambda content: b"", ""),
        ("about.json", lambda content: b"{", ""),
        ("about.json", lambda content: b"[]", ""),
        ("validation_images.npy", None, "No such file"),
    ],
)
def test_damaged_decoded_images_are_named_and_made_anew(tmp_path, cache, file, damage, words):
    path = put(tmp_path / FOLDER)
    sha256 = from_files(path, cache, SMALL).sha256
    if damage:
        (cache / file).write_bytes(damage((cache / file).read_bytes()))
    else:
        (cache / file).unlink()
    with pytest.warns(UserWarning, match=f"the decoded images in {cache} are damaged .*{words}"):
        assert from_files(path, cache, SMALL).sha256 == sha256
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert from_files(path, cache, SMALL).sha256 == sha256


def test_a_decoding_that_breaks_off_leaves_nothing(tmp_path, cache):
    path = put(tmp_path / FOLDER, {"val/images/val_7.JPEG": b"no image"})
    with pytest.raises(InputError, match="val_7.JPEG in .* cannot be decoded"):
        from_files(path, cache, SMALL)
    assert list(cache.parent.iterdir()) == []


def test_of_two_that_decode_at_once_the_faster_one_counts(tmp_path, monkeypatch):
    fresh, folder = (write_files(tmp_path / name, {"whose": name.encode()}) for name in ("ours", "theirs"))
    move = os.replace

    def late(source: Path, target: Path) -> None:
        if source == folder:
            raise FileNotFoundError  # it comes right after this look
        move(source, target)

    monkeypatch.setattr(decoded.os, "replace", late)
    decoded.put_in_place(fresh, folder, tmp_path / "former")
    assert (folder / "whose").read_bytes() == b"theirs"
    with pytest.raises(OSError):
        decoded.put_in_place(fresh, tmp_path / "no" / "such" / "place", tmp_path / "former")


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"cannot be kept in .*decoded .*XDG_CACHE_HOME"):
        from_files(put(tmp_path / FOLDER), tmp_path / "file" / "decoded", SMALL)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"train/n01/images/n01_3.JPEG": b"\xff\xd8 cut"}, "train/n01/images/n01_3.JPEG in .* cannot be decoded"),
        ({"val/val_annotations.txt": None}, "there is no file .*val_annotations.txt.* expected train/WNID/images"),
        ({"val/val_annotations.txt": b""}, "gives no class of train for val_0.JPEG"),
        ({"val/val_annotations.txt": b"val_0.JPEG\tn99\t0\t0\t1\t1"}, "gives no class of train for val_0.JPEG"),
        ({"train/n05/images/n05_0.JPEG": png()}, "has 4 classes, not 3"),
        ({f"train/n02/images/n02_{i}.JPEG": None for i in range(20)}, "has 2 classes, not 3"),
        ({"train/n02/images/n02_7.JPEG": None}, "has 19 training images of n02, not 20"),
        ({"val/images/val_7.JPEG": None}, "has 11 images in val, not 12"),
        ({f"val/images/val_{i}.JPEG": None for i in range(12)}, "has no images of the val split"),
    ],
)
def test_what_is_not_tiny_imagenet_is_refused(place, cache, changed, words):
    with pytest.raises(InputError, match=words):
        from_files(put(place, changed), cache, SMALL)


def test_another_layout_is_refused(tmp_path, cache):
    files = {f"{kind}/{i}.png": png() for kind in ("cat", "dog") for i in range(20)}
    for path in (write_files(tmp_path / FOLDER, files), write_files(tmp_path / f"{FOLDER}.zip", files)):
        with pytest.raises(InputError, match=r"has no images of the train split; expected train/WNID/images"):
            from_files(path, cache, SMALL)


def test_a_zip_that_is_cut_off_is_refused(tmp_path, cache):
    path = put(tmp_path / f"{FOLDER}.zip")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="neither a folder nor a whole zip"):
        from_files(path, cache, SMALL)


def test_another_split_is_refused(tmp_path, cache):
    extent = Extent(SMALL.classes, SMALL.train, SMALL.test, ("0" * 16, "1" * 16))
    with pytest.raises(InputError, match="scikit-learn splits differently"):
        from_files(put(tmp_path / FOLDER), cache, extent)


def test_it_is_looked_for_in_the_named_folder_and_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DROPNET_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"Tiny ImageNet is not in .*get tiny-imagenet-200.zip .* set DROPNET_DATA"):
        load("tinyimagenet")
    (tmp_path / f"{FOLDER}.zip").touch()
    with pytest.raises(InputError, match="neither a folder nor a whole zip"):
        load("tinyimagenet")
    put(tmp_path / FOLDER)
    with pytest.raises(InputError, match="has 3 classes, not 200"):  # the folder goes first
        load("tinyimagenet:2")


@pytest.mark.skipif(
    not os.path.isdir(os.path.join(os.environ.get("DROPNET_DATA", ""), FOLDER)),
    reason="needs all of Tiny ImageNet in DROPNET_DATA",
)
def test_all_of_tinyimagenet():
    data = load("tinyimagenet")
    assert [len(split) for split in data.parts.values()] == [90_000, 10_000, 10_000]
    counts = [torch.bincount(split.labels, minlength=200).unique().tolist() for split in data.parts.values()]
    assert counts == [[450], [50], [50]]
    assert data.train.labels[:10].tolist() == [145, 41, 126, 185, 45, 196, 4, 72, 147, 184]
    few = data.first(3)
    assert [len(split) for split in few.parts.values()] == [1350, 150, 150]
