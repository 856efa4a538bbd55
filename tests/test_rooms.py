"""A room of dropnet_core imports only from the rooms named beside it, and from those that these may import.

So the paper at the top cannot come to know a store, a device or a figure, and whoever opens a room knows what it rests
on.
"""

import ast
import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

from project_folders import ROOT

PACKAGE = ROOT / "dropnet_core"

TOP = "the paper"  # the modules beside __init__, but for those that know how a network by name is built
BY_NAME = {"layers": "networks", "compaction": "networks"}
ROOMS = {
    "basics": "",
    "data": "basics",
    TOP: "data",
    "networks": TOP,
    "engines": "networks",
    "experiments": "networks",
    "running": "engines experiments",
    "analysis": "experiments",
    "verdicts": "analysis",
    "figures": "analysis",
    "pruning": "figures",
    "pages": "running verdicts figures pruning",
}
MOST_AT_THE_TOP = 14


def room_of(module: str) -> str:
    """The room of a module such as "data.glyphs"; a module at the top is the paper's, or one of the networks'."""
    first, dot, _ = module.partition(".")
    return first if dot or first in ROOMS else BY_NAME.get(first, TOP)


def allowed(room: str) -> set[str]:
    """The rooms whose modules a room may import, its own among them."""
    beside = [other for other in ROOMS if other in ROOMS[room]]
    return {room}.union(*map(allowed, beside))


def imported(source: str, module: str, known: set[str]) -> set[str]:
    """The known modules of dropnet_core that the source of a module imports, wherever it does so."""
    found: set[str] = set()
    package = ["dropnet_core", *module.split(".")][:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            inner = name.removeprefix("dropnet_core.")
            parts = inner.split(".") if inner != name else []
            named = {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & known
            of_package = {f"{'.'.join(parts)}.__init__"} & known
            # What is neither a module nor a package stands in the package's own list of names.
            found |= named or of_package or {f"{'.'.join(parts[:-1])}.__init__"} & known
    return found


def complaints(sources: Mapping[str, str]) -> list[str]:
    """What is wrong with modules, given as "data.glyphs" -> source text; packages go by their own name."""
    arrows = {module: imported(source, module, set(sources)) for module, source in sources.items()}
    found = [
        f"{module} imports {other}: {room_of(module)} may not know {room_of(other)}"
        for module, others in arrows.items()
        for other in sorted(others)
        if room_of(other) not in allowed(room_of(module))
    ]
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found.append(f"a circle: {' -> '.join(error.args[1])}")
    return found


def modules() -> dict[str, str]:
    """All modules of the package but its own list of public names; a package's `__init__` goes by that name."""
    files = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "__init__.py"})
    return {".".join(file.relative_to(PACKAGE).with_suffix("").parts): file.read_text("utf-8") for file in files}


def test_rooms_import_only_what_they_may() -> None:
    sources = modules()
    sources.pop("__main__")  # the door, which opens on the pages
    assert {room_of(module) for module in sources} == set(ROOMS)
    assert complaints(sources) == []


def test_what_lies_beside_the_paper_fits_on_a_page() -> None:
    assert sum("." not in module for module in modules()) - 1 <= MOST_AT_THE_TOP  # but for the door


def test_the_core_does_not_know_how_a_network_is_built() -> None:
    sources = {module: "" for module in modules()}
    for line in ("from dropnet_core.networks.plain import describe", "from dropnet_core.layers import MaskedNetwork"):
        (complaint,) = complaints(sources | {"algorithm": line})
        assert "the paper may not know networks" in complaint


def test_each_way_to_import_what_one_may_not_is_seen() -> None:
    sources = {"basics.errors": "", "data.files": "", "data.glyphs": "", "metrics": "", "running.store": ""}
    sources["running.__init__"] = ""
    fine = {
        "data.glyphs": "from ..basics.errors import unknown\nfrom dropnet_core.data.files import find",
        "metrics": "from dropnet_core.basics import errors",
        "running.store": "import sqlite3\nfrom dropnet_core.data.files import find\nimport dropnet_core.metrics",
    }
    assert complaints(sources | fine) == []
    for line in (
        "import dropnet_core.running.store",
        "from dropnet_core.running.store import Store",
        "from dropnet_core.running import store",
        "from ..running.store import Store",
        "from ..running import store",
        "from dropnet_core.running import run",
        "from .. import metrics",
        "def late():\n    from dropnet_core.metrics import register",
    ):
        (complaint,) = complaints(sources | {"data.glyphs": line})
        assert complaint.startswith("data.glyphs imports ") and "data may not know" in complaint
    (circle,) = complaints(sources | {"data.files": "from . import glyphs", "data.glyphs": "from . import files"})
    assert circle.startswith("a circle: ")


def imports_of_tests(sources: Mapping[str, str]) -> list[str]:
    """Which test modules import another one; what they share belongs in a module of helpers."""
    found = []
    for name, source in sorted(sources.items()):
        for node in ast.walk(ast.parse(source)):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            named += [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            parts = {part for whole in named for part in whole.split(".")}
            found += [f"{name} imports {part}" for part in sorted(parts) if part in sources]
    return found


def test_no_test_module_imports_another() -> None:
    sources = {file.stem: file.read_text("utf-8") for file in Path(__file__).parent.glob("test_*.py")}
    assert len(sources) > 50 and imports_of_tests(sources) == []


def test_each_way_to_import_a_test_module_is_seen() -> None:
    for line in ("import test_b", "from test_b import x", "from tests.test_b import x", "from tests import test_b"):
        assert imports_of_tests({"test_a": line, "test_b": ""}) == ["test_a imports test_b"]
    assert imports_of_tests({"test_a": "from helpers import test_c", "test_b": ""}) == []


def test_the_walk_of_a_mask_meets_no_room_twice_but_the_board_s() -> None:
    """CONTRIBUTING tells it in steps that begin with the name of what the mask meets."""
    told = (ROOT / "CONTRIBUTING.md").read_text("utf-8").split("\n## Where one mask goes\n")[1].split("\n## ")[0]
    steps = re.findall(r"^\d+\. `([\w.]+)\.(\w+)`", told, re.MULTILINE)
    assert 0 < len(steps) <= 10 and len(steps) == len(re.findall(r"^\d+\. ", told, re.MULTILINE))
    for module, name in steps:
        assert hasattr(import_module(f"dropnet_core.{module}"), name)
    board = ("running.scheduler", "Board")
    assert steps.count(board) == 2
    rooms = [room_of(module) for module, name in steps if (module, name) != board]
    assert len(set(rooms)) == len(rooms) and "running" not in rooms
