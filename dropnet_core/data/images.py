"""Image files in a folder or a zip, read into memory and decoded."""

import copy
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dropnet_core.basics.errors import InputError

Member = tuple[str, ...]  # folders and file name of a file, below the path that was opened

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"))

# What Pillow may take a file for, whatever its suffix: it would hand PostScript to Ghostscript, a program of its own.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
MOST_PIXELS = 89_478_485  # of one image; Pillow warns from there on; decoded, 0.3 GB
MOST_BYTES = 4 * MOST_PIXELS + 2**20  # of one file: that many pixels with four channels, uncompressed, and a header
# The decompressors of the others make gigabytes of a few bytes before they can be stopped.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Images:
    """The image files below a path.

    members  folders and file name of each, in alphabetical order; hidden files and folders are left out
    read     the bytes of a member, or of any other file there; raises InputError if it is missing, damaged or
             larger than MOST_BYTES
    """

    path: Path
    members: tuple[Member, ...]
    read: Callable[[Member], bytes]


@contextmanager
def open_images(path: Path) -> Iterator[Images]:
    """The images of a folder or zip. Raises InputError if the path is neither, or the zip is damaged."""
    if path.is_dir():
        found = (file.relative_to(path).parts for file in path.rglob("*") if file.is_file())
        yield Images(path, image_members(found), lambda member: read_file(path.joinpath(*member)))
    elif path.is_file():
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise InputError(f"{path} is neither a folder nor a whole zip ({error}); pack it again") from error
        with archive:
            # Members are read into memory and never extracted, so no name can lead out of a folder.
            files = (name for name in archive.namelist() if not name.endswith("/"))
            names = {tuple(filter(None, name.split("/"))): name for name in files}
            yield Images(path, image_members(names), lambda member: read_member(archive, names, member, path))
    else:
        raise InputError(f"there is no folder or zip file {path}; check the path after 'imagefolder:'")


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


def image_members(members: Iterable[Member]) -> tuple[Member, ...]:
    """The image files among these, by suffix, sorted; without hidden ones and those of macOS archives."""
    return tuple(
        sorted(
            member
            for member in members
            if PurePosixPath(member[-1]).suffix.lower() in SUFFIXES
            and not any(part.startswith((".", "__MACOSX")) for part in member)
        )
    )


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
