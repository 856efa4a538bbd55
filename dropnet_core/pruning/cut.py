"""The network without its dropped units, and the way back."""

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from dropnet_core.masks import Mask
from dropnet_core.pruning.units import Units, tensors


def kept_places(units: Units, mask: Mask) -> dict[str, list[Tensor]]:
    """For each weight that loses numbers, the indices that stay along each of its dimensions."""
    kept = units.kept(mask)
    return {
        name: [torch.from_numpy(np.flatnonzero(kept[labels])) for labels in dims]
        for name, dims in units.labels.weights.items()
        if not all(kept[labels].all() for labels in dims)
    }


def part(tensor: Tensor, places: list[Tensor]) -> Tensor:
    """The numbers of a tensor at these places along each dimension."""
    for dim, place in enumerate(places):
        tensor = tensor.index_select(dim, place.to(tensor.device))
    return tensor


def groups_left(units: Units, mask: Mask) -> dict[str, int]:
    """For each weight whose channels come in groups, how many groups stay."""
    kept = units.kept(mask)
    return {name: int(kept[labels].sum()) // block for name, (labels, block) in units.labels.blocks.items()}


def cut(network: nn.Module, units: Units, mask: Mask) -> nn.Module:
    """A copy of the network without the units that the mask drops: the same class and code, smaller tensors."""
    small = copy.deepcopy(network)
    named = dict(tensors(small))
    with torch.no_grad():
        smaller = {name: part(named[name], places) for name, places in kept_places(units, mask).items()}
    resize(small, smaller, groups_left(units, mask))
    return small


def expanded(network: nn.Module, small: nn.Module, units: Units, mask: Mask) -> dict[str, Tensor]:
    """The network's tensors by name, with those of the network cut out of it put back in their places."""
    cut_out, places = dict(tensors(small)), kept_places(units, mask)
    full = {}
    for name, tensor in tensors(network):
        new = cut_out[name].detach().to(tensor.device)
        full[name] = new
        if name in places:
            full[name] = tensor.detach().to(new, copy=True)
            full[name][np.ix_(*places[name])] = new
    return full


def resize(network: nn.Module, smaller: dict[str, Tensor], groups: dict[str, int]) -> None:
    """Put tensors of other sizes in place of a network's own, and say so in its modules.

    groups  for the weights of grouped layers, how many groups they have now
    """
    named = dict(tensors(network))
    new: dict[int, Tensor] = {}
    for name, tensor in smaller.items():
        old = named[name]
        new[id(old)] = nn.Parameter(tensor, old.requires_grad) if isinstance(old, nn.Parameter) else tensor
    count = {id(named[name]): number for name, number in groups.items()}
    for module in network.modules():
        number = count.get(id(module._parameters.get("weight")))
        changed = False
        for table in (module._parameters, module._buffers):
            for name, held in table.items():
                if held is not None and id(held) in new:
                    table[name] = new[id(held)]  # type: ignore[assignment]
                    changed = True
        if changed:
            describe(module, number)
    for parameter in network.parameters():
        parameter.grad = None


def describe(module: nn.Module, groups: int | None) -> None:
    """Bring the sizes that a module of PyTorch's states into agreement with its tensors."""
    weight = module._parameters.get("weight")  # not the attribute: a parametrisation would compute it, and more
    if isinstance(module, _ConvNd) and weight is not None:
        module.groups = groups or module.groups
        outside, inside = weight.shape[0], weight.shape[1] * module.groups
        module.in_channels, module.out_channels = (outside, inside) if module.transposed else (inside, outside)
    elif isinstance(module, nn.Linear) and weight is not None:
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, _NormBase):
        first = weight if weight is not None else module._buffers["running_mean"]
        module.num_features = len(first) if first is not None else module.num_features
    elif isinstance(module, nn.GroupNorm) and weight is not None:
        module.num_channels, module.num_groups = len(weight), groups or module.num_groups
    elif isinstance(module, nn.PReLU) and weight is not None:
        module.num_parameters = len(weight)
