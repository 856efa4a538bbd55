"""Test and publish do not depend on the settings of whoever runs them, nor on how Sphinx is called."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pytest
import yaml
from build_book import can_be_made
from nbformat.v4 import new_code_cell, new_notebook, new_output
from project_folders import ROOT
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from dropnet_core.basics.errors import InputError
from dropnet_core.engines.kernels import compiled
from dropnet_core.pages.notebook import PAPERMILLS, check_cells

SOURCE = "import matplotlib.pyplot\nimport pandas as pd\n\nprint(pd.DataFrame({'x': [0.125]}))"
TABLE = "       x\n0  0.125\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose IPython rounds all tables."""
    start = tmp_path / ".ipython" / "profile_default" / "startup" / "own.py"
    start.parent.mkdir(parents=True)
    start.write_text("import pandas as pd\npd.set_option('display.precision', 1)\n")
    return tmp_path


@pytest.mark.parametrize("where", ["a home with settings", "no home at all"])
def test_nbval_sees_no_settings_of_the_user(home: Path, where: str) -> None:
    printed = new_output("stream", name="stdout", text=TABLE)
    notebook = new_notebook(cells=[new_code_cell(SOURCE, execution_count=1, outputs=[printed])])
    surroundings = {name: value for name, value in os.environ.items() if name not in ("MPLCONFIGDIR", "IPYTHONDIR")}
    surroundings["HOME"] = str(home) if where == "a home with settings" else os.devnull
    surroundings["NUMBA_CACHE_DIR"] = str(compiled.folder().parent)  # or all would be compiled anew, for want of a home
    with TemporaryDirectory(prefix="sealed-", dir=ROOT / "_build") as folder:  # below the project and its conftest.py
        nbformat.write(notebook, Path(folder, "own.ipynb"))
        command = [sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "no:cacheprovider", folder]
        done = subprocess.run(command, env=surroundings, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_folder_that_can_be_made(tmp_path: Path) -> None:
    assert can_be_made(tmp_path) and can_be_made(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    assert not can_be_made(tmp_path / "file" / "a")


def test_the_names_that_papermill_brings_are_no_misspelt_parameters() -> None:
    injected = "\n".join(["# Parameters", "p = 0.3", *(f'{name} = "x.ipynb"' for name in PAPERMILLS)])
    check_cells(["p: float = 0.2", injected])
    with pytest.raises(InputError, match="PAPERMILL_INPUT"):
        check_cells(["p: float = 0.2", '# Parameters\nPAPERMILL_INPUT = "x.ipynb"'])


def test_sphinx_finds_the_extensions_however_it_is_called(tmp_path: Path) -> None:
    """`jupyter-book config sphinx` passes on their names, and no folder to look in."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]
    assert "local_extensions" not in config
    names = json.dumps(config["extra_extensions"])
    command = f"import importlib\nfor name in {names}: assert importlib.import_module(name).setup"
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, check=True)


@pytest.mark.parametrize("left_out", [True, False])
def test_no_page_carries_thebe(tmp_path: Path, left_out: bool) -> None:
    (tmp_path / "index.rst").write_text("Title\n=====\n")
    own = ["dropnet_core.pages.extensions.without_thebe"] if left_out else []
    with docutils_namespace():
        app = Sphinx(
            str(tmp_path), None, str(tmp_path / "out"), str(tmp_path / "trees"), "html",
            {"extensions": ["sphinx_thebe", *own]}, status=None, warning=None,
        )  # fmt: skip
        app.build()
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert ("THEBE_JS_URL" in page) != left_out
