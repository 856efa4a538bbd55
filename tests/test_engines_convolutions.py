"""The step of plain convolutional networks computes what the reference defines, layer by layer and as a whole."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from some_jobs import taking, train_all
from test_engines_agree import difference

from dropnet_core.data import DataSet, Split, load
from dropnet_core.engines import convolutions, engines
from dropnet_core.engines.compact import Convolutions
from dropnet_core.engines.direct import Direct
from dropnet_core.engines.resident import Resident
from dropnet_core.engines.tiled import Tiled
from dropnet_core.engines.windows import Batch, KeptBatches, Windowed
from dropnet_core.masks import Mask
from dropnet_core.networks import describe, initial_weights
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job

FLOAT64 = Recipe(precision="float64", max_epochs=2)


WAYS: dict[str, Any] = {
    "windows and tiles": (1000, 1.0, [Windowed, Tiled]),
    "windows and libraries": (0, 1.0, [Windowed, Direct]),
    "libraries": (0, -1.0, [Direct, Direct]),
}


@pytest.fixture(params=WAYS)
def way(request, monkeypatch) -> list[type]:
    """The first convolution and those behind it are all done in one way."""
    *limits, kinds = WAYS[request.param]
    for name, limit in zip(("SMALL_MAP", "LIVE_SHARE"), limits, strict=True):
        monkeypatch.setattr(convolutions, name, limit)
    return kinds


def changed(data: DataSet, change) -> DataSet:
    """The data with other images."""
    train, validation, test = (Split(change(split.images), split.labels) for split in data.parts.values())
    return DataSet.of("changed", train, validation, test, data.classes)


def odd(data: DataSet) -> DataSet:
    """Images of 7x7 pixels, of which a pool leaves a row and a column out."""
    return changed(data, lambda images: images[:, :, 1:, 1:])


def blank(data: DataSet) -> DataSet:
    """White squares on black, most images all black: windows without any light, and windows that are all alike."""

    def white(images: torch.Tensor) -> torch.Tensor:
        images = torch.where(images > 150, 255, 0).to(torch.uint8).repeat_interleave(4, 2).repeat_interleave(4, 3)
        images[32:100] = 0  # whole batches
        return images

    return changed(data, white)


def jobs_of(data: DataSet, name: str, recipe: Recipe) -> list[Job]:
    """The full network, some of it, and one unit a layer."""
    network, generator = describe(name, data.shape, data.classes), np.random.default_rng(1)
    some = Mask(generator.random(width) < 0.6 for width in network.widths)
    one = Mask(np.arange(width) < 1 for width in network.widths)
    return [Job(recipe, network, 0, 0, mask) for mask in (Mask.full(network.widths), some, one)]


def largest_difference(data: DataSet, jobs: list[Job]) -> float:
    expected, found = (train_all(engine, data, jobs) for engine in ("reference", "compact"))
    largest = max(difference(expected[job], found[job]) for job in jobs)
    print(f"largest difference {largest:.1e}")
    return largest


@pytest.mark.parametrize("name", ["conv5", "conv6-conv5", "conv4-conv3-conv5-fc4-dense3"])
def test_stacks_of_convolutions_agree_with_the_reference(tiny, way, name):
    assert largest_difference(tiny, jobs_of(tiny, name, FLOAT64)) < 1e-8


@pytest.mark.parametrize("made", [odd, blank])
def test_odd_sides_blank_images_and_ties_agree_with_the_reference(tiny, way, made):
    data = made(tiny)
    assert largest_difference(data, jobs_of(data, "conv6-conv5", FLOAT64)) < 1e-8


def test_three_channels_and_other_orders_agree_with_the_reference(tiny16, way):
    jobs = jobs_of(tiny16, "conv4-conv3-conv5", replace(FLOAT64, shuffle=True, batch_size=25))
    assert largest_difference(tiny16, jobs) < 1e-8


def test_a_batch_of_one_image_meets_a_layer_of_one_unit(tiny16):
    """For which PyTorch's own convolution is called, in single precision too; it takes one layout only."""
    recipe = Recipe(max_epochs=1, batch_size=len(tiny16.train) - 1)
    assert largest_difference(tiny16, jobs_of(tiny16, "conv3-conv2", recipe)[2:]) < 1e-4


def test_the_oracles_statistic_of_convolutions_agrees_with_the_reference(tiny):
    network = describe("conv3-conv2", tiny.shape, tiny.classes)
    masks = [Mask([[True, False, True], [True, True]]), Mask([np.zeros(3), np.ones(2)])]
    jobs = [Job(replace(FLOAT64, max_epochs=1), network, 0, 0, mask, ("loss_without",)) for mask in masks]
    assert largest_difference(tiny, jobs) < 1e-8


