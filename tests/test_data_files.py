"""Data files: found, downloaded, and refused when they are not what they should be."""

import hashlib
import os
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dropnet_core.basics import places
from dropnet_core.basics.errors import InputError
from dropnet_core.basics.places import cache_folder
from dropnet_core.data import cifar, load, mnist, sources, vision
from dropnet_core.data.cifar import read_batch
from dropnet_core.data.mnist import read_idx
from dropnet_core.data.sources import SourceFiles, locate, read_whole

CONTENTS = {"set/one": b"first file", "set/two": b"second"}
SOURCE = SourceFiles("Tiny", {name: (len(c), hashlib.sha256(c).hexdigest()) for name, c in CONTENTS.items()})


def put_files(folder: Path, *names: str) -> Path:
    for name in names or CONTENTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CONTENTS[name])
    return folder


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    """A home and cache of the test's own, no DROPNET_DATA, and no network."""
    monkeypatch.delenv("DROPNET_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "torchvision", offline)


def offline():
    raise OSError("no route to host")


def servers(monkeypatch, *names: str, then: Exception | None = None) -> list[str]:
    """Let the download of SOURCE give these files and raise; returns the list of folders it was to fill."""
    asked: list[str] = []

    def fetch(root: str, download: bool) -> None:
        assert download
        asked.append(root)
        put_files(Path(root), *names)
        if then:
            raise then

    monkeypatch.setattr(sources, "torchvision", lambda: SimpleNamespace(datasets=SimpleNamespace(Tiny=fetch)))
    return asked


def test_files_are_found_in_the_named_folder_then_in_the_cache(tmp_path, monkeypatch):
    cache = put_files(cache_folder() / "data")
    assert locate(SOURCE) == cache
    named = tmp_path / "named"
    put_files(named, "set/one")
    monkeypatch.setenv("DROPNET_DATA", str(named))
    assert locate(SOURCE) == cache  # the named folder lacks a file
    put_files(named)
    assert locate(SOURCE) == named


def test_the_cache_folder_follows_the_platform(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache" / "dropnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(places.sys, "platform", "linux")
    assert cache_folder() == tmp_path / "home" / ".cache" / "dropnet"
    monkeypatch.setattr(places.sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "home" / "Library" / "Caches" / "dropnet"


def test_a_folder_that_is_not_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DROPNET_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"DROPNET_DATA is .*nowhere', which is no folder"):
        load("mnist")


def test_a_download_fills_the_cache_once_and_leaves_nothing_beside(monkeypatch):
    asked = servers(monkeypatch)
    folder = locate(SOURCE)
    assert {name: read_whole(SOURCE, folder, name) for name in CONTENTS} == CONTENTS
    assert locate(SOURCE) == folder and len(asked) == 1
    assert [path.name for path in folder.iterdir()] == ["set"]
    (folder / "set" / "two").unlink()
    locate(SOURCE)
    assert len(asked) == 2 and not SOURCE.missing(folder)


def test_a_download_that_breaks_off_leaves_no_file_under_its_final_name(monkeypatch):
    servers(monkeypatch, "set/one", then=OSError("connection lost"))
    with pytest.raises(InputError, match=r"Tiny can neither be found nor downloaded .*connection lost"):
        locate(SOURCE)
    assert SOURCE.missing(cache_folder() / "data") == list(CONTENTS)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_failed_download_names_the_remedy(name):
    with pytest.raises(InputError, match=r"no route to host.*set DROPNET_DATA to it"):
        load(name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"first fil", "one is damaged: 9 bytes instead of 10"),
        (b"", "one is damaged: 0 bytes"),
        (b"First file", "one is altered"),
        (None, "one cannot be read"),
    ],
)
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, content, words):
    file = put_files(tmp_path) / "set" / "one"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(InputError, match=f"{words}.*delete it, and it is fetched again"):
        read_whole(SOURCE, tmp_path, "set/one")
    assert read_whole(SOURCE, tmp_path, "set/two") == b"second"


