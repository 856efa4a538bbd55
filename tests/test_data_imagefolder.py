"""A user's own images: folders, zips, and what can be wrong with them."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import classes, png, sizes, write_files
from PIL import EpsImagePlugin, Image

from dropnet_core.basics.errors import InputError
from dropnet_core.data import images, load

BLUE = (0, 0, 200)


@pytest.fixture(params=["images", "images.zip"])
def place(tmp_path, request) -> Path:
    return tmp_path / request.param


@pytest.mark.filterwarnings("ignore:skipped in")
def test_class_folders_are_split_stratified(place):
    write_files(place, classes() | {"notes.txt": b"", "cat/.hidden.png": b"", "__MACOSX/cat/0.png": b"", "x.png": b""})
    data = load(f"imagefolder:{place}", size=8)
    assert data.name == f"imagefolder:{place}"
    assert data.shape == (3, 8, 8) and data.classes == 2 and sizes(data) == [32, 4, 4]
    shades = set()
    for split in data.parts.values():
        assert torch.bincount(split.labels).tolist() == [len(split) // 2] * 2
        # Classes are numbered alphabetically: cats (0) are red, dogs (1) blue.
        assert torch.equal(split.images[:, 2].amax((1, 2)) > 0, split.labels == 1)
        shades |= {tuple(pixel) for pixel in split.images[:, :, 0, 0].tolist()}
    assert len(shades) == 40  # each image is in one split, once
    assert int((data.train.labels.diff() != 0).sum()) > 1  # mixed, not class by class


def test_folder_and_zip_give_the_same_arrays(tmp_path):
    files = classes()
    folder, archive = (
        write_files(tmp_path / "a", files),
        write_files(tmp_path / "b.zip", dict(reversed(files.items()))),
    )
    wrapped = write_files(tmp_path / "c.zip", {f"outer/inner/{name}": content for name, content in files.items()})
    sums = {load(f"imagefolder:{path}").sha256 for path in (folder, archive, wrapped)}
    assert len(sums) == 1
    assert load(f"imagefolder:{folder}").shape == (3, 32, 32)


@pytest.mark.parametrize("validation", ["val", "valid", "validation", "Val"])
def test_given_splits_are_used_as_they_are(place, validation):
    parts = classes("train/", 9) | classes(f"{validation}/", 3) | classes("test/", 2)
    data = load(f"imagefolder:{write_files(place, parts)}")
    assert sizes(data) == [18, 6, 4]
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    assert int((data.train.labels.diff() != 0).sum()) > 1


@pytest.mark.parametrize(("train", "test"), [("Training", "Testing"), ("training", "test"), ("TRAIN", "TESTING")])
def test_training_and_testing_are_names_of_splits(place, train, test):
    data = load(f"imagefolder:{write_files(place, classes(f'{train}/') | classes(f'{test}/', 2))}")
    assert sizes(data) == [36, 4, 4] and data.classes == 2


def test_missing_splits_are_cut_from_the_training_images(tmp_path):
    no_validation = write_files(tmp_path / "a", classes("train/") | classes("test/", 3))
    assert sizes(load(f"imagefolder:{no_validation}")) == [36, 4, 6]
    no_test = write_files(tmp_path / "b", classes("train/") | classes("val/", 3))
    assert sizes(load(f"imagefolder:{no_test}")) == [36, 6, 4]
    only_train = write_files(tmp_path / "c", classes("train/", 26))
    assert sizes(load(f"imagefolder:{only_train}")) == [41, 5, 6]  # test first: 6 of 52, then 5 of 46


def test_a_class_may_be_called_train(tmp_path):
    files = {name.replace("cat", "train").replace("dog", "test"): content for name, content in classes().items()}
    files = {name.replace("train/00", "train/deeper/00"): content for name, content in files.items()}
    data = load(f"imagefolder:{write_files(tmp_path / 'a', files)}")
    assert sizes(data) == [32, 4, 4] and data.classes == 2


@pytest.mark.parametrize("outer", ["", "outer/"])
@pytest.mark.parametrize("more", [{}, {"a/elk/0.png": png()}, {"c/0.png": png()}])
def test_splits_of_other_names_are_not_taken_for_classes(place, outer, more):
    files = {f"{outer}{name}": content for name, content in (classes("b/") | classes("a/") | more).items()}
    with pytest.raises(InputError, match="^a and b in .* both hold cat and dog, .* rename splits to train, val and te"):
        load(f"imagefolder:{write_files(place, files)}")


def test_each_class_may_have_a_subfolder_of_the_same_name(place):
    files = {name.replace("/", "/images/"): content for name, content in classes().items()}
    assert load(f"imagefolder:{write_files(place, files | {'dog/odd/0.png': png()})}").classes == 2


def test_images_of_any_kind_become_rgb_or_grey(tmp_path):
    kinds = {
        "L": png(100, mode="L"),
        "P": png(0, mode="P"),
        "RGBA": png((100, 100, 100, 255), mode="RGBA"),
        "1": png(1, mode="1"),
        "CMYK": png((0, 0, 0, 155), mode="CMYK", form="JPEG"),
        "LA": png((100, 255), mode="LA"),
    }
    files = {f"test/grey/{kind}.{'jpg' if kind == 'CMYK' else 'png'}": content for kind, content in kinds.items()}
    files |= {"test/red/a.GIF": png(form="GIF"), "test/red/b.BMP": png(form="BMP")}
    files |= {f"{part}/{name}/0.png": png() for part in ("train", "val") for name in ("grey", "red")}
    path = write_files(tmp_path / "a", files)
    colour, grey = (load(f"imagefolder:{path}", size=5, colour=wanted) for wanted in (True, False))
    assert colour.shape == (3, 5, 5) and grey.shape == (1, 5, 5)
    assert colour.test.images[:, :, 2, 2].tolist() == [
        [255] * 3, [100] * 3, [100] * 3, [100] * 3, [0] * 3, [100] * 3, [200, 0, 0], [200, 0, 0],
    ]  # fmt: skip
    assert grey.test.images[-1, 0, 0, 0] == 60  # 0.299 of 200, the luma weight of red


def test_images_are_turned_upright_and_resized_bilinearly(tmp_path):
    ramp = np.repeat(np.array([[0, 80, 160, 240]], np.uint8), 2, axis=0)  # 4 wide, 2 high, brighter to the right
    plain, turned = io.BytesIO(), io.BytesIO()
    Image.fromarray(ramp).save(plain, "PNG")
    tag = Image.Exif()
    tag[0x0112] = 6  # "turn clockwise by 90 degrees to view"
    Image.fromarray(ramp).save(turned, "PNG", exif=tag)
    files = {"cat/a.png": plain.getvalue(), "dog/a.png": turned.getvalue()}
    parts = {f"{part}/{name}": content for part in ("train", "val", "test") for name, content in files.items()}
    data = load(f"imagefolder:{write_files(tmp_path / 'a', parts)}", size=2, colour=False)
    cat, dog = data.test.images[:, 0].tolist()
    assert cat[0] == cat[1] and cat[0][0] < 80 < 160 < cat[0][1]
    assert dog == [list(column) for column in zip(*cat, strict=True)]


def broken(content: bytes) -> dict[str, bytes]:
    return classes() | {"dog/bad.jpg": content}


NOISE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def cut_off() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(NOISE).save(stream, "JPEG")
    return stream.getvalue()[:700]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no images in class folders"),
        ({"cat/readme.txt": b"x"}, "no images in class folders"),
        ({"a.png": png(), "b.png": png()}, "no images in class folders .* expected PATH/CLASS/image.png"),
        ({f"cat/{i}.png": png() for i in range(20)}, "one class only, cat"),
        (classes("train/") | {"test/cat/0.png": png()}, "class folders of train and test differ .*dog"),
        (
            classes("train/") | classes("val/") | {"val/bird/0.png": png()},
            "train and validation differ .*bird",
        ),
        (classes("val/") | classes("test/"), "holds test, val but no train folder"),
        (classes("train/") | classes("extra/"), "extra/cat/000.png is in no class of a split"),
        (classes("train/") | {"test/0.png": png()}, "test/0.png is in no class of a split"),
        (classes("train/") | classes("val/") | classes("valid/"), "two validation folders, val and valid"),
        (classes("", 3), "too few images to cut off a test split: the class folder cat holds 3; give at least 12"),
        (broken(b"this is no image"), "dog/bad.jpg in .* cannot be decoded"),
        (broken(b""), "dog/bad.jpg in .* cannot be decoded"),
        (broken(cut_off()), "dog/bad.jpg in .* cannot be decoded"),
        (broken(png(40_000, mode="I;16")), "dog/bad.jpg in .* has more than 8 bits"),
    ],
)
def test_bad_folders_are_refused(place, files, words):
    with pytest.raises(InputError, match=words):
        load(f"imagefolder:{write_files(place, files)}")


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no folder or zip file .*nowhere; check the path"):
        load(f"imagefolder:{tmp_path / 'nowhere'}")


def test_a_zip_that_is_cut_off_or_altered_is_refused(tmp_path):
    path = write_files(tmp_path / "a.zip", classes())
    whole = path.read_bytes()
    for content, words in ((whole[:-100], "neither a folder nor a whole zip"), (b"", "neither a folder nor")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            load(f"imagefolder:{path}")
    first = whole.index(b"cat/000.png") + len("cat/000.png")
    path.write_bytes(whole[: first + 20] + bytes([whole[first + 20] ^ 255]) + whole[first + 21 :])
    with pytest.raises(InputError, match=r"a.zip is damaged or locked at cat/000.png"):
        load(f"imagefolder:{path}")


POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 6 4
%%EndComments
200 0 0 setrgbcolor clippath fill showpage
%%EOF
"""