def test_each_layer_is_done_in_the_way_meant_for_it(tiny16, way):
    network = describe("conv4-conv3-dense2", tiny16.shape, tiny16.classes)
    batches = {part: KeptBatches(split) for part, split in tiny16.parts.items()}
    model = Convolutions(network, initial_weights(network, 0), Recipe(), tiny16, batches)
    assert [type(layer) for layer in model.step(32).layers[:2]] == way
    assert [type(layer) for layer in model.step(32, looking=True).layers[:2]] == [way[0], Direct]


def test_windows_are_for_images_that_are_mostly_black(tiny):
    shares = [KeptBatches(data.train).live_share for data in (tiny, blank(tiny), load("mnist5k"))]
    assert shares[0] > 0.9 and shares[1] < 0.4 and 0.3 < shares[2] < 0.45


def test_only_plain_convolutional_networks_have_the_step(tiny16, tiny32):
    def network(name, data=tiny16):
        return describe(name, data.shape, data.classes)

    assert convolutions.plain(network("conv4-fc3-dense2"))
    others = network("fc4"), network("resnet18/32"), network("vgg19/32", tiny32), network("conv4-conv3")
    emptied = replace(others[-1], layers=(others[-1].layers[0], replace(others[-1].layers[1], units=0)))
    assert not any(convolutions.plain(other) for other in (*others[:-1], emptied))


def test_live_windows_are_those_with_light(tiny):
    images = blank(tiny).train.images[20:40]
    windows, places = Batch(images).live
    bordered = torch.nn.functional.pad(images.float(), (1, 1, 1, 1))
    every = torch.nn.functional.unfold(bordered, 4, stride=2).transpose(1, 2).flatten(0, 1)
    lit = every.amax(dim=1) > 0
    assert 0 < lit.sum() < len(lit) / 2
    assert torch.equal(lit.nonzero().flatten(), places) and torch.equal(every[lit], windows.float())


def test_batches_in_stored_order_are_made_once_for_each_size(tiny):
    batches = KeptBatches(tiny.train)
    first, again = list(batches(32)), list(batches(32))
    assert all(a is b for a, b in zip(first, again, strict=True))
    assert [len(batch.images) for batch in batches(40)] == [40, 40, 40, 30]
    order = torch.arange(150).flip(0)
    assert torch.equal(torch.cat([batch.images for batch in batches(40, order)]), tiny.train.images.flip(0))


def test_recipes_may_be_mixed(tiny, way):
    recipes = [FLOAT64, replace(FLOAT64, batch_size=50), replace(FLOAT64, shuffle=True), FLOAT64]
    jobs = [job for recipe in recipes for job in jobs_of(tiny, "conv4-conv3", recipe)[:2]]
    found = list(engines["compact"](tiny, taking(jobs)))
    expected = train_all("reference", tiny, jobs)
    assert max(difference(expected[job], outcome) for job, outcome in found) < 1e-8


def test_what_lay_in_memory_before_does_not_matter(tiny, way):
    """PyTorch fills new tensors with NaN when asked for reproducible numbers."""
    jobs = jobs_of(tiny, "conv4-conv3-dense3", Recipe(max_epochs=2)) + jobs_of(odd(tiny), "conv5", Recipe(max_epochs=2))
    for data, some in ((tiny, jobs[:3]), (odd(tiny), jobs[3:])):
        expected = train_all("compact", data, some)
        torch.use_deterministic_algorithms(True)
        try:
            assert torch.empty(3).isnan().all()
            found = train_all("compact", data, some)
        finally:
            torch.use_deterministic_algorithms(False)
        assert all(difference(expected[job], found[job]) == 0 for job in some)


@pytest.mark.parametrize("batch_size", [16, 150])
def test_the_resident_way_takes_the_same_steps(tiny, way, batch_size):
    network = describe("conv4-conv3-dense3", tiny.shape, tiny.classes)
    weights = {name: weight.double() for name, weight in initial_weights(network, 0).items()}
    batches = {part: KeptBatches(split) for part, split in tiny.parts.items()}
    recipe = replace(FLOAT64, batch_size=batch_size)
    usual, resident = (kind(network, weights, recipe, tiny, batches) for kind in (Convolutions, Resident))
    for order in (None, None, torch.randperm(150, generator=torch.Generator().manual_seed(0))):
        assert resident.epoch(order) == pytest.approx(usual.epoch(order), abs=1e-12)
        assert resident.evaluate("test") == pytest.approx(usual.evaluate("test"), abs=1e-12)
    assert resident.statistics()["zeros"][1] == pytest.approx(usual.statistics()["zeros"][1], abs=1e-12)
