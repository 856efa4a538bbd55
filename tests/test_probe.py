"""Equal members of one product get equal bits, and where they do not, it is said."""

import os
import subprocess
import sys
import warnings
from itertools import product

import numpy as np
import pytest
import torch
from some_jobs import train_all
from torch.utils._python_dispatch import TorchDispatchMode

from dropnet_core.data import load
from dropnet_core.engines import engines, probe
from dropnet_core.engines.batches import EVALUATED, PIXELS
from dropnet_core.engines.member import BLOCKS, STEP
from dropnet_core.engines.probe import SHAPES, check_products, deviating
from dropnet_core.forecast import first_images
from dropnet_core.masks import Mask
from dropnet_core.networks import describe
from dropnet_core.recipe import Recipe
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
    """The last member of many differs in its last bit."""
    multiply = probe.multiply

    def deviate(left, right, out):
        multiply(left, right, out)
        if len(out) > 1:
            out[-1, 0, 0] = torch.nextafter(out[-1, 0, 0], torch.tensor(torch.inf, dtype=out.dtype))

    monkeypatch.setattr(probe, "multiply", deviate)


class Batched(TorchDispatchMode):
    """While it is entered, notes the shapes of all batched products."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: set[probe.Shape] = set()

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        if function.overloadpacket in (torch.ops.aten.bmm, torch.ops.aten.baddbmm, torch.ops.aten.baddbmm_):
            left, right = arguments[-2:]
            self.shapes.add((*left.shape[1:], right.shape[2]))
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("engine", sorted(engines))
def test_the_products_of_a_training_give_equal_members_equal_bits(engine, dtype):
    """All shapes that occur for networks of all widths, with a partial last batch, and with one of a single image."""
    check_products(CPU)
    used = Batched()
    names = ("fc40-fc17", "fc300-fc100") if engine == "stacked" else ("conv9-conv6-dense20",)
    for images, name in product((150, 129), names):
        data = first_images(load("mnist5k"), images)
        network = describe(name, data.shape, data.classes)
        recipe = Recipe(max_epochs=1, precision=str(dtype).removeprefix("torch."))
        shares = (0.03, 0.1, 0.2, 0.4, 0.7, 1)
        masks = [Mask(np.arange(w) < max(1, share * w) for w in network.widths) for share in shares]
        with used:
            train_all(engine, data, [Job(recipe, network, 0, 0, mask) for mask in masks])
    assert bool(used.shapes) == (engine != "reference")
    print(f"{engine}: {len(used.shapes)} shapes")
    assert deviating(sorted(used.shapes), dtype, CPU) == []


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_products_of_dense_networks_of_any_size_give_equal_members_equal_bits(dtype):
    """Those of the first layer's blocks, and of later layers: forward, backward, and what the weights learn."""
    shapes = set()
    for images in (1, 2, 7, 16, 17, 22, 32, EVALUATED):
        for size, pixels in product(BLOCKS, (PIXELS, 5 * PIXELS, 45 * PIXELS)):
            shapes |= {(size, pixels, images), (size, images, pixels)}
        for height, width in product((2, 3, 10, STEP, 3 * STEP, 7 * STEP), (STEP, 3 * STEP, 7 * STEP)):
            shapes |= {(height, width, images), (width, height, images), (height, images, width)}
    assert deviating(sorted(shapes), dtype, CPU) == []


def test_a_deviation_is_reported_with_cause_and_remedy_and_once(library_that_deviates):
    assert deviating(SHAPES, torch.float32, CPU) == list(SHAPES)
    with pytest.warns(UserWarning, match="unequal bits on cpu.*MKL_CBWR must be AUTO before the first.*'compact'"):
        check_products(CPU)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_products(CPU)


def test_the_first_use_of_an_engine_that_relies_on_products_probes_them(tiny, library_that_deviates):
    network = describe("fc4", tiny.shape, 3)
    jobs = [Job(Recipe(max_epochs=1), network, 0, 0, Mask.full(network.widths))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train_all("compact", tiny, jobs)  # one network at a time
    with pytest.warns(UserWarning, match="MKL_CBWR"):
        train_all("stacked", tiny, jobs)


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


PROBED = """
import torch
torch.set_num_threads(1)
PRODUCT
from dropnet_core.engines.probe import SHAPES, check_products
check_products(torch.device("cpu"))
draw = torch.Generator().manual_seed(1)
for rows, inner, columns in SHAPES:
    left, right = (torch.randn(1, *size, generator=draw).repeat(16, 1, 1) for size in ((rows, inner), (inner, columns)))
    many = torch.bmm(left, right)
    if not torch.equal(many, many[:1].expand_as(many)):
        print("unequal")
"""


def test_a_setting_that_comes_too_late_is_noticed():
    """After a product MKL does not read it any more: where that matters, as on AMD's processors, the probe warns."""
    assert said(PROBED.replace("PRODUCT", "")) == ""
    late = said(PROBED.replace("PRODUCT", "torch.ones(9, 9) @ torch.ones(9, 9)"))
    print(late)
    assert ("unequal" not in late) or ("MKL_CBWR must be AUTO before the first product" in late)
