"""Image files in a folder or a zip, read into memory and decoded."""

import copy
import io
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dropnet_core.basics.errors import InputError

Member = tuple[str, ...]  # folders and file name of a file, below the path that was opened

# What Pillow may take a file for, whatever its suffix: it would hand PostScript to Ghostscript, a program of its own.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "JPEG2000", "AVIF")
SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .bmp .gif .ppm .pgm .pbm .pnm .pfm .tif .tiff .webp .jp2 .j2k .j2c .jpc "
    ".jpf .jpx .avif .avifs".split()
)
"""Those that Pillow knows for FORMATS, and for JPEG with several pictures in it (.mpo), as some cameras write."""

MOST_PIXELS = 89_478_485  # of one image; Pillow warns from there on; decoded, 0.3 GB
MOST_BYTES = 4 * MOST_PIXELS + 2**20  # of one file: that many pixels with four channels, uncompressed, and a header
# The decompressors of the others make gigabytes of a few bytes before they can be stopped.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Images:
    """What is visible below a path; hidden files and folders are left out, and what macOS adds to archives.

    members  folders and file name of each image, judged by its suffix, in alphabetical order
    skipped  the same of all other files
    folders  the same of all folders, the empty ones too
    read     the bytes of a member, or of any other file there; raises InputError if it is missing, damaged or
             larger than MOST_BYTES
    """

    path: Path
    members: tuple[Member, ...]
    skipped: tuple[Member, ...]
    folders: tuple[Member, ...]
    read: Callable[[Member], bytes]

    @classmethod
    def of(
        cls, path: Path, files: Iterable[Member], folders: Iterable[Member], read: Callable[[Member], bytes]
    ) -> "Images":
        """Those of these files and folders that are visible, sorted and sifted."""
        visible = sorted(file for file in files if not is_hidden(file))
        inside = {file[:depth] for file in visible for depth in range(1, len(file))}
        folders = sorted(inside.union(folder for folder in folders if folder and not is_hidden(folder)))
        members, skipped = (tuple(f for f in visible if (suffix(f) in SUFFIXES) == wanted) for wanted in (True, False))
        return cls(path, members, skipped, tuple(folders), read)


@dataclass(frozen=True)
class LabelledImages:
    """Images that are yet to be decoded, and their classes (n,), counted from 0."""

    members: list[Member]
    labels: np.ndarray

    def rows(self, rows: np.ndarray) -> "LabelledImages":
        """Those with these numbers, in their order."""
        return LabelledImages([self.members[row] for row in rows], self.labels[rows])


def is_hidden(member: Member) -> bool:
    """Whether a file or a folder around it begins with a dot, or is what macOS adds to archives."""
    return any(part.startswith((".", "__MACOSX")) for part in member)


def suffix(member: Member) -> str:
    """How a file's name ends, such as ".png"; "" for a name without a dot."""
    return PurePosixPath(member[-1]).suffix.lower()


@contextmanager
def open_images(path: Path) -> Iterator[Images]:
    """The images of a folder or zip. Links in a folder are followed.

    Raises InputError if the path is neither, for a damaged zip, a link or ".." in a zip, a folder that cannot be read,
    and a link that leads nowhere or back to where it lies.
    """
    if os.path.isdir(path):
        found = list(walk_folder(path))
        files, folders = ([member for member, is_folder in found if is_folder == wanted] for wanted in (False, True))
        yield Images.of(path, files, folders, lambda member: read_file(path.joinpath(*member)))
    elif os.path.isfile(path):
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise InputError(f"{path} is neither a folder nor a whole zip ({error}); pack it again") from error
        with archive:
            # Members are read into memory and never extracted, so no name can lead out of a folder.
            names, folders = archive_contents(archive, path)
            yield Images.of(path, names, folders, lambda member: read_member(archive, names, member, path))
    else:
        raise InputError(f"there is no folder or zip file {path}; check the path after 'imagefolder:'")


