"""The command `prune`: a network of a user's own file, and classes of images."""

import importlib.util
import inspect
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
from torch import nn

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.data import load
from dropnet_core.pruning.prune import KAPPA, prune
from dropnet_core.pruning.training_loop import training_loop


def prune_(arguments: Namespace) -> int:
    """Prune a network and write it to a file."""
    if arguments.out.suffix not in (".safetensors", ".onnx"):
        raise InputError(f"--out must end in .safetensors or .onnx, not '{arguments.out.name}'")
    if not arguments.out.parent.is_dir():
        raise InputError(f"there is no folder {arguments.out.parent} to write to; make it first")
    torch.manual_seed(arguments.seed)
    network = network_of(arguments.network)
    name = arguments.data
    if Path(name).expanduser().exists():
        name = f"imagefolder:{name}"
    loop = training_loop(
        load(name, size=arguments.size), epochs=arguments.epochs, learning_rate=arguments.learning_rate
    )
    result = prune(
        network,
        *loop,
        kappa=arguments.kappa,
        metric=arguments.metric,
        p=arguments.p,
        seed=arguments.seed,
        exclude=arguments.exclude,
        multiple=arguments.multiple,
        folder=arguments.folder,
    )
    print(result.report())
    if arguments.out.suffix == ".onnx":
        result.to_onnx(arguments.out)
    else:
        result.save(arguments.out)
    print(f"written to {arguments.out}")
    return 0


def network_of(text: str) -> nn.Module:
    """The network that FILE.py:NAME makes, NAME being a class or function that needs no arguments.

    Raises InputError if there is no such file or name, and for whatever the file or the name gives instead.
    """
    file, colon, name = text.rpartition(":")
    path = Path(file).expanduser()
    if not colon or path.suffix != ".py" or not path.is_file():
        raise InputError(
            f"a network reads FILE.py:NAME, such as my_networks.py:LeNet, and the file must exist, not '{text}'"
        )
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a user's file raises
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    makers = {key for key, value in vars(module).items() if inspect.isclass(value) or inspect.isfunction(value)}
    if name not in makers:
        raise unknown(f"class or function of {path.name}", name, makers)
    try:
        network = getattr(module, name)()
    except Exception as error:  # whatever it raises
        raise InputError(f"{name}() of {path.name} fails: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise InputError(f"{name}() of {path.name} gives a {type(network).__name__}, not a torch.nn.Module")
    return network


def prune_options(add: ArgumentParser) -> None:
    """The options of the command."""
    add.add_argument("network", metavar="FILE.py:NAME", help="a class or function that makes it without arguments")
    add.add_argument(
        "--data", required=True, metavar="D", help="a folder of images (D/CLASS/image.png), or mnist5k, ..."
    )
    add.add_argument("--out", required=True, type=Path, metavar="FILE", help="what to write: .safetensors, or .onnx")
    add.add_argument("--kappa", type=float, default=KAPPA, metavar="K", help=f"accuracy to keep (default: {KAPPA})")
    add.add_argument("--metric", default="min_layer", metavar="M", help="such as min or random (default: min_layer)")
    add.add_argument("--p", type=float, default=0.2, metavar="P", help="fraction dropped in a cycle (default: 0.2)")
    add.add_argument("--epochs", type=int, default=5, metavar="N", help="of each training (default: 5)")
    add.add_argument("--learning-rate", type=float, default=1e-3, metavar="R", help="of Adam (default: 0.001)")
    add.add_argument("--seed", type=int, default=0, metavar="S", help="of weights, order and draws (default: 0)")
    add.add_argument("--size", type=int, metavar="N", help="height and width of images from a folder (default: 32)")
    add.add_argument("--exclude", action="append", default=[], metavar="LAYER", help="a layer that stays whole")
    add.add_argument("--multiple", type=int, default=1, metavar="N", help="of which widths are one (default: 1)")
    add.add_argument("--folder", type=Path, metavar="D", help="where cycles are kept, and a stopped run goes on from")
