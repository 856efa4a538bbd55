"""Compiles everything ahead of time, so that processes side by side do not each do it, and says so."""

import hashlib
import sys

import torch

from dropnet_core.data import DataSet, Split
from dropnet_core.engines.kernels.compiled import FEATURES, NAME, folder
from dropnet_core.engines.kernels.engine import Trainer
from dropnet_core.masks import Mask
from dropnet_core.networks import describe
from dropnet_core.progress import quiet
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job

NETWORKS = "fc2-fc2", "conv2-conv2-fc2"  # which use every function of the package


def compile_kernels() -> None:
    """Compile the kernels for this processor, unless that has been done and is kept."""
    processor = hashlib.sha256(f"{NAME} {FEATURES}".encode()).hexdigest()[:12]
    done = folder() / f"complete-{processor}"
    if done.exists():
        return
    if not quiet():
        print("compiling the kernels for this processor, which takes half a minute, once", file=sys.stderr)
    images = torch.full((4, 1, 4, 4), 255, dtype=torch.uint8)
    split = Split(images, torch.arange(4) % 2)
    data = DataSet.of("white", split, split, split, classes=2)
    for name in NETWORKS:
        network = describe(name, data.shape, data.classes)
        Trainer(data).outcome(Job(Recipe(max_epochs=1), network, 0, 0, Mask.full(network.widths)))
    done.touch()
