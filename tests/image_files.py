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


def classes(below: str = "", per_class: int = 20) -> dict[str, bytes]:
    """Files of two classes, each image of its own shade: red ones are cats, blue ones dogs."""
    files = {}
    for i in range(per_class):
        files[f"{below}cat/{i:03}.png"] = png((255 - i, 0, 0))
        files[f"{below}dog/{i:03}.png"] = png((0, 0, 255 - i))
    return files


def sizes(data) -> list[int]:
    """How many images the splits have."""
    return [len(split) for split in data.parts.values()]
