"""Surroundings of every pytest run, and a tolerance for numbers in the stored outputs of notebooks.

nbval compares texts exactly, but a trained network's numbers differ a little from one kind of processor to
another. A cell that prints such numbers carries the tag `nbval-rtol-1e-2` (relative), `nbval-atol-2e-2`
(absolute) or both: its decimals may then differ by that much, as in math.isclose, while words, integers and
layout must still be the same. A cell without a tag is compared exactly.

The numbers in the link below a figure are not compared, as the figure itself is not.
"""

import math
import os
import re
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest
from build_book import notebook_environment
from nbval.plugin import IPyNbCell

from dropnet_core.engines import compile_kernels

# 0.93, .5, -1.5e-3, 2e-05; not the 40 of "40 units", not the parts of "2.13.0", not the 5 of "p0.5"
DECIMAL = re.compile(
    r"(?<![\w.])[-+]?(?:\d+\.\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?!\.?\d)", re.IGNORECASE
)
TOLERANCE = re.compile(r"nbval-(rtol|atol)-(\d+(?:\.\d+)?(?:e-\d+)?)")

DATA_OF_A_FIGURE = re.compile(r'href="data:text/csv[^"]*"')

hypothesis.settings.register_profile("project", deadline=None, derandomize=True, database=None)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("project")
    if hasattr(config, "workerinput"):
        return  # a worker of pytest-xdist has these from the process that started it
    folder = TemporaryDirectory(prefix="dropnet-")
    config.add_cleanup(folder.cleanup)
    os.environ.update(notebook_environment(Path(folder.name, "outcomes.sqlite")))
    compile_kernels()


def tolerances(tags: Iterable[str]) -> dict[str, float]:
    """The tolerances that a cell's tags name, by "rtol" and "atol"; ValueError for an unreadable tag."""
    found = {}
    for tag in tags:
        if tag.startswith(("nbval-rtol", "nbval-atol")):
            match = TOLERANCE.fullmatch(tag)
            if match is None:
                raise ValueError(f"cell tag {tag!r} is no tolerance; write it like nbval-rtol-1e-2")
            found[match[1]] = float(match[2])
    return found


class Approximate(str):
    """A text that equals another one when their decimals are close and everything else is the same.

    Runs of spaces count as one, since 9.99 and 10.01 align differently.
    """

    rtol = 0.0
    atol = 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return False
        if _words(self) != _words(other):
            return False
        pairs = zip(DECIMAL.findall(self), DECIMAL.findall(other), strict=True)
        return all(math.isclose(float(a), float(b), rel_tol=self.rtol, abs_tol=self.atol) for a, b in pairs)

    def __ne__(self, other: object) -> bool:  # str brings its own, which would win
        return not self == other

    __hash__ = str.__hash__


def _words(text: str) -> list[str]:
    return [re.sub(" +", " ", part) for part in DECIMAL.split(text)]


_exactly = IPyNbCell.sanitize


def _sanitize(cell: IPyNbCell, output: object) -> object:
    """nbval passes each stored and each new output through `sanitize` before it compares the two."""
    text = _exactly(cell, output)
    if isinstance(text, str):
        text = DATA_OF_A_FIGURE.sub("", text)
    found = tolerances(cell.cell.metadata.get("tags", ()))
    if not found or not isinstance(text, str):
        return text
    approximate = Approximate(text)
    approximate.rtol = found.get("rtol", 0.0)
    approximate.atol = found.get("atol", 0.0)
    return approximate


IPyNbCell.sanitize = _sanitize
