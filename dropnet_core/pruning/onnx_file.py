"""A network as an ONNX file, for runtimes other than PyTorch, compared with the network before it is handed out."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dropnet_core.basics.errors import InputError
from dropnet_core.pruning.graph import first_line, silence

TOLERANCE = 1e-5  # of outputs, relative to the largest, in float32
SIZES = (1, 5)  # images at which the file is compared


def needed() -> None:
    """Raise InputError unless the packages of the extra `onnx` are there."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"ONNX needs {' and '.join(missing)}; pip install 'dropnet-core[onnx]'")


def to_onnx(network: nn.Module, example: Tensor, path: Path) -> float:
    """Write a network in evaluation mode, for any number of images (n, ...) like the example's.

    Returns the largest difference between its outputs in onnxruntime and in PyTorch, at 1 and at 5 images, relative to
    the largest output. Raises InputError if it is above 1e-5, if PyTorch cannot write the network, or without the
    packages of the extra `onnx`.
    """
    needed()
    network, example = network.eval(), example.detach()
    try:
        with silence():
            program: Any = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("images", min=1)},),
                input_names=["images"],
                external_data=False,
                verbose=False,
            )
            program.save(str(path))
    except Exception as error:  # whatever the exporter's parts raise
        said = f"{type(error).__name__}: {first_line(str(error))}"
        raise InputError(f"PyTorch cannot write this network as ONNX: {said}; use result.save") from error
    session = opened(path)
    worst = max(gap(network, session, images_like(example, count)) for count in SIZES)
    if not worst <= TOLERANCE:
        path.unlink()
        raise InputError(
            f"the ONNX file computes something else than the network: they differ by {worst:.0e} of the largest "
            f"output, above {TOLERANCE:.0e}; it was removed. Use result.save, or another version of onnxruntime"
        )
    return worst


def opened(path: Path, threads: int = 0) -> Any:
    """The file in onnxruntime on the CPU; 0 threads for as many as it takes by itself."""
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def images_like(example: Tensor, count: int) -> Tensor:
    """So many of the example's images, from the first one again where it has fewer."""
    return torch.cat([example] * -(-count // len(example)))[:count]


def gap(network: nn.Module, session: Any, images: Tensor) -> float:
    """The largest difference of outputs, relative to the largest output."""
    with torch.no_grad():
        output = network(images)
    expected = (output if isinstance(output, Tensor) else next(iter(output))).cpu().numpy()
    found = session.run(None, {session.get_inputs()[0].name: images.cpu().numpy()})[0]
    return float(np.abs(found - expected).max() / (np.abs(expected).max() or 1.0))
