"""Compiles everything ahead of time, so that processes side by side do not each do it, and says so."""

import hashlib
import sys
from pathlib import Path

import torch

from dropnet_core.basics.progress import quiet
from dropnet_core.data import DataSet, Split
from dropnet_core.engines.kernels.compiled import CPU_NAME, FEATURES, folder, writable
from dropnet_core.engines.kernels.engine import Trainer
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job

COMPILED_NETWORKS = "fc2-fc2", "conv2-conv2-fc2"  # which use every function of the package


def compile_kernels(augmented: bool = False) -> None:
    """Compile the kernels for this processor, unless that has been done and is kept.

    augmented  for images that are floats, as augmentation makes them, instead of bytes
    """
    here = hashlib.sha256(f"{CPU_NAME} {FEATURES} {Path(__file__).parent}".encode()).hexdigest()[
        :12
    ]  # as Numba files them
    done = folder() / f"complete-{here}{'-augmented' if augmented else ''}"
    if not writable() or done.exists():
        return
    if not quiet():
        print("compiling the kernels for this processor, which takes half a minute, once", file=sys.stderr)
    split = Split(torch.full((4, 1, 4, 4), 255, dtype=torch.uint8), torch.arange(4) % 2)
    data = DataSet.of("white", split, split, split, classes=2)
    recipe = Recipe(max_epochs=1, augment="affine" if augmented else "none")
    for name in COMPILED_NETWORKS:
        network = describe(name, data.shape, data.classes)
        Trainer(data).outcome(Job(recipe, network, 0, 0, Mask.full(network.widths)))
    done.touch()
