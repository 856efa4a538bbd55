"""What a GPU would run, on PyTorch's device "meta", whose tensors have shapes and no numbers.

An operation on tensors of two devices fails there, too: the commonest fault on a GPU, found without one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dropnet_core.data import DataSet, Split
from dropnet_core.engines import engines
from dropnet_core.engines.interface import Take
from dropnet_core.masks import Mask
from dropnet_core.networks.plain import describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Job

NUMBERS: dict[Callable[..., Any], Callable[[Tensor], Any]] = {
    Tensor.item: lambda value: 0.0,
    Tensor.__int__: lambda value: 0,
    Tensor.__float__: lambda value: 0.0,
    Tensor.__bool__: lambda value: False,
    Tensor.cpu: lambda value: torch.zeros(value.shape, dtype=value.dtype),
}


class WithoutNumbers(TorchFunctionMode):
    """Answers 0 where a tensor without numbers is asked for one, or is fetched from its device."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if func in NUMBERS and args[0].is_meta:
            return NUMBERS[func](args[0])
        return func(*args, **(kwargs or {}))


def elsewhere(channels: int, side: int) -> DataSet:
    """A data set on a device of its own."""
    split = Split(torch.zeros((20, channels, side, side), dtype=torch.uint8), torch.arange(20) % 3)
    with WithoutNumbers():
        return DataSet.of("elsewhere", split, split, split, classes=3).to("meta")


def one(job: Job) -> Take:
    waiting = [job]
    return lambda count: [waiting.pop()] if waiting else []


RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "shuffled": {"shuffle": True},
    "augmented": {"shuffle": True, "augment": "affine"},
    "float64": {"precision": "float64"},
}


@pytest.mark.parametrize("engine", ["compact", "reference"])
@pytest.mark.parametrize(
    ("name", "recipe", "needs"),
    [
        *(("fc5-fc4", recipe, ("loss_without",)) for recipe in RECIPES),
        *(("conv4-conv3-fc5", recipe, ()) for recipe in RECIPES),
        ("resnet18/32", "augmented", ()),
        ("vgg19/32", "plain", ()),
    ],
)
def test_all_tensors_of_a_training_lie_on_one_device(
    engine: str, name: str, recipe: str, needs: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = elsewhere(3, 32)
    network = describe(name, data.shape, data.classes)
    whole = Mask.full(network.widths)
    mask = whole.without(0, np.array([1]))
    job = Job(Recipe(max_epochs=2, batch_size=8, **RECIPES[recipe]), network, 0, 0, mask, needs)
    whole_autocast = torch.autocast
    monkeypatch.setattr(
        torch, "autocast", lambda device, *rest, **more: whole_autocast("cpu", *rest, **more)
    )  # "meta" has none
    with WithoutNumbers():
        ((answered, outcome),) = engines[engine](data, one(job))
    assert answered == job and outcome.history.epochs == 2
    assert [len(layer) for layer in outcome.statistics["mean_of_abs"]] == list(network.widths)


def test_two_devices_in_one_operation_fail() -> None:
    with pytest.raises(RuntimeError, match="device"):
        torch.zeros(3, device="meta") + torch.zeros(3)
