"""The recipe: every setting that can change the outcome of one training."""

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

from dropnet_core.basics.errors import InputError, unknown

PRECISIONS = ("float32", "float64", "tf32", "bf16")
INITIAL_RANGES = ("full", "small")
AUGMENTATIONS = ("none", "affine")
FASTEST = 3e38  # weights of 32 bits hold no larger number


@dataclass(frozen=True)
class Recipe:
    """How one network is trained. The defaults are those of the paper's MNIST and CIFAR-10 experiments.

    learning_rate   constant rate of plain stochastic gradient descent (no momentum, no weight decay)
    batch_size      images a step; the last, partial batch of an epoch is kept, unless images are augmented
    max_epochs      upper bound of epochs (paper: 100)
    patience        epochs without a strictly lower validation loss before training stops; the last weights are kept
    shuffle         False presents the batches in the same order in every epoch, as the authors' code does
    augment         "none", or "affine": in every epoch each training image is moved anew (`augmentation`), and images
                    that fill no whole batch are left out of the epoch, as in the authors' Tiny ImageNet code;
                    validation, test and scoring see the images as they are
    precision       "float32" or "float64": weights and all arithmetic. "tf32" and "bf16" hold weights, updates, losses
                    and statistics in float32 too; "tf32" rounds the inputs of matrix products and convolutions
                    to TF32 (10 bits behind the point; NVIDIA's GPUs only), "bf16" computes these and what
                    lies between them in bfloat16 (7 bits), as torch.autocast does
    initial_range   "full" draws Glorot-uniform weights with the fans of the unpruned layer; "small" with the
                    fans that are left under the mask, as a small network built from scratch would
    definition      raised by any change of code that changes numbers: from 2 on it is part of every digest, so
                    that old and new outcomes never mix

    Raises InputError for a value outside its range.
    """

    learning_rate: float = 0.1
    batch_size: int = 32
    max_epochs: int = 100
    patience: int = 5
    shuffle: bool = False
    augment: str = "none"
    precision: str = "float32"
    initial_range: str = "full"
    definition: int = 1

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= FASTEST:
            raise InputError(
                f"learning_rate must be a positive number, at most {FASTEST:.0e}, not {rate!r}; the paper uses 0.1"
            )
        if not isinstance(self.shuffle, bool):
            raise InputError(f"shuffle is True or False, not {self.shuffle!r}")
        for name in ("batch_size", "max_epochs", "patience"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, not {value!r}")
        if self.augment not in AUGMENTATIONS:
            raise unknown("augmentation", self.augment, AUGMENTATIONS)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        if self.initial_range not in INITIAL_RANGES:
            raise unknown("initial range", self.initial_range, INITIAL_RANGES)

    @property
    def augmented(self) -> bool:
        """Whether training sees images of its own in each epoch."""
        return self.augment != "none"

    @property
    def seeded(self) -> bool:
        """Whether a job's seed has a say: it names the order of the images and what augmentation makes of them."""
        return self.shuffle or self.augmented

    def changes(self) -> dict[str, Any]:
        """The fields that differ from their defaults: a field added later renames no old recipe.

        The definition is compared with 1 instead: raising its default must rename every recipe.
        """
        unchanged: dict[str, Any] = {f.name: f.default for f in fields(self)} | {"definition": 1}
        changed = {name: getattr(self, name) for name, value in unchanged.items() if getattr(self, name) != value}
        return {name: type(unchanged[name])(value) for name, value in changed.items()}  # 1 and 1.0 are one rate

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that name this recipe."""
        return digest(self.changes())


def digest(settings: object, digits: int = 12) -> str:
    """The first hexadecimal digits of the SHA-256 of compact, sorted JSON; floats as Python prints them."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
