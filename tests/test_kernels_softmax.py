"""Losses, answers and slopes beside their definitions in float64; exponential and logarithm to the last bits."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from kernel_steps import GuardedMemory

from dropnet_core.engines.kernels.softmax import exponential, logarithm, softmax16
from dropnet_core.engines.kernels.vectors import kernel

LANES = 16


def numbers(values: Sequence) -> np.ndarray:
    return np.array(values, np.float32)


def applied(function: Callable, x: np.ndarray) -> np.ndarray:
    """A function of the kernels for each number, float32."""

    def emit(emitter, x, vectors):
        with emitter.loop(vectors) as i:
            at = emitter.place(x, (i, LANES))
            emitter.store(function(emitter, emitter.load(at)), at)

    memory = GuardedMemory()
    place = memory.lay(np.pad(x, (0, -len(x) % LANES)))
    memory.run(kernel(emit), (place, -(-len(x) // LANES)))
    return memory.numbers[place : place + len(x)]


def units_in_the_last_place(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return abs(found - exact) / np.spacing(abs(exact).astype(np.float32)).astype(np.float64)


def test_the_exponential_is_exact_to_the_last_bits():
    draw = np.random.default_rng(0)
    x = np.concatenate([-draw.random(100_000) * 87, -draw.random(100_000), -(10.0 ** -np.arange(30)), [0, -87]])
    x = x.astype(np.float32)
    errors = units_in_the_last_place(applied(exponential, x), np.exp(x.astype(np.float64)))
    print(f"exponential: {errors.max():.3f} units in the last place")
    assert errors.max() < 1.3
    assert applied(exponential, numbers([0, -0.0])).tolist() == [1, 1]
    least = applied(exponential, numbers([-87, -88, -1e30, -np.inf]))
    assert (least == least[0]).all() and 0 < least[0] < 2e-38
    assert np.isnan(applied(exponential, numbers([np.nan]))).all()


def test_the_logarithm_is_exact_to_the_last_bits():
    draw = np.random.default_rng(1)
    x = np.concatenate([1 + draw.random(100_000), 1 + 999 * draw.random(100_000), 1 + 2.0 ** -np.arange(1, 24), [1e38]])
    x = x.astype(np.float32)
    exact = np.log(x.astype(np.float64))
    errors = units_in_the_last_place(applied(logarithm, x), exact)
    print(f"logarithm: {errors.max():.3f} units in the last place")
    assert errors.max() < 0.9
    assert applied(logarithm, numbers([1])).tolist() == [0]
    assert np.isnan(applied(logarithm, numbers([np.nan]))).all()


def answers(logits: np.ndarray, labels: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slopes (classes, 16), losses (16) and right answers (16) from the kernel; rows lie 32 apart."""
    memory, classes = GuardedMemory(), len(logits)
    wide = np.pad(logits, ((0, 0), (0, LANES)), constant_values=5)
    place, label, rate = memory.lay(wide), memory.lay(labels), memory.lay(scale)
    slopes, out = memory.room(classes, 32, value=9), memory.room(2, 32, value=9)
    with np.errstate(invalid="ignore"):
        memory.run(softmax16, (place, 32, label, rate, classes, slopes, out))
    found, told = memory.at(slopes, classes, 32), memory.at(out, 2, 32)
    assert (found[:, LANES:] == 9).all() and (told[:, LANES:] == 9).all()
    return found[:, :LANES], told[0, :LANES], told[1, :LANES]


@pytest.mark.parametrize("classes", [1, 2, 10, 200])
@pytest.mark.parametrize("size", [0.01, 1, 30, 1e6])
def test_softmax(classes, size):
    draw = np.random.default_rng(classes)
    logits = (size * draw.normal(size=(classes, LANES))).astype(np.float32)
    labels = draw.integers(0, classes, LANES)
    slopes, losses, right = answers(logits, labels, -0.1)
    exact = logits.astype(np.float64)
    shifted = exact - exact.max(0)
    total = np.exp(shifted).sum(0)
    expected = np.log(total) - shifted[labels, range(LANES)]
    onehot = np.arange(classes)[:, None] == labels
    np.testing.assert_allclose(losses, expected, rtol=3e-7, atol=3e-7)
    np.testing.assert_allclose(slopes, -0.1 * (np.exp(shifted) / total - onehot), atol=3e-8)
    np.testing.assert_array_equal(right, logits.argmax(0) == labels)


def test_of_equal_logits_the_first_is_the_answer():
    draw = np.random.default_rng(0)
    for _ in range(50):
        logits = draw.integers(0, 3, (5, LANES)).astype(np.float32)
        labels = draw.integers(0, 5, LANES)
        np.testing.assert_array_equal(answers(logits, labels, 1)[2], logits.argmax(0) == labels)


def test_a_missing_image_has_no_slope_and_no_answer():
    logits = np.random.default_rng(0).normal(size=(4, LANES)).astype(np.float32)
    logits[:, 3], logits[1, 5] = np.nan, np.inf  # left over from another batch
    labels = np.where(np.arange(LANES) % 2, -1, 2)
    slopes, _, right = answers(logits, labels, 1)
    assert not slopes[:, 1::2].any() and not right[1::2].any()
    np.testing.assert_allclose(slopes[:, ::2].sum(0), 0, atol=1e-6)
    assert (slopes[2, ::2] < 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_makes_loss_and_slopes_none(bad):
    for place in range(3):
        logits = np.tile(numbers([[1], [2], [3]]), LANES)
        logits[place, 4] = bad
        slopes, losses, _ = answers(logits, np.zeros(LANES), 1)
        assert np.isnan(losses[4]) and np.isnan(slopes[:, 4]).any()
        assert np.isfinite(np.delete(losses, 4)).all() and np.isfinite(np.delete(slopes, 4, axis=1)).all()
    (slopes, losses, _) = answers(np.full((3, LANES), -np.inf, np.float32), np.zeros(LANES), 1)
    assert np.isnan(losses).all() and np.isnan(slopes).all()


def test_a_class_that_cannot_be_has_no_share_and_an_infinite_loss():
    logits = np.tile(numbers([[1], [2], [-np.inf]]), LANES)
    _, losses, right = answers(logits, np.full(LANES, 2), 1)
    assert (losses == np.inf).all() and not right.any()
    slopes, losses, right = answers(logits, np.full(LANES, 1), 1)
    np.testing.assert_allclose(losses, np.log1p(np.exp(-1)), rtol=1e-6)
    assert (slopes[2] < 1e-37).all() and right.all()
