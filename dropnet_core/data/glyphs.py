"""Coloured letters drawn on the spot: colour images without any download."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.streams import stream
from dropnet_core.data.dataset import DataSet, Split

LETTERS = "ABEHKMRSTX"  # one class each
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono-Oblique.ttf")
COUNTS = {"train": 2000, "validation": 400, "test": 400}
SMALLEST = 16  # pixels; below, letters cannot be told apart
LARGEST = 256  # pixels; to draw them takes about 10 GB

HEIGHTS = (0.65, 0.9)  # font size as a share of the image
MAX_ANGLE = 20.0  # degrees to either side
MAX_SHIFT = 0.06  # of the image, to either side
NOISE = 16.0  # standard deviation of the noise of every pixel, in grey levels of 255


def glyphs(size: int = 32, *, seed: int = 0) -> DataSet:
    """Ten letters in four fonts, of random size, place, angle and colours, with noise, three channels.

    2,000 / 400 / 400 images (3, size, size), each class equally often. The same on every call; another
    release of Pillow or FreeType may draw some edge pixels differently, which the checksum then tells. Raises
    InputError for a size below 16 or above 256.
    """
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"glyphs need a size of at least {SMALLEST} pixels and at most {LARGEST}, not {size}")
    fonts = font_files()
    train, validation, test = (
        letter_split(n, size, fonts, stream(seed, "glyphs", size, part)) for part, n in COUNTS.items()
    )
    return DataSet.of("glyphs", train, validation, test, classes=len(LETTERS))


def font_files() -> list[Path]:
    """The fonts, from the folder in which matplotlib carries them."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return [folder / font for font in FONTS]


def letter_split(count: int, size: int, fonts: list[Path], random: np.random.Generator) -> Split:
    """`count` letters in random order, each class equally often."""
    labels = random.permutation(np.arange(count) % len(LETTERS))
    masks = np.stack([letter_mask(LETTERS[label], size, fonts, random) for label in labels])
    # A dark ground and a letter that is brighter in every channel: legible, whatever the two hues.
    ground = random.uniform(0, 110, (count, 3, 1, 1))
    ink = ground + random.uniform(60, 145, (count, 3, 1, 1))
    pixels = ground + (ink - ground) * masks[:, None] + random.normal(0.0, NOISE, (count, 3, size, size))
    images = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))


def letter_mask(letter: str, size: int, fonts: list[Path], random: np.random.Generator) -> np.ndarray:
    """One letter, white on black, turned and moved: float (size, size) between 0 and 1."""
    path = fonts[random.integers(len(fonts))]
    height = round(size * random.uniform(*HEIGHTS))
    angle = random.uniform(-MAX_ANGLE, MAX_ANGLE)
    x, y = size * (0.5 + random.uniform(-MAX_SHIFT, MAX_SHIFT, 2))
    canvas = Image.new("L", (size, size))
    ImageDraw.Draw(canvas).text((x, y), letter, fill=255, font=ImageFont.truetype(path, height), anchor="mm")
    turned = canvas.rotate(angle, resample=Image.Resampling.BILINEAR, center=(x, y))
    return np.asarray(turned, dtype=np.float64) / 255.0
