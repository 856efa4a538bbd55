"""The tolerance of conftest.py, seen from outside: a stored notebook is run by `pytest --nbval`.

Each cell below prints something else than its stored output says. The names tell which differences must pass.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import nbformat
import pytest
from project_folders import ROOT

# name -> (tags, printed when run, stored output, passes)
CELLS = {
    "close, tagged": (["nbval-rtol-1e-2"], "accuracy 0.9312 of 40", "accuracy 0.9310 of 40", True),
    "close, untagged": ([], "accuracy 0.9312 of 40", "accuracy 0.9310 of 40", False),
    "too far": (["nbval-rtol-1e-2"], "accuracy 0.9312", "accuracy 0.9010", False),
    "an integer": (["nbval-rtol-1e-2"], "n=101 0.5", "n=100 0.5", False),
    "a word": (["nbval-rtol-1e-2"], "min 0.5", "max 0.5", False),
    "one number more": (["nbval-rtol-1e-2"], "0.5 0.5", "0.5", False),
    "a version": (["nbval-rtol-1e-1"], "2.13.0", "2.14.0", False),
    "alignment": (["nbval-rtol-1e-2"], "x 10.01", "x  9.99", True),
    "end of sentence": (["nbval-rtol-1e-2"], "It is 0.931.", "It is 0.930.", True),
    "exponent": (["nbval-rtol-1e-2"], "1.00e-05", "1.001e-05", True),
    "around zero, relative": (["nbval-rtol-1e-2"], "-0.0010", "0.0010", False),
    "around zero, absolute": (["nbval-atol-1e-2"], "-0.0010", "0.0010", True),
    "absolute, too far": (["nbval-atol-1e-2"], "0.0300", "0.0100", False),
    "data of a figure": ([], '<a href="data:text/csv,0.1">a</a> 2', '<a href="data:text/csv,0.7">a</a> 2', True),
    "words beside the data": ([], '<a href="data:text/csv,0.1">a</a> 2', '<a href="data:text/csv,0.1">a</a> 3', False),
    "unreadable tag": (["nbval-rtol-small"], "0.5", "0.5", False),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> list[bool]:
    """Whether each cell passed, in order; one kernel for all of them."""
    folder = tmp_path_factory.mktemp("nbval")
    notebook = nbformat.v4.new_notebook()
    for tags, printed, stored, _ in CELLS.values():
        output = nbformat.v4.new_output("stream", text=stored + "\n")
        cell = nbformat.v4.new_code_cell(f"print({printed!r})", execution_count=1, outputs=[output])
        cell.metadata["tags"] = tags
        notebook.cells.append(cell)
    nbformat.write(notebook, folder / "cells.ipynb")

    # conftest.py is named as a plugin because pytest looks for it beside the notebook only
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(ROOT / "pyproject.toml"),
        "-p",
        "conftest",
        "--nbval",
    ]
    command += ["-p", "no:cacheprovider", f"--junitxml={folder / 'report.xml'}", str(folder / "cells.ipynb")]
    run = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")
    return [case.find("failure") is None and case.find("error") is None for case in cases]


@pytest.mark.parametrize("name", CELLS)
def test_cell(name: str, verdicts: list[bool]) -> None:
    assert len(verdicts) == len(CELLS)
    assert verdicts[list(CELLS).index(name)] is CELLS[name][3]
