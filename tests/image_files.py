"""Image files that tests of data sets write."""

import io
import zipfile
from pathlib import Path

from PIL import Image

RED = (200, 0, 0)


def png(colour=RED, size=(6, 4), mode="RGB", form="PNG", **options) -> bytes:
    """The bytes of an image of one colour."""
    stream = io.BytesIO()
    Image.new(mode, size, colour).save(stream, form, **options)
    return stream.getvalue()


def write_files(place: Path, files: dict[str, bytes]) -> Path:
    """The files as a folder, or as a zip if the place ends in .zip."""
    if place.suffix == ".zip":
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return place
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place
