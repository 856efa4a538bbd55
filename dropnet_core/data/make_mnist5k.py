"""Make the embedded part of MNIST anew: python -m dropnet_core.data.make_mnist5k [FILE]"""

import sys
from pathlib import Path

import numpy as np

from dropnet_core.data import mnist
from dropnet_core.data.splits import stratified_rows

PER_CLASS = {"train": 500, "validation": 100, "test": 200}


def first_of_each_class(labels: np.ndarray, count: int) -> np.ndarray:
    """Positions of the first `count` members of each class, in ascending order: the classes stay mixed."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:count] for c in np.unique(labels)]))


def selection() -> dict[str, np.ndarray]:
    """The arrays of the embedded file: images uint8 (n, 1, 28, 28), labels uint8 (n,), rows int32 (n,)."""
    digits = mnist.official_arrays()
    train, validation = stratified_rows(digits.labels)
    orders = {"train": train, "validation": validation, "test": np.arange(len(digits.test_labels))}
    arrays: dict[str, np.ndarray] = {}
    for part, order in orders.items():
        images, labels = digits.images, digits.labels
        if part == "test":
            images, labels = digits.test_images, digits.test_labels
        rows = order[first_of_each_class(labels[order], PER_CLASS[part])]
        arrays[f"{part}_images"] = images[rows]
        arrays[f"{part}_labels"] = labels[rows]
        arrays[f"{part}_rows"] = rows.astype(np.int32)
    return arrays


def main(arguments: list[str]) -> None:
    """Write the embedded file, to the path that is given or into the package."""
    path = Path(arguments[0]) if arguments else Path(mnist.__file__).with_name(mnist.EMBEDDED)
    with path.open("wb") as file:
        np.savez_compressed(file, **selection())  # type: ignore[arg-type]
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
