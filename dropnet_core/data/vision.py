"""torchvision, imported only when something needs it: here, to download."""

import importlib
import sys
from typing import Any

# Operators that torchvision expects from its compiled part, which, built for CUDA, a CPU torch cannot load.
MISSING_OPERATORS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def torchvision() -> Any:
    """The torchvision package, also where its build does not match that of torch.

    A CUDA build of torchvision beside a CPU build of torch fails to import, because it registers code for
    operators that nobody declared. Only after that failure are they declared: on a matching build the
    compiled part declares them itself. Raises ImportError if torchvision is not installed.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    import torch

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    for operator, schema in MISSING_OPERATORS.items():
        torch.library.define(operator, schema)
    return importlib.import_module("torchvision")
