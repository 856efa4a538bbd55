"""What a training step holds in memory, and a refusal before training where that does not fit."""

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from dropnet_core.architecture import Network
from dropnet_core.errors import InputError
from dropnet_core.networks import PlainNetwork
from dropnet_core.precision import storage
from dropnet_core.recipe import Recipe


def step_bytes(network: Network, batch_size: int, precision: str = "float32") -> int:
    """About how many bytes one step of training holds at its peak: a few tenths more or less, as the device has it.

    These are the weights and their gradients, all values that the way back asks for, and twice the largest of them
    for what is being computed. A network with masks holds up to twice as much as this, the ordinary one.
    """
    one, more = parts_of_a_step(network, precision)
    return one + (batch_size - 1) * more


@lru_cache(maxsize=16)
def parts_of_a_step(network: Network, precision: str) -> tuple[int, int]:
    """The bytes of a step with one image, and those of each further image; measured on the CPU."""
    dtype = storage(precision)
    weights = {name: torch.zeros(shape, dtype=dtype) for name, shape in network.weight_shapes().items()}
    model = PlainNetwork(network, weights)
    one, two = (value_bytes(model, torch.zeros(count, *network.shape, dtype=dtype)) for count in (1, 2))
    return 2 * sum(parameter.nbytes for parameter in model.parameters()) + one, two - one


def value_bytes(model: PlainNetwork, images: Tensor) -> int:
    """The bytes of the values that a step on these images keeps for the way back, the largest counted thrice."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()  # several views may share one
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = F.cross_entropy(model(images), torch.zeros(len(images), dtype=torch.int64))
    del loss  # until here it has kept each storage in a place of its own
    own = {parameter.data_ptr() for parameter in model.parameters()}
    values = [size for place, size in kept.items() if place not in own]
    return sum(values) + 2 * max(values)


def free_bytes(device: torch.device) -> int | None:
    """The memory that is free on a device, None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    table = dict(line.split(":") for line in lines)
    return int(table["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in table else None


def check_memory(network: Network, recipe: Recipe, device: torch.device) -> None:
    """Raise InputError where one step of training does not fit into the memory that is free on the device."""
    free, needed = free_bytes(device), step_bytes(network, recipe.batch_size, recipe.precision)
    if free is None or needed <= free:
        return
    one, more = parts_of_a_step(network, recipe.precision)
    room, (_, height, width) = 1 + (free - one) // more, network.shape
    remedy = "even one image is too much; take a narrower network"
    if room > 0:
        remedy = f"set batch_size={1 << (room.bit_length() - 1)}"  # the largest power of two that fits
    raise InputError(
        f"a batch of {recipe.batch_size} images of {height}x{width} pixels needs about {needed / 1e9:.1f} GB for the "
        f"network '{network.name}', and {free / 1e9:.1f} GB are free on {device}; {remedy}, or smaller images"
    )
