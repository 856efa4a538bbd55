"""That a network without its dropped units computes, and learns, what the masked one does: shown at each cut."""

import copy
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dropnet_core.basics.errors import InputError
from dropnet_core.masks import Mask
from dropnet_core.pruning.cut import kept_places, part
from dropnet_core.pruning.graph import operator, place, place_of
from dropnet_core.pruning.labels import varying
from dropnet_core.pruning.units import Units, tensors

# The largest differences allowed. Rounding stays below 1e-12 in most networks, but some amplify it a little; a unit
# too many or too few is seen at a thousandth or so, since no weight of the proof is near zero.
OUTPUTS, GRADIENTS = 1e-9, 1e-8
VIEWS = ("view", "reshape", "expand", "_unsafe_view")
NUMERAL = re.compile(r"(?<![\w.])\d\d*(?![\w.])(?<!\b[01])")  # in a line of code, other than 0 and 1


@dataclass(frozen=True)
class Proof:
    """The largest differences between the masked and the cut network, in float64, relative to the largest number.

    evaluation  of outputs in evaluation mode
    training    of outputs, and of the buffers left behind, in training mode, each random draw replaced by its mean
    gradients   of all parameters that are left, in training mode
    """

    evaluation: float
    training: float
    gradients: float

    @property
    def holds(self) -> bool:
        return self.evaluation <= OUTPUTS and self.training <= OUTPUTS and self.gradients <= GRADIENTS

    def __str__(self) -> str:
        return (
            f"masked and cut network differ by {self.evaluation:.0e} in evaluation, {self.training:.0e} in training, "
            f"{self.gradients:.0e} in gradients (float64, relative to the largest number)"
        )


def prove(network: nn.Module, small: nn.Module, units: Units, mask: Mask, example: Tensor) -> Proof:
    """Compare the network, masked where its units are read, with the smaller one cut out of it.

    Both are copied and computed in float64; nothing of them changes. The example holds images (n, ...), n >= 2.
    """
    example = example.double() if example.is_floating_point() else example
    small = copy.deepcopy(small).double()
    places = kept_places(units, mask)
    found = []
    for traced, training in ((units.evaluation, False), (units.training, True)):
        weights = copies(network, learning=training)
        masks = {node: keep.to(example.device) for node, keep in units.masks(mask, traced).items()}
        with draws_are_means(), torch.set_grad_enabled(training):
            masked = numbers(traced.graph.run(weights, example, masks=masks))
            cut_out = numbers(small.train(training)(example))
        found.append(difference(cut_out, masked))
        if training:
            changed = [name for name, _ in small.named_buffers()]
            cut_buffers = dict(small.named_buffers())
            for name in changed:
                found[-1] = max(found[-1], difference([cut_buffers[name]], [part(weights[name], places.get(name, []))]))
            found.append(gradient_difference(small, cut_out, weights, masked, places))
    return Proof(*found)


def copies(network: nn.Module, *, learning: bool) -> dict[str, Tensor]:
    """A network's tensors by name in float64, one copy for all names of one tensor; `learning` ones take gradients."""
    made: dict[int, Tensor] = {}
    for _, tensor in tensors(network):
        if id(tensor) not in made:
            wide = torch.float64 if tensor.is_floating_point() else tensor.dtype
            made[id(tensor)] = tensor.detach().to(wide, copy=True).requires_grad_(learning and tensor.requires_grad)
    return {name: made[id(tensor)] for name, tensor in tensors(network)}


def gradient_difference(
    small: nn.Module,
    cut_out: list[Tensor],
    weights: dict[str, Tensor],
    masked: list[Tensor],
    places: dict[str, list[Tensor]],
) -> float:
    """Of a random weighted sum of all outputs, with respect to every parameter that is left."""
    parameters = {name: parameter for name, parameter in small.named_parameters() if parameter.requires_grad}
    if not parameters or any(one.shape != other.shape for one, other in zip(cut_out, masked, strict=True)):
        return 0.0 if not parameters else math.inf
    draw = torch.Generator().manual_seed(0)
    factors = [torch.rand(value.shape, generator=draw, dtype=torch.float64).to(value) for value in masked]
    sides = []
    for values, own in ((cut_out, list(parameters.values())), (masked, [weights[name] for name in parameters])):
        total = torch.stack([(value * factor).sum() for value, factor in zip(values, factors, strict=True)]).sum()
        sides.append(torch.autograd.grad(total, own, allow_unused=True, materialize_grads=True))
    left = [part(gradient, places.get(name, [])) for name, gradient in zip(parameters, sides[1], strict=True)]
    largest = max(float(gradient.abs().max()) for gradient in left if gradient.numel())
    return max(difference([one], [other], largest) for one, other in zip(sides[0], left, strict=True))


