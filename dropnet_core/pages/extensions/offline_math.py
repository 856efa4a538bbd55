"""Sphinx extension: mathematics without a network.

By default every page with a formula loads MathJax from another host. The package sphinx-mathjax-offline
carries MathJax as files (24 MB); this extension copies the part that serves TeX input and CHTML output into
the built book and points the pages at it.
"""

import shutil
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path, PurePosixPath

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

NEEDED = ("tex-chtml.js", "output/chtml/fonts/woff-v2", "input/tex/extensions")


def mathjax_files() -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield (installed file, its path inside MathJax) for each file a page may ask for.

    Raises ExtensionError where the installed package has none of them under a name in `NEEDED`.
    """
    found: set[str] = set()
    for entry in files("sphinx-mathjax-offline") or ():
        _, _, inside = entry.as_posix().partition("/static/mathjax/")
        for name in NEEDED:
            if inside == name or inside.startswith(name + "/"):
                found.add(name)
                yield Path(str(entry.locate())), PurePosixPath(inside)
    if missing := sorted(set(NEEDED) - found):
        raise ExtensionError(
            f"sphinx-mathjax-offline lacks {', '.join(missing)}; install the version in constraints.txt"
        )


def use_local_mathjax(app: Sphinx, config: Config) -> None:
    config["mathjax_path"] = "mathjax/tex-chtml.js"


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    if exception is not None or app.builder.format != "html":
        return
    for source, inside in mathjax_files():
        target = Path(app.outdir, "_static", "mathjax", inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", use_local_mathjax)
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