def other_format(form: str) -> bytes:
    return POSTSCRIPT if form == "EPS" else png(form=form)


@pytest.mark.parametrize("form", ["EPS", "PCX", "TGA", "SGI", "PDF"])
def test_only_the_formats_that_are_meant_are_opened(place, form, tmp_path, monkeypatch):
    """Whatever a file is called. Pillow would hand PostScript to Ghostscript: here, one that leaves a trace."""
    called = tmp_path / "called"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "gs"
    program.write_text(f"#!/bin/sh\necho 10 >> {called}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    with pytest.raises(InputError) as caught:
        load(f"imagefolder:{write_files(place, classes() | {'dog/a.png': other_format(form)})}")
    assert not called.exists()
    assert f"dog/a.png in {place} cannot be decoded: it is no PNG or JPEG or BMP" in str(caught.value)


@pytest.mark.parametrize(("suffix", "form"), [(s, f) for s in ("png", "jpg") for f in images.FORMATS])
def test_each_format_that_is_meant_is_opened_under_any_suffix(tmp_path, suffix, form):
    parts = {f"{part}/{name}/0.png": png() for part in ("train", "val", "test") for name in ("cat", "dog")}
    path = write_files(tmp_path / "a", parts | {f"test/cat/0.{suffix}": png(size=(32, 32), form=form)})
    assert load(f"imagefolder:{path}").test.images[0].amax((1, 2)).float() == pytest.approx([200, 0, 0], abs=8)


@pytest.mark.parametrize("content", [b"this is no image", b"", cut_off(), POSTSCRIPT], ids=["text", "", "cut", "EPS"])
def test_a_message_names_the_image_and_no_object_in_memory(place, content):
    with pytest.raises(InputError) as caught:
        load(f"imagefolder:{write_files(place, broken(content))}")
    assert str(caught.value).startswith(f"the image dog/bad.jpg in {place} cannot be decoded")
    assert "0x" not in str(caught.value) and "BytesIO" not in str(caught.value)


def large_png(width: int, height: int) -> bytes:
    """A PNG that declares so many pixels, and has none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("size", [(9_500, 9_500), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(place, size, monkeypatch):
    monkeypatch.setattr(images.ImageOps, "exif_transpose", lambda image: pytest.fail("it is decoded"))
    parts = {f"{part}/{kind}/z.png": png() for part in ("train", "val", "test") for kind in ("dog", "elk")}
    with pytest.raises(InputError, match=r"dog/bad.jpg in .* has more than 89,478,485 pixels; reduce it"):
        load(f"imagefolder:{write_files(place, parts | {'train/dog/bad.jpg': large_png(*size)})}")


def in_zip(path: Path, member: str, declared: int | None = None, sum_of: bytes | None = None) -> Path:
    """Change, in both places where a zip has them, a member's declared size and checksum."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(member)
    content = bytearray(path.read_bytes())
    central = content.index(member.encode(), content.index(b"PK\x01\x02")) - 46
    for start, at in ((info.header_offset, 14), (central, 16)):
        if sum_of is not None:
            struct.pack_into("<I", content, start + at, zlib.crc32(sum_of))
        if declared is not None:
            struct.pack_into("<I", content, start + at + 8, declared)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("declared", [7 * 2**29, 400_000_000])
def test_a_member_that_declares_more_than_any_image_has_is_not_unpacked(tmp_path, declared, monkeypatch):
    path = in_zip(write_files(tmp_path / "a.zip", classes()), "cat/000.png", declared)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("it is unpacked"))
    with pytest.raises(InputError, match=rf"cat/000.png in .* has {declared:,} bytes, more than any image"):
        load(f"imagefolder:{path}")