def test_a_file_of_another_size_is_not_read(tmp_path, monkeypatch):
    with (put_files(tmp_path) / "set" / "one").open("r+b") as file:
        file.truncate(7 * 2**30)  # takes no room on the disk
    monkeypatch.setattr(Path, "read_bytes", lambda file: pytest.fail("it is read"))
    with pytest.raises(InputError, match="one is damaged: 7,516,192,768 bytes instead of 10"):
        read_whole(SOURCE, tmp_path, "set/one")


@pytest.mark.parametrize(("name", "source"), [("mnist", mnist.MNIST_FILES), ("cifar10", cifar.CIFAR10_FILES)])
def test_a_truncated_data_set_is_refused(tmp_path, monkeypatch, name, source):
    for file in source.files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"cut off")
    monkeypatch.setenv("DROPNET_DATA", str(tmp_path))
    with pytest.raises(InputError, match=f"{Path(next(iter(source.files))).name} is damaged: 7 bytes instead"):
        load(name)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign", "petabytes"])
def test_a_damaged_embedded_file_is_named(tmp_path, monkeypatch, damage):
    content = bytearray((Path(mnist.__file__).parent / mnist.EMBEDDED).read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "flip":
        content[300_000] ^= 1
    elif damage == "empty":
        content.clear()
    (tmp_path / mnist.EMBEDDED).write_bytes(content)
    if damage == "foreign":
        arrays = mnist.embedded_arrays()
        arrays["test_labels"][0] ^= 1
        np.savez(tmp_path / mnist.EMBEDDED, allow_pickle=False, **arrays)
    if damage == "petabytes":
        with (
            zipfile.ZipFile(tmp_path / mnist.EMBEDDED, "w") as archive,
            archive.open("train_images.npy", "w") as stream,
        ):
            header = {"descr": "|u1", "fortran_order": False, "shape": (10**15,)}
            np.lib.format.write_array_header_1_0(stream, header)
    monkeypatch.setattr(mnist.resources, "files", lambda package: tmp_path)
    with pytest.raises(InputError, match=r"mnist5k.npz, a file of this package, is damaged .*install"):
        mnist.mnist5k()


def test_idx_files_are_read():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = bytes([0, 0, 8, 3]) + np.array(pixels.shape, ">i4").tobytes() + pixels.tobytes()
    assert (read_idx(content) == pixels).all()
    assert read_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9])).tolist() == [7, 9]


def test_cifar_batches_are_read_as_planes():
    rows = np.zeros((2, 3072), np.uint8)
    rows[1, 1024] = 200  # the first green pixel
    images, labels = read_batch(pickle.dumps({b"data": rows, b"labels": [4, 7]}))
    assert images.shape == (2, 3, 32, 32) and images[1, 1, 0, 0] == 200 and images.sum() == 200
    assert labels.tolist() == [4, 7]


class Harm:
    """Its pickle calls a function, as any pickle may."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "named"), [(os.mkdir, r"\w+.mkdir"), (eval, "builtins.eval"), (np.save, r"numpy\S*.save")]
)
def test_a_cifar_batch_calls_nothing(tmp_path, monkeypatch, function, named):
    monkeypatch.chdir(tmp_path)
    argument = "__import__('os').mkdir('harm')" if function is eval else "harm"
    content = pickle.dumps({b"data": Harm(function, argument, *([np.ones(2)] if function is np.save else []))})
    with pytest.raises(InputError, match=f"no batch of CIFAR-10 .it asks for {named}.; fetch the data set again"):
        read_batch(content)
    assert not list(tmp_path.iterdir())


def test_torchvision_can_be_imported_here():
    assert callable(vision.torchvision().datasets.MNIST)


def test_only_the_known_failure_of_torchvision_is_mended(monkeypatch):
    def broken(name: str) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(vision.importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="something else"):
        vision.torchvision()
