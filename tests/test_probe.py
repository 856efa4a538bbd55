"""Equal products get equal bits wherever they lie, and where they do not, it is said."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from some_jobs import train_all
from tiny_runs import small
from torch.utils._python_dispatch import TorchDispatchMode

from dropnet_core.data import load
from dropnet_core.engines import probe
from dropnet_core.engines.probe import SHAPES, check_products, deviating
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.running.forecast import first_images
from dropnet_core.running.run import run
from dropnet_core.running.store import Store
from dropnet_core.runs import Job

CPU, DTYPES = torch.device("cpu"), (torch.float32, torch.float64)


@pytest.fixture(autouse=True)
def first_use():
    """The probe is made anew in each test, and afterwards."""
    check_products.cache_clear()
    yield
    check_products.cache_clear()


@pytest.fixture
def library_that_deviates(monkeypatch):
    """Where a factor begins three numbers behind a line, the last bit of one number is another."""
    multiply = probe.product

    def deviate(left, right):
        out = multiply(left, right)
        if left.storage_offset() == 3:
            out[0, 0] = torch.nextafter(out[0, 0], torch.tensor(torch.inf, dtype=out.dtype))
        return out

    monkeypatch.setattr(probe, "product", deviate)


class Products(TorchDispatchMode):
    """While it is entered, notes the shapes of all matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: set[probe.Shape] = set()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm):
            left, right = arguments[-2:]
            self.shapes.add((*left.shape, right.shape[1]))
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("engine", ["compact", "reference"])
def test_the_products_of_a_training_give_equal_bits_everywhere(engine, dtype):
    """All shapes that occur for networks of all widths, with a partial last batch, and with one of a single image."""
    used = Products()
    for images, name in ((150, "fc40-fc17"), (129, "fc300-fc100"), (129, "conv9-conv6-dense20")):
        data = first_images(load("mnist5k"), images)
        network = describe(name, data.shape, data.classes)
        recipe = Recipe(max_epochs=1, precision=str(dtype).removeprefix("torch."))
        masks = [Mask(np.arange(w) < max(1, share * w) for w in network.widths) for share in (0.03, 0.2, 0.5, 1)]
        with used:
            train_all(engine, data, [Job(recipe, network, 0, 0, mask) for mask in masks])
    print(f"{engine}: {len(used.shapes)} shapes")
    assert len(used.shapes) > 20
    assert deviating(sorted(used.shapes), dtype, CPU) == []


def test_a_deviation_is_reported_with_cause_and_remedy_and_once(library_that_deviates):
    assert deviating(SHAPES, torch.float32, CPU) == list(SHAPES)
    with pytest.warns(UserWarning, match="unequal products on cpu.*MKL_CBWR must be AUTO before the first"):
        check_products(CPU)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_products(CPU)


def test_a_run_by_pytorch_probes_products_and_one_by_the_kernels_needs_not(
    tiny_by_name, library_that_deviates, monkeypatch, tmp_path
):
    trial = small(recipe=Recipe(max_epochs=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(trial, store=Store(tmp_path / "kernels.sqlite"), engine="kernels")
    with pytest.warns(UserWarning, match="MKL_CBWR"):
        run(trial, store=Store(tmp_path / "compact.sqlite"), engine="compact")


def said(code: str, **variables: str) -> str:
    """What Python code prints in a process of its own, in which MKL_CBWR is set only if it is among the variables."""
    surroundings = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"} | variables
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=True)
    return done.stdout.strip() + done.stderr.strip()


def test_the_setting_comes_with_the_package_to_all_processes_unless_there_is_one():
    tell = "import os; print(os.environ['MKL_CBWR'])"
    ask = f'; import subprocess, sys; subprocess.run([sys.executable, "-c", "{tell}"])'
    assert said(f"import torch, dropnet_core.data{ask}") == "AUTO"
    assert said(f"import dropnet_core{ask}", MKL_CBWR="COMPATIBLE") == "COMPATIBLE"
