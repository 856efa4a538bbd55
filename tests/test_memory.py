import pytest
import torch
from some_jobs import train_all
from tiny_runs import small

from dropnet_core.basics.errors import InputError
from dropnet_core.data import DATA_SETS, DataSet, Split
from dropnet_core.engines import memory
from dropnet_core.engines.kernels.engine import bytes_of_model, kernel_model
from dropnet_core.engines.kernels.lit import Lists
from dropnet_core.engines.kernels.presentation import Presentation
from dropnet_core.engines.memory import (
    WORKER,
    Held,
    at_peak,
    check_memory,
    course,
    images_bytes,
    largest_batch,
    pass_bytes,
    step_bytes,
)  # fmt: skip
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe, initial_weights
from dropnet_core.recipe import Recipe
from dropnet_core.running.run import PreparedExperiment
from dropnet_core.runs import Job
from dropnet_core.training import large_batches

CPU = torch.device("cpu")
VGG = describe("vgg19/8", (3, 64, 64), 200)


def noise(count: int, shape: tuple[int, int, int]) -> DataSet:
    """Black images, ten of them to evaluate on."""
    train, few = (Split(torch.zeros(n, *shape, dtype=torch.uint8), torch.arange(n) % 2) for n in (count, 10))
    return DataSet.of("noise", train, few, few, classes=2)


@pytest.fixture(scope="module")
def images() -> DataSet:
    return noise(300, (3, 64, 64))


@pytest.fixture
def free(monkeypatch):
    """Says how much is free."""

    def said(count: int | None) -> None:
        monkeypatch.setattr(memory, "free_bytes", lambda device: count)

    return said


def test_the_course_of_some_work_is_split_into_a_fixed_part_and_one_for_each_image():
    """Two weights at first, one of them let go; then values, whose views hold nothing more."""

    def work(images: int) -> None:
        weights = [torch.zeros(100), torch.zeros(50)]
        del weights[0]
        values = torch.zeros(images, 3)
        torch.add(values, 1, out=values)
        values[1:].flatten()

    found = course(work)
    assert found == {(400, 0), (600, 0), (200, 12)}
    assert [at_peak(found, images) for images in (1, 100)] == [600, 1400]


def test_a_step_of_a_dense_network_counted_by_hand():
    """When the way back begins: three of each weight, all images and values, and what the loss keeps."""
    network, batch = describe("fc50-fc30", (1, 20, 20), 10), 700
    weights = 400 * 50 + 50 + 50 * 30 + 30 + 30 * 10 + 10
    images, values, logits = 400 * batch, (50 + 30) * batch, 10 * batch
    loss = logits + 2 * batch + 2  # log probabilities; labels, eight bytes each; the loss and the number of images
    back = logits + logits + (50 + 30 + 30) * batch  # slopes of the logits and of the values, before a ReLU and behind
    assert 4 * (2 * weights + images + values + loss) < step_bytes(network, batch)
    assert step_bytes(network, batch) < 4 * (3 * weights + images + values + logits + loss + back)
    without_images = step_bytes(network, 0)
    assert 4 * 3 * weights < without_images < 4 * 4.1 * weights


