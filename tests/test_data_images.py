"""Folders and zips of images as they are found in the world: links, odd suffixes, files that are no images."""

import os
import pwd
import stat
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import pytest
from image_files import classes, png, sizes, write_files
from PIL import Image

from dropnet_core.basics.errors import InputError
from dropnet_core.data import imagefolder, images, load

NOBODY = pwd.getpwnam("nobody").pw_uid


def loaded(path: Path, **settings):
    return load(f"imagefolder:{path}", **settings)


def plain(tmp_path: Path):
    """The data set of the usual two classes."""
    return loaded(write_files(tmp_path / "plain", classes()))


def test_a_class_folder_that_is_a_link_is_a_class(tmp_path):
    """Also one inside another, and the outermost folder."""
    expected = plain(tmp_path)
    cats, dogs = ({name: c for name, c in classes().items() if name.startswith(kind)} for kind in ("cat", "dog"))
    elsewhere, linked = write_files(tmp_path / "elsewhere", cats), write_files(tmp_path / "linked", dogs)
    (linked / "cat").symlink_to(elsewhere / "cat")
    (tmp_path / "link").symlink_to(linked)
    for path in (linked, tmp_path / "link"):
        data = loaded(path)
        assert data.classes == 2 and data.sha256 == expected.sha256
    (elsewhere / "cat" / "009.png").rename(tmp_path / "009.png")
    (elsewhere / "cat" / "009.png").symlink_to("../../009.png")
    assert loaded(linked).sha256 == expected.sha256


def test_a_linked_validation_folder_is_the_validation_split(tmp_path):
    elsewhere = write_files(tmp_path / "elsewhere", classes("", 5))
    path = write_files(tmp_path / "a", classes("train/") | classes("test/", 2))
    (path / "val").symlink_to(elsewhere)
    data = loaded(path)
    assert sizes(data) == [40, 10, 4]
    assert data.validation.images[:, :, 0, 0].tolist() == [[255 - i, 0, 0] for i in range(5)] + [
        [0, 0, 255 - i] for i in range(5)
    ]


@pytest.mark.parametrize("target", ["..", ".", "../../a", "loop"])
def test_a_link_that_leads_in_a_circle_is_named(tmp_path, target):
    path = write_files(tmp_path / "a", classes())
    (path / "dog" / "loop").symlink_to(target)
    with pytest.raises(InputError, match=r"a/dog/loop (leads back to a folder that it lies in; remove|cannot be read)"):
        loaded(path)


@pytest.mark.parametrize(
    ("target", "lies_in"), [("..", "a"), ("../..", "a"), ("..", "elsewhere"), ("../..", "elsewhere")]
)
def test_a_link_that_leads_above_the_folder_is_named_and_no_folder_behind_it(tmp_path, monkeypatch, target, lies_in):
    """Behind it lies the user's own folder, which is not to be removed. Also in a folder that is itself a link's."""
    (tmp_path / "b").mkdir()
    write_files(tmp_path / "b" / "a", classes())
    write_files(tmp_path / "elsewhere" / "deep" / "elk", {"0.png": png()})
    link = tmp_path / "b" / "a" / "up"
    if lies_in == "elsewhere":
        (tmp_path / "b" / "a" / "elk").symlink_to(tmp_path / "elsewhere" / "deep" / "elk")
        link = tmp_path / "b" / "a" / "elk" / "up"
    link.symlink_to(target)
    monkeypatch.chdir(tmp_path / "b")
    for path in (tmp_path / "b" / "a", Path("a")):
        with pytest.raises(InputError) as caught:
            loaded(path)
        named = path / link.relative_to(tmp_path / "b" / "a")
        said = f"the link {named} leads back to a folder that it lies in; remove the link, not what it leads to"
        assert str(caught.value) == said


@pytest.mark.parametrize("place", ["elk", "dog/more", "dog/020.png"])
def test_a_link_that_leads_nowhere_is_named(tmp_path, place):
    path = write_files(tmp_path / "a", classes())
    (path / place).symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=rf"a/{place} cannot be read \(No such file.*where it leads if it is a link"):
        loaded(path)


