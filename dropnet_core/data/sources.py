"""Where data files are found: the folder the user names, the cache, or a download into the cache."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.places import cache_folder, expand_home
from dropnet_core.data.vision import torchvision

DATA_VARIABLE = "DROPNET_DATA"


@dataclass(frozen=True)
class SourceFiles:
    """Files of a data set as torchvision lays them out.

    dataset  name of the class in torchvision.datasets that downloads them
    files    path below the data folder -> (size in bytes, SHA-256)
    """

    dataset: str
    files: Mapping[str, tuple[int, str]]

    def missing(self, folder: Path) -> list[str]:
        """The files that this folder lacks."""
        return [file for file in self.files if not (folder / file).is_file()]


def locate(source: SourceFiles) -> Path:
    """The folder that holds every file of the source: DROPNET_DATA, else the cache, else a download there.

    Raises InputError if DROPNET_DATA names no folder, or if the files are nowhere and cannot be downloaded.
    """
    folders = data_folders()
    for folder in folders:
        if not source.missing(folder):
            return folder
    cache = cache_folder() / "data"
    download(source, cache)
    return cache


def data_folders() -> list[Path]:
    """Where to look for data files: the folder that DROPNET_DATA names, if it is set, and the cache in the home folder.

    Raises InputError if DROPNET_DATA names no folder, or for a user with neither.
    """
    named = os.environ.get(DATA_VARIABLE)
    if not named:
        return [cache_folder() / "data"]
    folder = expand_home(named)
    if not folder.is_dir():
        raise InputError(f"{DATA_VARIABLE} is '{named}', which is no folder; correct or unset it")
    try:
        return [folder, cache_folder() / "data"]
    except InputError:  # no home, which nobody needs whose data are in the named folder
        return [folder]


def download(source: SourceFiles, folder: Path) -> None:
    """Fetch the files with torchvision into a folder beside, then move each into place.

    A file under its final name is therefore always whole, whatever interrupts the download and however many
    processes download at once. Raises InputError, with the remedy, whatever goes wrong.
    """
    wanted = source.missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as fresh:
            getattr(torchvision().datasets, source.dataset)(fresh, download=True)
            for file in wanted:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(fresh) / file, folder / file)
    except Exception as error:  # a missing package, network, server or permission: the remedy is the same
        raise InputError(
            f"{source.dataset} can neither be found nor downloaded ({type(error).__name__}: {error}); "
            f"put its files into a folder as torchvision does ({wanted[0]}, ...), set {DATA_VARIABLE} to it"
        ) from error


def read_whole(source: SourceFiles, folder: Path, file: str) -> bytes:
    """The content of one file of the source. Raises InputError, naming it, if it is not the known file."""
    path, (size, sha256) = folder / file, source.files[file]
    remedy = "delete it, and it is fetched again, or put an intact copy in its place"
    try:
        found = path.stat().st_size  # asked first: a wrong file may be larger than the memory
        content = path.read_bytes() if found == size else b""
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    if len(content) != size:
        raise InputError(f"{path} is damaged: {found:,} bytes instead of {size:,}; {remedy}")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(f"{path} is altered: its SHA-256 is not the known one; {remedy}")
    return content