def test_what_a_step_keeps_of_vgg19_counted_by_hand():
    """Values behind ReLU, batch norm and max-pool, and its indices; at the peak a few of the largest more."""
    network = describe("vgg19/4", (3, 32, 32), 10)
    per_image = step_bytes(network, 900) - step_bytes(network, 899)
    maps = {width: side * side for width, side in zip((16, 32, 64, 128), (32, 16, 8, 4), strict=True)}
    values = 2 * 16 * 1024 + 2 * 32 * 256 + 4 * 64 * 64 + 4 * 128 * 16 + 4 * 128 * 4
    normed = sum(width * side for width, side in maps.items()) + 128 * 4
    kept = 4 * (3 * 1024 + values + normed + normed // 4) + 8 * normed // 4  # and the pooled maps
    assert kept < per_image < kept + 4 * 2 * 16 * 1024


def test_precision_masks_and_images_count():
    network = describe("resnet18/8", (3, 32, 32), 10)
    one, two, three = (step_bytes(network, n) for n in (201, 202, 203))
    assert three - two == two - one > 0
    assert 1.8 < step_bytes(network, 64, Recipe(precision="float64")) / step_bytes(network, 64) < 2.1
    assert 1.05 < step_bytes(network, 64, masked=True) / step_bytes(network, 64) < 2


def test_scoring_counted_by_hand():
    """At the first convolution: the images, its value with and without mask, its absolute value or its zeros."""
    network, count = describe("conv8-conv4", (3, 16, 16), 10), 500
    value, images = 8 * 256 * count, 3 * 256 * count
    weights = sum(torch.Size(shape).numel() for shape in network.weight_shapes().values())
    expected = 4 * (2 * value + images + 6 * weights) + max(4 * value, 4 * value + value)
    assert pass_bytes(network, count) == pytest.approx(expected, rel=0.02)
    assert 4 * 6 * weights < pass_bytes(network, 0) < 4 * 6.5 * weights


def test_scoring_many_images_takes_more_than_a_step(images, free):
    """As many as the passes really take: of 64x64 pixels 250, of fewer images all."""
    (batch, labels), _ = large_batches(images.train, torch.float32)
    assert len(labels) == len(batch) == 250
    needed = pass_bytes(VGG, 250)
    assert needed > 1.5 * step_bytes(VGG, 32)
    free(needed)
    check_memory(VGG, Recipe(), images, CPU)
    free(needed - 1)
    words = "scoring with 250 images of 64x64 pixels .* 'vgg19/8', .* on cpu; take a narrower network, or smaller image"
    with pytest.raises(InputError, match=words):
        check_memory(VGG, Recipe(), images, CPU)
    check_memory(VGG, Recipe(), noise(60, (3, 64, 64)), CPU)


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does(images, free):
    need = {batch: step_bytes(VGG, batch) for batch in (128, 256)}
    assert pass_bytes(VGG, 250) < need[256] - 1
    free(need[256] - 1)
    words = "step with 256 images of 64x64 pixels .* 'vgg19/8', .* on cpu; set batch_size=128, or take smaller images"
    with pytest.raises(InputError, match=words):
        check_memory(VGG, Recipe(batch_size=256), images, CPU)
    check_memory(VGG, Recipe(batch_size=128), images, CPU)
    assert largest_batch(VGG, Recipe(batch_size=200), need[128] - 1) == 64
    assert largest_batch(VGG, Recipe(), step_bytes(VGG, 1) - 1) == 0
    free(None)
    check_memory(VGG, Recipe(batch_size=256), images, CPU)


def test_what_the_reference_holds_is_what_its_check_predicts():
    """Masked networks, measured while they train: where a step, and where scoring is the peak."""
    for network, images, batch in ((VGG, 32, 32), (VGG, 100, 16), (describe("fc400-fc300", (3, 64, 64), 200), 64, 64)):
        data, recipe = noise(images, (3, 64, 64)), Recipe(batch_size=batch, max_epochs=2)
        job = Job(recipe, network, 0, 0, Mask.full(network.widths))
        with Held() as held:
            train_all("reference", data, [job])
        predicted = max(step_bytes(network, batch, masked=True), pass_bytes(network, images, masked=True))
        print(f"{network.name}: {max(held.course) / 1e6:.1f} MB held, {predicted / 1e6:.1f} MB predicted")
        assert 0.95 * predicted < max(held.course) < 1.05 * predicted


def test_the_reference_trains_with_masks_which_takes_more(free):
    """VGG19 in full width, 64x64 pixels, 200 classes, batches of 32: the step that it takes is the one checked."""
    network, data = describe("vgg19", (3, 64, 64), 200), noise(32, (3, 64, 64))
    compact, masked = step_bytes(network, 32), step_bytes(network, 32, masked=True)
    assert 1.1 < masked / compact < 1.3
    free(masked)
    check_memory(network, Recipe(), data, CPU, engine="reference")
    free(masked - 1)
    with pytest.raises(InputError, match="a training step with 32 images .*; set batch_size=16"):
        check_memory(network, Recipe(), data, CPU, engine="reference")


def test_memory_is_checked_for_the_engine_that_is_chosen(images, free, monkeypatch):
    monkeypatch.setitem(DATA_SETS._entries, "tiny", lambda: images)
    network = describe("vgg19/8", images.shape, images.classes)
    masked = step_bytes(network, 256, masked=True)
    assert max(step_bytes(network, 256), pass_bytes(network, 250)) < masked - 1
    free(masked - 1)
    trial = small(network="vgg19/8", recipe=Recipe(batch_size=256))
    assert PreparedExperiment.of(trial, device="cpu").engine == "compact"
    with pytest.raises(InputError, match="set batch_size=128"):
        PreparedExperiment.of(trial, "reference", "cpu")


@pytest.mark.parametrize("name", ["fc40-fc20", "conv8-conv4-fc9"])
@pytest.mark.parametrize("batch", [32, 50])
def test_what_the_kernels_hold_is_what_their_check_predicts(name, batch, free):
    """A network's numbers, and images of which a third is lit, laid out; with an order of their own, once more."""
    draw = torch.Generator().manual_seed(0)
    train, few = (
        Split(torch.randint(1, 256, (n, 3, 20, 20), dtype=torch.uint8, generator=draw), torch.arange(n) % 2)
        for n in (300, 40)
    )
    for split in (train, few):
        split.images[:, :, 7:] = 0
    data = DataSet.of("stripes", train, few, few, classes=2)
    network, recipe = describe(name, data.shape, data.classes), Recipe(batch_size=batch)
    model, lay_out = kernel_model(network, initial_weights(network, 0), batch)
    assert bytes_of_model(network, batch) == model.memory.nbytes
    presented = Presentation(data)
    layouts = [presented.part(part, lay_out, batch) for part in data.parts]
    _ = getattr(layouts[0], "by_batch", None)
    held = sum(map(size_of, layouts))
    predicted = images_bytes("kernels", network, recipe, data)
    print(f"{name}, batches of {batch}: images {held:,} bytes laid out, {predicted:,} predicted")
    assert held / 1.35 < predicted < held * 1.35
    shuffled_epoch = next(presented.epoch(torch.arange(300), None, lay_out, batch))
    _ = getattr(shuffled_epoch, "by_batch", None)
    again = size_of(shuffled_epoch)
    shuffled = images_bytes("kernels", network, Recipe(batch_size=batch, shuffle=True), data)
    assert held + again < 1.35 * shuffled and shuffled > predicted
    weights = memory.SETS * 4 * sum(torch.Size(shape).numel() for shape in network.weight_shapes().values())
    free(weights + predicted + model.memory.nbytes)
    check_memory(network, recipe, data, CPU, engine="kernels")
    free(weights + predicted + model.memory.nbytes - 1)
    with pytest.raises(InputError, match=f"batches of {batch} images of 20x20 pixels .*, or the engine .compact."):
        check_memory(network, recipe, data, CPU, engine="kernels")


def size_of(layout: object) -> int:
    """Bytes of all arrays in a layout; of lists by batch only where an epoch reads them."""
    parts = layout if isinstance(layout, tuple) else vars(layout).values() if isinstance(layout, Lists) else ()
    return sum(map(size_of, parts)) if parts else getattr(layout, "nbytes", 0)


def test_several_workers_need_several_times_as_much(images, free):
    one = pass_bytes(VGG, 250)
    free(3 * (one + WORKER))
    check_memory(VGG, Recipe(), images, CPU, workers=3)
    with pytest.raises(InputError, match=r"about \d+.\d MB \(\d.\d GB for 4 workers\) .* on cpu; use workers=3"):
        check_memory(VGG, Recipe(), images, CPU, workers=4)
    free(one)  # this process itself is there already
    check_memory(VGG, Recipe(), images, CPU)
    with pytest.raises(InputError, match="use workers=1"):
        check_memory(VGG, Recipe(), images, CPU, workers=2)
    free(one - 1)
    with pytest.raises(InputError, match="take a narrower network"):
        check_memory(VGG, Recipe(), images, CPU, workers=2)


def test_what_bounds_each_process_bounds_every_worker(monkeypatch, images, free):
    """As `ulimit -v` does: two workers may hold twice as much as one."""
    batch = dict(network=VGG, recipe=Recipe(), data=images, device=CPU)
    need = max(step_bytes(VGG, 32), pass_bytes(VGG, 300))
    free(10**12)
    check_memory(**batch)
    monkeypatch.setattr(memory, "left_to_process", lambda: need // 2)
    with pytest.raises(InputError, match=rf"and {memory.size_in_words(need // 2)} are free on cpu"):
        check_memory(**batch)
    monkeypatch.setattr(memory, "left_to_process", lambda: WORKER + need + 9)
    check_memory(**batch)
    check_memory(**batch, workers=2)
    free(None)
    monkeypatch.setattr(memory, "left_to_process", lambda: need // 2)
    with pytest.raises(InputError, match="are free on cpu"):
        check_memory(**batch)
