"""A module of dropnet_core imports only from modules above its own in the list below.

Whoever reads from the top never meets a name that is explained further down, and the algorithm cannot come to
know a store, a device or a figure.
"""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "dropnet_core"

# data and engines are packages: their parts may import one another
ORDER = """
errors plural registry streams version places
recipe precision repeatable
masks
data
architecture deep networks layers compaction
selection schedules stops metrics
augmentation training free_memory
runs algorithm oracle
progress provenance
engines
memory store scheduler workers
settings experiments making records plausible
running smaller results forecast verification overview ledger
stats published readings effects kappa
figure_data charts curve_styles descriptions diagram plots augmentation_figure layer_map explorer kappa_plots
claims estimates decisions evidence primitives printed verdicts verdict_words scorecard discrepancies error_rates
plain_tables scorecard_page
notebook recorded __main__
""".split()


def imported(source: str, package: Sequence[str]) -> set[str]:
    """First-level modules of dropnet_core that `source`, a module of `package`, imports, wherever it does so.

    `package` is () at the top level and ("data",) inside dropnet_core/data.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = ["dropnet_core", *package]
            start = ".".join(parents[: len(parents) + 1 - node.level]) if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "dropnet_core" else [base]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("dropnet_core.")}
    return found


def violations(sources: Mapping[str, str], order: Sequence[str]) -> list[str]:
    """Complaints about modules given as path inside dropnet_core ("data/glyphs.py") -> source text."""
    rank = {module: place for place, module in enumerate(order)}
    complaints = []
    for path, source in sources.items():
        *package, file = path.split("/")
        module = package[0] if package else file.removesuffix(".py")
        if module == "__init__":  # the public list of names, which nothing inside may lean on
            continue
        if module not in rank:
            complaints.append(f"{path} has no place in ORDER; put it where its imports allow")
            continue
        for other in sorted(imported(source, package) - {module}):
            if other not in rank:
                complaints.append(f"{path} imports dropnet_core.{other}, which has no place in ORDER")
            elif rank[other] >= rank[module]:
                complaints.append(f"{path} imports {other}, which stands below it")
    return complaints


def test_modules_import_only_from_above() -> None:
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    assert sources
    assert violations(sources, ORDER) == []


def test_each_way_to_import_from_below_is_seen() -> None:
    order = ["errors", "data", "engines", "store"]
    above = {
        "data/__init__.py": "from dropnet_core.errors import InputError\nfrom .glyphs import draw",
        "data/glyphs.py": "from ..errors import unknown\nfrom dropnet_core.data.files import find",
        "store.py": "import sqlite3\nfrom . import engines\nfrom dropnet_core import data",
    }
    assert violations(above, order) == []
    for line in (
        "import dropnet_core.store",
        "from dropnet_core.store import Store",
        "from dropnet_core import store",
        "from ..store import Store",
        "from .. import store",
        "def late():\n    from dropnet_core.store import Store",
    ):
        (complaint,) = violations({"data/glyphs.py": line}, order)
        assert complaint == "data/glyphs.py imports store, which stands below it"
    assert violations({"errors.py": "from .data import load"}, order)
    assert "no place" in violations({"novel.py": ""}, order)[0]
    assert "no place" in violations({"store.py": "import dropnet_core.novel"}, order)[0]
