"""A data set: decoded once, kept as bytes, known by the checksum of its arrays."""

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dropnet_core.basics.errors import InputError

SPLIT_NAMES = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their classes, in the order in which they are presented.

    images  uint8 (n, C, H, W), 0 to 255; whoever trains divides by 255 (paper: no other preparation)
    labels  int64 (n,), classes counted from 0

    Raises InputError if the two tensors are of another type or shape, or of unequal or no length.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise InputError(
                f"images must be a uint8 tensor (n, C, H, W), not {self.images.dtype} "
                f"{tuple(self.images.shape)}; convert them before the data set is made"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1] or len(self) == 0:
            raise InputError(
                f"labels must be an int64 tensor (n,) with one class for each of at least one image, "
                f"not {self.labels.dtype} {tuple(self.labels.shape)} for {len(self.images)} images"
            )
        if self.labels.is_inference():  # made inside `torch.inference_mode`: no loss could be learned from
            with torch.inference_mode(False):
                object.__setattr__(self, "labels", self.labels.clone())

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Split":
        """The same split with both tensors on this device; itself if they are there."""
        if self.images.device == self.labels.device == torch.device(device):
            return self
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class DataSet:
    """Three splits of images of one shape. Build it with `DataSet.of`, which computes the checksum.

    name     as `load` understands it
    classes  number of classes; labels lie in 0 .. classes - 1
    sha256   see `checksum`; two data sets with the same one give the same trainings

    Raises InputError if the splits disagree in shape or a label is out of range.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    sha256: str

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise InputError(f"data set '{self.name}' has {self.classes} classes; at least two are needed")
        for part, split in self.parts.items():
            shape = tuple(split.images.shape[1:])
            if shape != self.shape:
                raise InputError(
                    f"data set '{self.name}': {part} images are {shape}, training images {self.shape}; "
                    "all must have one shape (C, H, W)"
                )
            low, high = int(split.labels.min()), int(split.labels.max())
            if low < 0 or high >= self.classes:
                raise InputError(
                    f"data set '{self.name}': {part} labels run from {low} to {high}; "
                    f"{self.classes} classes are numbered 0 to {self.classes - 1}"
                )

    @classmethod
    def of(cls, name: str, train: Split, validation: Split, test: Split, classes: int) -> "DataSet":
        """A data set with its checksum computed. This is what a user's own loader returns."""
        return cls(name, train, validation, test, classes, checksum(train, validation, test))

    @property
    def parts(self) -> dict[str, Split]:
        """The splits by name, in the order train, validation, test."""
        return dict(zip(SPLIT_NAMES, (self.train, self.validation, self.test), strict=True))

    @property
    def shape(self) -> tuple[int, int, int]:
        """One image: (channels, height, width)."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def chance(self) -> float:
        """Share of the largest class in the test split: what a network that ignores its input can reach."""
        counts = torch.bincount(self.test.labels, minlength=self.classes)
        return float(counts.max()) / len(self.test)

    def first(self, classes: int) -> "DataSet":
        """The images of the first classes only, each split in its order: a smaller task from the same files.

        Raises InputError for less than two classes, or more than there are.
        """
        if not 2 <= classes <= self.classes:
            raise InputError(f"'{self.name}:{classes}': the data set has {self.classes} classes; keep 2 to all of them")

        def kept(split: Split) -> Split:
            rows = split.labels < classes
            return Split(split.images[rows], split.labels[rows])

        name = f"{self.name}:{classes}"
        return DataSet.of(name, kept(self.train), kept(self.validation), kept(self.test), classes)

    def to(self, device: torch.device | str) -> "DataSet":
        """The same data set with all tensors on this device."""
        moved = {part: split.to(device) for part, split in self.parts.items()}
        return replace(self, **moved)  # type: ignore[arg-type]


def checksum(*splits: Split) -> str:
    """SHA-256 over shape and bytes of the decoded images and labels of the splits, as 64 hexadecimal digits.

    File formats, names and devices do not enter; labels count as little-endian int64.
    """
    total = hashlib.sha256()
    for split in splits:
        for tensor, kind in ((split.images, "|u1"), (split.labels, "<i8")):
            total.update(f"{kind} {tuple(tensor.shape)}\n".encode())
            total.update(tensor.cpu().contiguous().numpy().astype(kind, copy=False).data)
    return total.hexdigest()


def pixels(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Bytes as numbers between 0 and 1; the paper normalises no further."""
    return images.to(dtype) / 255