def numbers(output: Any) -> list[Tensor]:
    """The floating-point tensors of whatever a network returns."""
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point()]


def difference(one: list[Tensor], other: list[Tensor], largest: float | None = None) -> float:
    """The largest difference relative to the largest number of `other`; infinite for other shapes and for NaN."""
    if [value.shape for value in one] != [value.shape for value in other]:
        return math.inf
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        if a.numel():
            scale = float(b.detach().abs().max()) if largest is None else largest
            gap = float((a.detach() - b.detach()).abs().max()) / (scale or 1.0)
            worst = max(worst, gap if math.isfinite(gap) else math.inf)
    return worst


class Means(TorchDispatchMode):
    """Every random draw is its mean, so that two networks of different sizes draw the same."""

    def __torch_dispatch__(self, target: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, given = target._schema.name.removeprefix("aten::"), dict(kwargs or {})
        if name == "bernoulli_":
            return args[0].fill_(args[1] if len(args) > 1 else given.get("p", 0.5))
        if name == "native_dropout":
            return args[0].clone(), torch.ones_like(args[0], dtype=torch.bool)
        if name == "bernoulli":
            return args[0].clone()
        value = target(*args, **given)
        if name in ("rand", "rand_like", "uniform_"):
            return value.fill_(0.5)
        return value.zero_() if name in ("randn", "randn_like", "normal_") else value


@contextmanager
def draws_are_means() -> Iterator[None]:
    """As the class says, and the generators are afterwards what they were before."""
    with torch.random.fork_rng(), Means():
        yield


def shaken(network: nn.Module) -> nn.Module:
    """A copy in float64 whose weights are off their first values, which hide mistakes: zeros, ones, equal numbers."""
    network = copy.deepcopy(network).double()
    draw = torch.Generator().manual_seed(0)

    def noise(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=draw, dtype=torch.float64).to(tensor.device)

    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.is_floating_point():
                usual = float(parameter.square().mean().sqrt()) if parameter.squeeze().dim() > 1 else 1.0
                parameter.add_(noise(parameter) * max(usual / 10, 0.01))
        for module in network.modules():
            if isinstance(module, _NormBase) and module.running_mean is not None and module.running_var is not None:
                module.running_mean.add_(noise(module.running_mean) / 10)
                module.running_var.mul_(noise(module.running_var).div(10).exp())
    return network


def refuse_unless_equal(network: nn.Module, small: nn.Module, units: Units, mask: Mask, example: Tensor) -> Proof:
    """The proof of a cut. Raises InputError if it does not hold, or if the smaller network's own code fails."""
    try:
        proof = prove(network, small, units, mask, example)
    except InputError:
        raise
    except Exception as error:  # whatever the network's code raises when its tensors are smaller
        raise InputError(f"the network's code fails once units are gone: {culprit(units, error)}") from error
    if not proof.holds:
        raise InputError(f"the network without its dropped units computes something else: {proof}. {culprit(units)}")
    return proof


def culprit(units: Units, error: Exception | None = None) -> str:
    """Where the code counts units by numbers that are written down, as far as the graphs show it."""
    found = dict.fromkeys(
        (f"{operator(node)} to ({', '.join(map(str, sizes(node)))}) at {place(node)}", place(node))
        for traced in (units.evaluation, units.training)
        for node in traced.graph.nodes
        if operator(node) in VIEWS and isinstance(labels := traced.values.get(node), Tensor) and counted(node, labels)
    )
    written = [text for text, code in found if NUMERAL.search(code.partition("`")[2])]
    if lines := " and ".join(written or [text for text, _ in found]):
        return (
            f"a size is written as a number in {lines}; write x.flatten(1), or x.size(0) and -1, so that it follows "
            "the units, or leave the layer in front of it whole with `exclude`"
        )
    where = place_of(error) if error else ""
    said = f"{type(error).__name__}: {str(error).splitlines()[0]}" if error and str(error) else type(error).__name__
    return (f"{said} at {where}; " if where else "") + "leave the layers in question whole with `exclude`"


def sizes(node: Node) -> tuple[Any, ...]:
    """What a view's code asks for."""
    given = node.args[1:]
    return tuple(given[0]) if given and isinstance(given[0], list | tuple) else tuple(given)


def counted(node: Node, labels: Tensor) -> bool:
    """Whether a view has a plain number above 1 where units are."""
    asked = sizes(node)
    return any(d < len(asked) and isinstance(asked[d], int) and asked[d] > 1 for d in varying(labels))
