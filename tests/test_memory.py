import pytest
import torch

from dropnet_core import memory
from dropnet_core.errors import InputError
from dropnet_core.memory import check_memory, free_bytes, step_bytes
from dropnet_core.networks import describe
from dropnet_core.recipe import Recipe

CPU = torch.device("cpu")


def test_the_bytes_of_a_dense_network_counted_by_hand():
    network, batch = describe("fc50-fc30", (1, 20, 20), 10), 7
    weights = 400 * 50 + 50 + 50 * 30 + 30 + 30 * 10 + 10
    images, values, outputs = 400 * batch, (50 + 30) * batch, 10 * batch  # a ReLU keeps what it hands on
    loss = outputs, batch * 2, 1  # log probabilities; labels, eight bytes each; the number of images
    expected = 4 * (2 * weights + images + values + sum(loss) + 2 * images)
    assert step_bytes(network, batch) == expected


def test_twice_the_precision_is_twice_the_memory_and_images_count_alone():
    network = describe("resnet18/8", (3, 32, 32), 10)
    one, two, three = (step_bytes(network, n) for n in (1, 2, 3))
    assert three - two == two - one > 0
    assert 1.8 < step_bytes(network, 64, "float64") / step_bytes(network, 64) < 2


def test_what_a_step_really_keeps_is_what_is_foretold():
    """Of VGG19 the values are known: those behind ReLU, batch norm and max-pool, and its indices."""
    network = describe("vgg19/4", (3, 32, 32), 10)
    per_image = step_bytes(network, 9) - step_bytes(network, 8)
    maps = {width: side * side for width, side in zip((16, 32, 64, 128), (32, 16, 8, 4), strict=True)}
    values = 2 * 16 * 1024 + 2 * 32 * 256 + 4 * 64 * 64 + 4 * 128 * 16 + 4 * 128 * 4
    normed = sum(width * side for width, side in maps.items()) + 128 * 4
    largest = 16 * 1024
    floats = 3 * 1024 + values + normed + normed // 4 + 2 * largest  # and the pooled maps
    assert per_image == pytest.approx(4 * floats + 8 * normed // 4, rel=0.01)


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does(monkeypatch):
    network = describe("vgg19/8", (3, 64, 64), 200)
    need = {batch: step_bytes(network, batch) for batch in (1, 128)}
    monkeypatch.setattr(memory, "free_bytes", lambda device: need[128] - 1)
    with pytest.raises(InputError, match="of 256 images of 64x64 pixels .* 'vgg19/8', .* on cpu; set batch_size=64"):
        check_memory(network, Recipe(batch_size=256), CPU)
    check_memory(network, Recipe(batch_size=64), CPU)
    monkeypatch.setattr(memory, "free_bytes", lambda device: need[1] - 1)
    with pytest.raises(InputError, match="even one image is too much; take a narrower network, or smaller images"):
        check_memory(network, Recipe(), CPU)
    monkeypatch.setattr(memory, "free_bytes", lambda device: None)
    check_memory(network, Recipe(batch_size=256), CPU)


def test_free_memory_is_read_from_the_system():
    free = free_bytes(CPU)
    assert free is None or 1e6 < free < 1e14