@pytest.fixture
def nobody():
    """A user who may not read everything, and a folder that this user can reach."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if user == 0:
            os.seteuid(NOBODY)
        yield Path(folder)
        os.seteuid(user)


@pytest.mark.parametrize("rights", [0, stat.S_IRUSR])
def test_a_class_folder_that_cannot_be_read_is_named(nobody, rights):
    user = os.geteuid()
    os.seteuid(os.getuid())
    path = write_files(nobody / "a", classes())
    (path / "cat").chmod(rights)
    os.seteuid(user)
    with pytest.raises(InputError, match=r"a/cat.* cannot be read \(Permission denied\); check its rights"):
        loaded(path)


@pytest.fixture(params=["a", "a.zip"])
def place(tmp_path, request) -> Path:
    return tmp_path / request.param


def renamed(suffix: str) -> dict[str, bytes]:
    """The usual classes; the files of the dogs have another suffix."""
    return {name.replace(".png", suffix if "dog" in name else ".png"): c for name, c in classes().items()}


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".avif", ".jp2", ".mpo", ".pnm"])
def test_whatever_pillow_has_a_suffix_for_is_an_image(tmp_path, place, suffix):
    data = loaded(write_files(place, renamed(suffix)))  # what a file is, its content says
    assert data.classes == 2 and data.sha256 == plain(tmp_path).sha256


def test_the_suffixes_are_those_that_pillow_knows_for_the_formats():
    known = Image.registered_extensions()
    assert images.SUFFIXES == {suffix for suffix, form in known.items() if form in (*images.FORMATS, "MPO")}


@pytest.mark.parametrize("suffix", [".heic", ".txt", ""])
def test_a_class_folder_without_an_image_is_named(place, suffix):
    with pytest.raises(InputError) as caught:
        loaded(write_files(place, renamed(suffix) | {"elk/0.png": png()}))
    kind = suffix or "without a suffix"
    assert f"the folder dog in {place} holds no image, only 20 files of other kinds (20 {kind})" in str(caught.value)


@pytest.mark.parametrize("layout", ["", "outer/", "outer/inner/"])
@pytest.mark.parametrize("below", ["{}", "{}/deeper"])
def test_an_empty_class_folder_is_named(place, layout, below):
    """Also where the only filled one looks like a folder around everything."""
    files = {f"{layout}{below.format('cat')}/{kind}/{i}.png": png() for kind in "ab" for i in range(12)}
    write_files(place, files)
    if place.suffix:
        with zipfile.ZipFile(place, "a") as archive:
            archive.writestr(f"{layout}dog/", b"")
    else:
        (place / layout / "dog").mkdir()
    with pytest.raises(InputError, match=f"the folder {layout}dog in .* holds no image; fill it, remove it, or hide"):
        loaded(place)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (classes("train/") | {"val/readme.txt": b""}, "the folder val .* holds no image, only 1 file"),
        (classes("train/") | {"train/elk/0.heic": b""}, r"the folder train/elk .* holds no image.*1 \.heic"),
        (classes("train/") | classes("val/") | {"val/elk/0.heic": b""}, "the folder val/elk .* holds no image"),
        (classes("train/") | classes("val/") | {"train/0.png": png()}, "train/0.png in .* is in no class of a split"),
    ],
)
def test_every_folder_of_a_split_gives_images(place, files, named):
    with pytest.raises(InputError, match=named):
        loaded(write_files(place, files))


def test_skipped_files_are_counted(tmp_path, place):
    odd = ["cat/a.heic", "cat/b.HEIC", "dog/Thumbs.db", "notes.txt", "dog/none", ".DS_Store", "x.png", "y.png"]
    with pytest.warns(UserWarning) as told:
        data = loaded(write_files(place, classes() | dict.fromkeys(odd, png())))
    assert data.sha256 == plain(tmp_path).sha256
    (warning,) = told
    assert str(warning.message) == (
        f"skipped in {place}: 5 files of other kinds (2 .heic, 1 .db, 1 .txt, 1 without a suffix); "
        "2 images in no class folder (x.png, ...)"
    )
    assert warning.filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain(tmp_path)


@pytest.mark.parametrize("start", ["", ".\\", "outer\\"])
def test_a_zip_with_backslashes_in_its_names_works(tmp_path, start):
    names = {f"{start}{name}".replace("/", "\\"): content for name, content in classes().items()}
    path = write_files(tmp_path / "a.zip", names | {f"{start}cat\\": b""})
    assert loaded(path).sha256 == plain(tmp_path).sha256


def test_a_zip_that_begins_its_names_with_a_dot_works(tmp_path):
    path = write_files(tmp_path / "a.zip", {f"./{name}": content for name, content in classes().items()} | {"./": b""})
    assert loaded(path).sha256 == plain(tmp_path).sha256


def test_a_link_in_a_zip_is_named(tmp_path):
    path = write_files(tmp_path / "a.zip", classes())
    link = zipfile.ZipInfo("elk")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "../elk")
    with pytest.raises(InputError, match="elk in .*a.zip is a link; pack it again with what the link leads to"):
        loaded(path)


@pytest.mark.parametrize("name", ["../elk/0.png", "elk/../../elk/0.png", "..\\elk\\0.png", "../"])
def test_a_name_in_a_zip_that_leads_elsewhere_is_told(tmp_path, name):
    path = write_files(tmp_path / "a.zip", classes() | {name: png()})
    with pytest.raises(InputError) as caught:
        loaded(path)
    assert str(caught.value) == f"the name {name} in {path} leads elsewhere by its '..'; pack it again without"


def test_loading_needs_little_more_than_it_keeps(tmp_path):
    path = write_files(tmp_path / "a", classes(per_class=40))
    loaded(path, size=8)  # imports
    kept = 80 * 3 * 256 * 256
    tracemalloc.start()
    try:
        data = loaded(path, size=256)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(split.images.numel() for split in data.parts.values()) == kept
    assert peak < 1.1 * kept


BOUNDED = """
import resource, sys
from dropnet_core.basics.errors import InputError
from dropnet_core.data import load
load(sys.argv[1], size=8)  # imports
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + int(sys.argv[2]),) * 2)
try:
    print(load(sys.argv[1], size=1500).shape)
except InputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory in this way")
@pytest.mark.parametrize(("room", "said"), [(400, "(3, 1500, 1500)"), (200, "need 270.0 MB, and 200.0 MB are free")])
def test_a_bound_on_the_process_holds_the_images_or_is_told(tmp_path, room, said):
    """40 images of 6.75 MB each, under what `ulimit -v` sets."""
    path = write_files(tmp_path / "a", classes())
    words = [sys.executable, "-c", BOUNDED, f"imagefolder:{path}", str(room * 1_000_000)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and said in done.stdout, done.stderr


def test_images_that_do_not_fit_are_refused_before_any_is_decoded(tmp_path, monkeypatch):
    path = write_files(tmp_path / "a", classes())
    monkeypatch.setattr(imagefolder, "decode_image", lambda *_: pytest.fail("it is decoded"))
    monkeypatch.setattr(imagefolder, "free_bytes", lambda device: 600_000_000)
    with pytest.raises(InputError) as caught:
        loaded(path, size=4000)
    assert str(caught.value) == (
        f"the 40 images of 'imagefolder:{path}' with 4000x4000 pixels need 1.9 GB, and 600.0 MB are free; "
        "give a smaller size, or fewer images"
    )


def test_images_are_presented_in_one_order_however_they_are_loaded(tmp_path):
    """The order is part of the data: it must not follow how the files are read. Splits given, and splits made."""
    given = write_files(tmp_path / "given", classes("train/", 3) | classes("val/", 1) | classes("test/", 1))
    assert loaded(given, size=2).sha256.startswith("f85e6502bc2a")
    assert loaded(write_files(tmp_path / "made", classes()), size=2).sha256.startswith("3a80c9fa85cb")