def walk_folder(
    folder: Path, inside: Member = (), around: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[tuple[Member, bool]]:
    """The visible files and folders below a folder, each with whether it is a folder; `around`: what it lies in."""
    try:
        seen = folder.stat()
        if (seen.st_dev, seen.st_ino) in around:
            raise InputError(
                f"the link {folder} leads back to a folder that it lies in; remove the link, not what it leads to"
            )
        around |= {(seen.st_dev, seen.st_ino)}
        if not inside or folder.is_symlink():
            around |= folders_around(folder)
        found = []
        for entry in os.scandir(folder):
            if entry.is_symlink() and not is_hidden((entry.name,)):
                entry.stat()  # one that leads nowhere would else pass for no file
            found.append((entry.name, entry.is_dir(), entry.is_file()))
    except OSError as error:
        reason = f"({error.strerror}); check its rights, and where it leads if it is a link"
        raise InputError(f"{error.filename} cannot be read {reason}") from error
    for name, is_folder, is_file in found:
        member = (*inside, name)
        if is_hidden(member) or not (is_folder or is_file):  # neither: a pipe or a device
            continue
        yield member, is_folder
        if is_folder:
            yield from walk_folder(folder / name, member, around)


def folders_around(folder: Path) -> frozenset[tuple[int, int]]:
    """Device and number of each folder that a folder really lies in; a link may lead above where reading began."""
    found = set()
    for parent in folder.resolve().parents:
        with suppress(OSError):  # one that may not be seen cannot be read either
            seen = parent.stat()
            found.add((seen.st_dev, seen.st_ino))
    return frozenset(found)


def archive_contents(archive: zipfile.ZipFile, path: Path) -> tuple[dict[Member, str], list[Member]]:
    """The files of a zip with their names in it, and the folders that it names.

    Raises InputError for a link, and for a name with "..".
    """
    names: dict[Member, str] = {}
    folders = []
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")  # some programs for Windows write the one for the other
        member = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in member:  # it begins with a dot, and would be left out as hidden
            raise InputError(f"the name {info.filename} in {path} leads elsewhere by its '..'; pack it again without")
        if stat.S_ISLNK(info.external_attr >> 16) and not is_hidden(member):
            raise InputError(f"{info.filename} in {path} is a link; pack it again with what the link leads to")
        if name.endswith("/"):
            folders.append(member)
        elif member:
            names[member] = info.filename
    return names, folders


def read_file(file: Path) -> bytes:
    """The bytes of a file. Raises InputError if it is missing, cannot be read, or is larger than MOST_BYTES."""
    try:
        if (size := file.stat().st_size) > MOST_BYTES:
            raise size_error(f"the file {file}", size)
        return file.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {file}") from error
    except OSError as error:
        raise InputError(f"the file {file} cannot be read ({error.strerror}); check its rights") from error


def read_member(archive: zipfile.ZipFile, names: Mapping[Member, str], member: Member, path: Path) -> bytes:
    """The bytes of a member of a zip; `names` has the archive's own name of each, `path` is for errors.

    Raises InputError if it is missing, damaged, locked, packed by an unusual method, or larger than MOST_BYTES.
    """
    if member not in names:
        raise InputError(f"there is no file {'/'.join(member)} in {path}")
    name = names[member]
    declared = archive.getinfo(name)
    if declared.file_size > MOST_BYTES:
        raise size_error(f"the file {name} in {path}", declared.file_size)
    if declared.compress_type not in METHODS:
        raise InputError(f"{name} in {path} is not packed by the usual method, deflate; pack it again")
    # Python cuts a member off at the size that it declares; one byte more shows whether that is all of it.
    asked = copy.copy(declared)
    asked.file_size = declared.file_size + 1
    try:
        with archive.open(asked) as stream:
            content = stream.read(asked.file_size)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        # The last two: a version or an encryption that Python lacks, a password.
        raise InputError(f"{path} is damaged or locked at {name} ({error}); pack it again") from error
    if len(content) != declared.file_size:
        raise InputError(
            f"{path} is damaged at {name}: it declares {declared.file_size:,} bytes, and "
            f"{'more' if len(content) > declared.file_size else f'{len(content):,}'} come out; pack it again"
        )
    return content


def size_error(what: str, size: int) -> InputError:
    """The error for a file that is larger, in bytes, than any image may be."""
    return InputError(f"{what} has {size:,} bytes, more than any image here, {MOST_BYTES:,}; replace or remove it")


def decode_image(images: Images, member: Member, size: int, colour: bool) -> np.ndarray:
    """One image as uint8 (3 or 1, size, size): upright, RGB or grey, resized without keeping its proportions.

    Raises InputError, naming the image, if it cannot be read or decoded, is of none of FORMATS, or has more than
    MOST_PIXELS or more than 8 bits a channel.
    """
    name = f"{'/'.join(member)} in {images.path}"
    content = images.read(member)
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:  # reads no more than the header
            if math.prod(image.size) > MOST_PIXELS:
                raise Image.DecompressionBombError
            many_bits = image.mode.startswith(("I", "F"))
            upright = ImageOps.exif_transpose(image).convert("RGB" if colour else "L")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"the image {name} has more than {MOST_PIXELS:,} pixels; reduce it") from None
    except UnidentifiedImageError:  # its own words name an object in memory
        raise InputError(f"the image {name} cannot be decoded: it is no {' or '.join(FORMATS)}; replace it") from None
    except Exception as error:  # Pillow's readers raise a dozen kinds; each means that this file is no good
        reason = str(error) or type(error).__name__
        raise InputError(f"the image {name} cannot be decoded ({reason}); replace or remove it") from None
    if many_bits:
        raise InputError(f"the image {name} has more than 8 bits a channel; save it with 8")
    pixels = np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR))
    return pixels.reshape(size, size, -1).transpose(2, 0, 1)
