"""A smaller network in a file, and from there into a fresh instance of the user's own class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from dropnet_core.basics.errors import InputError
from dropnet_core.pruning.cut import resize
from dropnet_core.pruning.files import read, write
from dropnet_core.pruning.units import tensors

Network = TypeVar("Network", bound=nn.Module)


def state(small: nn.Module, whole: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a network cut out of another, each once, and the header that says how to put them back.

    sizes   for each tensor that lost numbers, the shape that it has in the whole network
    groups  for the weights of grouped layers that lost groups, how many are left
    same    for each further name of a tensor the name that it is stored under
    """
    before = {name: tuple(tensor.shape) for name, tensor in tensors(whole)}
    stored: dict[str, Tensor] = {}
    first: dict[int, str] = {}
    same = {}
    for name, tensor in tensors(small):
        if first.setdefault(id(tensor), name) == name:
            stored[name] = tensor
        else:
            same[name] = first[id(tensor)]
    sizes = {name: before[name] for name, tensor in stored.items() if before[name] != tuple(tensor.shape)}
    old = groups(whole)
    changed = {name: number for name, number in groups(small).items() if old[name] != number}
    return stored, {"network": type(whole).__name__, "sizes": sizes, "groups": changed, "same": same}


def groups(network: nn.Module) -> dict[str, int]:
    """How many groups the weights of grouped layers have, by name."""
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, _ConvNd | nn.GroupNorm) and module._parameters.get("weight") is not None:
            number = module.groups if isinstance(module, _ConvNd) else module.num_groups
            found[f"{name}.weight".removeprefix(".")] = int(number)
    return found


def restore(network: nn.Module, stored: Mapping[str, Tensor], header: Mapping[str, Any], source: Path) -> None:
    """Put what `state` gave into a whole network, in place.

    Raises InputError if the network is of another class than the stored one, or built with other sizes.
    """
    own = dict(tensors(network))
    if type(network).__name__ != header["network"]:
        raise InputError(
            f"{source} holds a {header['network']}, not a {type(network).__name__}; give a fresh instance of "
            f"{header['network']}"
        )
    given = {*stored, *header["same"]}
    if given != set(own):
        lacking, more = sorted(given - set(own)), sorted(set(own) - given)
        raise InputError(
            f"this {header['network']} is built otherwise than the one in {source}: it lacks "
            f"{lacking[:3] or 'nothing'} and has {more[:3] or 'nothing'} besides; build it with the same arguments"
        )
    for name, tensor in stored.items():
        expected = tuple(header["sizes"].get(name, tensor.shape))
        if tuple(own[name].shape) != expected:
            raise InputError(
                f"'{name}' of this {header['network']} has the shape {tuple(own[name].shape)}, that of {source} had "
                f"{expected} before units were dropped; build it with the same arguments"
            )
    resize(network, {name: tensor.to(own[name].device) for name, tensor in stored.items()}, header["groups"])


def save(small: nn.Module, whole: nn.Module, path: str | Path) -> None:
    """Write a network cut out of another into one safetensors file. Raises InputError if that cannot be done."""
    write(Path(path).expanduser(), *state(small, whole))


def load_pruned(network: Network, path: str | Path) -> Network:
    """A network that `result.save` wrote, in a fresh instance of its class, which is changed and returned.

    network  the whole network, built with the arguments it had; its first weights do not matter
    path     the safetensors file

    The network is in evaluation mode. Its outputs are those of the saved one, bit for bit.

    Raises InputError for a file that is missing, altered or of another kind, and for a network of another class or of
    other sizes.
    """
    stored, header = read(Path(path).expanduser())
    restore(network, stored, header, Path(path))
    return network.eval()
