"""Tensors in a file without pickle: safetensors, with a header of our own and a checksum over all of it."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from dropnet_core.basics.errors import InputError

KEY, FORMAT = "dropnet", 1


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors by name and a header of plain values. The file is there as a whole or not at all.

    Raises InputError if it cannot be written.
    """
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"format": FORMAT, **header}, sort_keys=True)
    metadata = {KEY: text, "sha256": checksum(text, stored)}
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(stored, beside, metadata=metadata)
        os.replace(beside, path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write {path}: {error}; choose a folder that exists and has room") from error
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a file that `write` made.

    Raises InputError if there is none, if it is of another kind or a newer format, or if it was altered.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}; give the path that `save` was given")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            # A copy, because the file's are not aligned, and sums may then differ in their last bits.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is no whole safetensors file: {error}; save it anew") from error
    if KEY not in metadata:
        raise InputError(f"{path} was not saved by dropnet_core: it lacks the header '{KEY}'; save it by `result.save`")
    if metadata.get("sha256") != checksum(metadata[KEY], tensors):
        raise InputError(f"{path} was altered after it was saved: its checksum is another; save it anew")
    header = json.loads(metadata[KEY])
    if header["format"] > FORMAT:
        raise InputError(f"{path} has format {header['format']}, this version reads {FORMAT}; update dropnet_core")
    return tensors, header


def checksum(header: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the header and every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