@pytest.mark.parametrize("summed", ["what is declared", "what comes out"])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_that_yields_more_than_it_declares_is_not_unpacked_further(tmp_path, method, summed):
    """A picture, with 20 MB behind it that are not declared."""
    image, path = png((1, 2, 3)), tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in ({"cat/0.png": image + bytes(20_000_000)} | classes()).items():
            archive.writestr(name, content)
    in_zip(path, "cat/0.png", len(image), image if summed == "what is declared" else None)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"a.zip is damaged .*at cat/0.png"):
            load(f"imagefolder:{path}")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_member_that_yields_less_than_it_declares_is_refused(tmp_path):
    files = classes()
    path = in_zip(write_files(tmp_path / "a.zip", files), "cat/000.png", len(files["cat/000.png"]) + 1)
    with pytest.raises(InputError, match=r"a.zip is damaged at cat/000.png: it declares .* come out"):
        load(f"imagefolder:{path}")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_cannot_be_stopped_half_way_is_refused(tmp_path, method):
    """A gigabyte of zeros is some seven hundred bytes of bzip2, which Python unpacks in one go."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in classes().items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"cat/000.png in .* is not packed by the usual method, deflate; pack"):
        load(f"imagefolder:{path}")


def test_a_file_that_is_larger_than_any_image_is_not_read(tmp_path, monkeypatch):
    path = write_files(tmp_path / "a", classes())
    with (path / "cat" / "000.png").open("r+b") as file:
        file.truncate(7 * 2**30)  # takes no room on the disk
    monkeypatch.setattr(Path, "read_bytes", lambda file: pytest.fail("it is read"))
    with pytest.raises(InputError, match=r"000.png has 7,516,192,768 bytes, more than any image"):
        load(f"imagefolder:{path}")


def test_nothing_of_a_zip_reaches_the_disk(tmp_path):
    (tmp_path / "deep").mkdir()
    names = ("/cat/absolute.png", "cat/")
    path = write_files(tmp_path / "deep" / "a.zip", classes() | dict.fromkeys(names, png(BLUE)))
    climbing = tmp_path / "deep" / "b.zip"
    write_files(climbing, classes() | {"../../cat/climbing.png": png(BLUE)})
    before = sorted(tmp_path.rglob("*"))
    assert sum(sizes(load(f"imagefolder:{path}"))) == 41  # the first is an image like any other
    with pytest.raises(InputError, match="cat/climbing.png in .* leads elsewhere"):
        load(f"imagefolder:{climbing}")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_path_without_its_kind_is_told_what_to_write(tmp_path):
    with pytest.raises(InputError, match=f"for images in a folder or zip: 'imagefolder:{tmp_path}'"):
        load(str(tmp_path))
    with pytest.raises(InputError, match="unknown data set"):
        load("")
