"""A network as a graph of operators, which `torch.export` writes down, and how to run it with other weights."""

import copy
import inspect
import io
import linecache
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node

from dropnet_core.basics.errors import InputError

TORCH = str(Path(torch.__file__).parent)
OWN = str(Path(__file__).parent)
FRAME = re.compile(r'File "([^"]+)", line (\d+), in .*\n\s+(.*)')

Watch = Callable[[Node, Any], None]
"""Is shown each node and its value."""


@dataclass(frozen=True)
class Graph:
    """The operators of a network in one mode, in the order in which they run.

    Its weights go by the names that they have in the network; it can run with any others of the same shapes.
    """

    module: GraphModule

    @classmethod
    def of(cls, network: nn.Module, example: Tensor, *, training: bool) -> "Graph":
        """The graph for images like the example (n, ...), n >= 2; in evaluation mode for any number of them.

        Raises InputError where the path through the network's code depends on values, where the code fixes the number
        of images, and wherever else `torch.export` cannot follow it.
        """
        network = copy.deepcopy(network).train(training)
        sizes = None if training else ({0: torch.export.Dim.DYNAMIC},)
        try:
            with silence():
                program = torch.export.export(network, (example,), dynamic_shapes=sizes, strict=False)
        except Exception as error:  # torch.export raises whatever the network's code and its own parts raise
            raise not_followed(error, network, example) from error
        known = inspect.signature(program.module).parameters
        return cls(program.module(**({"check_guards": False} if "check_guards" in known else {})))

    @property
    def nodes(self) -> list[Node]:
        return list(self.module.graph.nodes)

    def run(
        self,
        weights: Mapping[str, Tensor],
        images: Tensor,
        *,
        masks: Mapping[Node, Tensor] | None = None,
        watch: Watch | None = None,
    ) -> Any:
        """The network's output with these weights, by name.

        masks  for readers, which units of their input they see: bool, spreading over the input
        """
        return Runner(self.module, weights, masks or {}, watch).run(images)


@contextmanager
def silence() -> Iterator[None]:
    """No warning, no log, no print of half a graph: what goes wrong is raised in words of our own."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


class Runner(Interpreter):
    """Runs a graph with weights from outside. Numbers that the graph calls float32 may be float64 here."""

    def __init__(
        self, module: GraphModule, weights: Mapping[str, Tensor], masks: Mapping[Node, Tensor], watch: Watch | None
    ) -> None:
        super().__init__(module)
        self.weights, self.masks, self.watch = weights, masks, watch
        self.double = any(tensor.dtype == torch.float64 for tensor in weights.values())

    def run_node(self, node: Node) -> Any:
        if node.op == "get_attr" and node.target in self.weights:
            return self.weights[str(node.target)]
        if operator(node) == "_assert_tensor_metadata":
            return None
        if node in self.masks:
            name = node.all_input_nodes[0]
            before, mask = self.env[name], self.masks[node]
            self.env[name] = torch.where(mask, before, before.new_zeros(()))  # a dropped unit may be infinite
            value = super().run_node(node)
            self.env[name] = before
        else:
            value = super().run_node(node)
        if self.watch is not None:
            self.watch(node, value)
        return value

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if self.double:
            args, kwargs = torch.utils._pytree.tree_map(
                lambda value: torch.float64 if value is torch.float32 else value, (args, dict(kwargs))
            )
        return super().call_function(target, args, kwargs)


def operator(node: Node) -> str:
    """The name of a node's operator, such as "conv2d"; "" for what is none."""
    if node.op != "call_function":
        return ""
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.name.split("::")[1]
    return getattr(node.target, "__name__", str(node.target))


def size(value: Any) -> tuple[int, ...]:
    """The shape of a tensor of the graph, with the example's number of images."""
    return tuple(number(length) for length in value.shape)


def number(length: Any) -> int:
    """A size of the graph as a plain number; a symbol stands for what the example has."""
    return int(length.node.hint) if isinstance(length, torch.SymInt) else int(length)


def place(node: Node) -> str:
    """Where a node stands in the network's code: "lenet.py, line 12: `x = x.view(-1, 256)`"."""
    frames = FRAME.findall(node.stack_trace or "")
    users = [frame for frame in frames if not frame[0].startswith(TORCH)]
    if not frames:
        return f"`{node.name}`"
    file, line, code = (users or frames)[-1]
    return spoken(file, line, code)


def spoken(file: str, line: object, code: str | None) -> str:
    """A place in code, in words; the cells of a notebook lie in files with numbers for names."""
    name = "a cell of the notebook" if "ipykernel" in file else Path(file).name
    return f"{name}, line {line}: `{(code or '').strip()}`"


def place_of(error: BaseException) -> str:
    """Where in the network's code an exception arose, in the words of `place`; "" if it was not there."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((TORCH, OWN)) and Path(frame.filename).exists() | bool(
            linecache.getline(frame.filename, frame.lineno or 0)
        ):
            return spoken(frame.filename, frame.lineno, frame.line)
    return ""


def not_followed(error: Exception, network: nn.Module, example: Tensor) -> InputError:
    """What to tell the user where `torch.export` gave up."""
    text, where = str(error).strip(), place_of(error)
    at = f" at {where}" if where else ""
    if re.search(r"data-dependent|item\(\)|GuardOnDataDependent", f"{type(error).__name__} {text}"):
        return InputError(
            f"the path through the network depends on its values{at}, so no graph holds for all images; write the "
            "choice without `if`, with torch.where for example, or prune the parts between such choices"
        )
    if re.search(r"[Cc]onstraints violated|specialized", text):
        return InputError(
            f"the network's code fixes the number of images{fails_with_more(network, example)}; write x.size(0), or "
            "-1, where it has a number"
        )
    return InputError(
        f"torch.export cannot follow the network{at}: {type(error).__name__}: {first_line(text)}; change that line, "
        "or prune the parts of the network without it"
    )


def fails_with_more(network: nn.Module, example: Tensor) -> str:
    """Where a network's code fails for one image more."""
    try:
        network(torch.cat([example, example[:1]]))
    except Exception as error:  # whatever its code raises
        return f": with one more it fails at {place_of(error)}"
    return ""


def first_line(text: str) -> str:
    return text.split("\n")[0][:300]
