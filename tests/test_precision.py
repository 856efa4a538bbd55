"""What the named precisions mean, and that every engine keeps to them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from outcome_differences import difference
from some_jobs import lacking, some_jobs, train_all

from dropnet_core.basics import precision
from dropnet_core.basics.errors import InputError
from dropnet_core.basics.precision import arithmetic, check_precision, storage, switches
from dropnet_core.data import load
from dropnet_core.engines import fastest
from dropnet_core.layers import MaskedNetwork
from dropnet_core.masks import Mask
from dropnet_core.networks.modules import convolve
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import PRECISIONS, Recipe
from dropnet_core.runs import Job
from dropnet_core.training import evaluate, train
from dropnet_core.unit_statistics import measure

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
BF16 = Recipe(precision="bf16", max_epochs=2)


def settings() -> list[object]:
    """How products of float32 are computed now."""
    return [getattr(owner, name) for owner, name, *_ in switches()]


def test_numbers_at_rest_have_32_bits_or_64():
    assert [storage(name) for name in PRECISIONS] == [torch.float32, torch.float64, torch.float32, torch.float32]


@pytest.mark.parametrize(("name", "inside"), [("float32", "ieee"), ("tf32", "tf32"), ("bf16", "ieee")])
def test_a_precision_holds_while_it_lasts_whatever_is_around_it(name, inside):
    before = settings()
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(KeyError), arithmetic(name, CPU):
        assert set(settings()) == {inside}
        product = F.linear(torch.ones(2, 3), torch.ones(1, 3))
        assert product.dtype == (torch.bfloat16 if name == "bf16" else torch.float32)
        raise KeyError
    assert settings() == before


def test_float32_stays_exact_where_somebody_has_asked_pytorch_for_speed():
    a = torch.rand(256, 256, generator=torch.Generator().manual_seed(0))
    exact = a.double() @ a.double()
    try:
        torch.set_float32_matmul_precision("medium")  # bfloat16 on processors that have it
        with arithmetic("float32", CPU):
            assert (a @ a - exact).abs().max() < 1e-3
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("engine", ["reference", "compact"])
@pytest.mark.parametrize("name", ["float32", "tf32"])
def test_every_product_of_a_job_is_computed_as_its_recipe_says(tiny, monkeypatch, engine, name):
    """A CPU has no TF32, so what is looked at is whether it is allowed: in training, scoring and the oracle."""
    seen = []

    def watched(function):
        def spy(*arguments, **named):
            seen.append(settings())
            return function(*arguments, **named)

        return spy

    for place, function in ((F, "linear"), (torch, "bmm")):
        monkeypatch.setattr(place, function, watched(getattr(place, function)))
    jobs = some_jobs(tiny, "fc4-fc3", Recipe(precision=name, max_epochs=1), [0])
    jobs += [replace(job, needs=("loss_without",)) for job in jobs[:1]]
    with precision.shortened_float32(name == "float32"):  # the opposite of what is wanted
        found = train_all(engine, tiny, jobs)
    assert len(found) == len(jobs) and {value for values in seen for value in values} == {
        "tf32" if name == "tf32" else "ieee"
    }


def test_a_recipe_in_bfloat16_moves_weights_and_adds_up_losses_in_float32(tiny):
    network = describe("conv4-fc3", tiny.shape, tiny.classes)
    job = Job(BF16, network, 0, 0, Mask.full(network.widths))
    model, plain = (MaskedNetwork(network, job.first_weights(), job.mask) for _ in range(2))
    _, test, _ = train(model, tiny, BF16, 0)
    train(plain, tiny, replace(BF16, precision="float32"), 0)
    for rounded, exact in zip(model.parameters(), plain.parameters(), strict=True):
        assert rounded.dtype == torch.float32
        assert 1e-6 < (rounded - exact).abs().max() < 1e-2
        fine = (rounded.bfloat16() != rounded).double().mean()
        assert fine > 0.9 or rounded.numel() < 10  # steps smaller than a bfloat16 can tell are not lost
    with arithmetic("bf16", CPU), torch.no_grad():
        logits = model(tiny.test.images / 255)
        assert logits.dtype == torch.bfloat16
        assert evaluate(model, tiny.test, torch.float32) == test
    assert test[0] == pytest.approx(F.cross_entropy(logits.double(), tiny.test.labels).item(), abs=1e-6)


def test_an_emptied_convolution_hands_on_the_type_that_it_gets():
    bias = torch.tensor([1 / 3, 2 / 3])
    with arithmetic("bf16", CPU):
        for value in (torch.zeros(1, 0, 2, 2), torch.zeros(1, 0, 2, 2, dtype=torch.bfloat16)):
            made = convolve(value, torch.zeros(2, 0, 3, 3), bias)
            assert made.dtype == value.dtype and torch.equal(made[0, :, 0, 0], bias.to(value.dtype))


def test_statistics_of_values_in_bfloat16_are_of_float32(tiny):
    network = describe("conv4-fc3", tiny.shape, tiny.classes)
    job = Job(BF16, network, 0, 0, Mask.full(network.widths))
    model, images = MaskedNetwork(network, job.first_weights(), job.mask), tiny.train.images / 255
    with arithmetic("bf16", CPU), torch.no_grad():
        found = measure(model, [images])["mean_of_abs"]
        values = model.activations(images)
    assert {value.dtype for value in values} == {torch.bfloat16}
    for mean, value in zip(found, values, strict=True):
        by_unit = value.double().flatten(2).mean(2).mean(0) if value.dim() > 2 else value.double().mean(0)
        np.testing.assert_allclose(mean, by_unit.numpy(), atol=1e-6)


def test_engines_agree_in_bfloat16(tiny, tiny16, tiny32):
    """But for sums in another order, whose roundings (1 in 256) training carries on; residual sums, batch norm and
    emptied layers included. All of VGG19 learns so chaotically on few images that float32 would not agree either."""
    deep = [lacking("resnet18/32", tiny16, *empty, share=0.7) for empty in [(), (6, 7), (0,), (7, 12, 17)]]
    norm = [lacking("vgg19/32", tiny32, *empty, share=0.7) for empty in [(3,), (14, 15)]]
    for data, jobs in (
        (tiny, some_jobs(tiny, "fc9-fc5", BF16, [0]) + some_jobs(tiny, "conv5-conv3-dense4", BF16, [0])),
        (tiny16, [replace(job, recipe=BF16) for job in deep]),
        (tiny32, [replace(job, recipe=BF16) for job in norm]),
    ):
        expected, found = (train_all(engine, data, jobs) for engine in ("reference", "compact"))
        for job in jobs:
            a, b = expected[job], found[job]
            losses = np.subtract(
                [*a.history.train_loss, *a.history.validation_loss, a.test_loss],
                [*b.history.train_loss, *b.history.validation_loss, b.test_loss],
            )
            means = [x - y for x, y in zip(*(o.statistics["mean_of_abs"] for o in (a, b)), strict=True)]
            print(job.network.name, abs(losses).max(), max(abs(gap).max() for gap in means))
            assert abs(losses).max() < 0.005
            assert max(abs(gap).max() for gap in means) < 0.005
        (exact,) = train_all("compact", data, [replace(jobs[0], recipe=replace(BF16, precision="float32"))]).values()
        assert difference(exact, found[jobs[0]]) > 1e-5  # it was another arithmetic


@pytest.mark.parametrize(("name", "epochs"), [("fc20", 4), ("conv4", 1)])
def test_training_in_bfloat16_reaches_the_accuracy_of_float32(name, epochs):
    data = load("mnist5k")
    network, reached = describe(name, data.shape, data.classes), {}
    for kind in ("float32", "bf16"):
        job = Job(Recipe(precision=kind, max_epochs=epochs, batch_size=16), network, 0, 0, Mask.full(network.widths))
        (outcome,) = train_all("compact", data, [job]).values()
        reached[kind] = outcome.test_accuracy
    print(name, reached)
    assert reached["float32"] > 0.6
    assert abs(reached["bf16"] - reached["float32"]) < 0.02


def test_the_kernels_are_chosen_for_float32_alone():
    dense = describe("fc40-fc40", (1, 28, 28), 10)
    chosen = {name: fastest(dense, Recipe(precision=name), CPU) for name in PRECISIONS}
    assert chosen == {"float32": "kernels", "float64": "compact", "tf32": "compact", "bf16": "compact"}


def test_tf32_is_refused_where_float32_would_stand_in_for_it(monkeypatch):
    with pytest.raises(InputError, match="cpu cannot compute in TF32.* use precision=float32"):
        check_precision("tf32", CPU)
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    for capability, refused in (((7, 5), True), ((8, 0), False), ((9, 0), False)):
        monkeypatch.setattr(precision, "capability", lambda device, found=capability: found)
        if refused:
            with pytest.raises(InputError, match="cuda:0 cannot compute in TF32"):
                check_precision("tf32", GPU)
        else:
            check_precision("tf32", GPU)
    monkeypatch.setattr(torch.version, "cuda", None)  # an AMD GPU, whose numbers mean something else
    with pytest.raises(InputError, match="cannot compute in TF32"):
        check_precision("tf32", GPU)


@pytest.mark.parametrize("flags", ["fpu avx2 avx512f", "fpu avx512_bf16", "fpu amx_bf16 amx_tile", "fp asimd bf16"])
def test_a_device_that_is_slow_in_bfloat16_is_warned_of(monkeypatch, tmp_path, recwarn, flags):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
    for name in PRECISIONS[:2]:
        check_precision(name, CPU)
    assert not recwarn
    check_precision("bf16", CPU)
    said = [str(warning.message) for warning in recwarn]
    assert len(said) == ("bf16" not in flags)
    assert all("cpu is not known to compute in bfloat16 by itself" in words for words in said)


def test_the_warning_knows_gpus_and_systems_that_do_not_tell(monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "none")
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    monkeypatch.setattr(precision, "capability", lambda device: (7, 5))
    for device in (CPU, GPU):
        with pytest.warns(UserWarning, match=f"{device} is not known"):
            check_precision("bf16", device)
