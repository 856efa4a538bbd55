"""Execute the notebooks and build the book.

    python book/build_book.py build                 every notebook executed anew, the book in _build/html
    python book/build_book.py refresh [NOTEBOOK..]  the same outputs stored in notebooks/, and the tables of README.md

Both work on a copy under _build/stage, so that the sources stay as they are whether a run succeeds or fails;
only `refresh` writes back, and only when every notebook ran to its end. No run reads results of an earlier
one: each notebook gets a store of its own that is thrown away.
"""

import argparse
import base64
import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from check_pages import missing_in_book
from PIL import Image
from readme_tables import with_tables

from dropnet_core.basics.places import cache_folder
from dropnet_core.engines import compile_kernels

ROOT = Path(__file__).resolve().parent.parent
# what pages are made of, and what they may include or offer as a download
STAGED = ("_config.yml", "_toc.yml", "book", "notebooks", "dropnet_core", "results", "CHANGELOG.md")
AT_A_TIME = 2  # notebooks; each computes on one thread


def notebook_environment(store: Path) -> dict[str, str]:
    """Environment variables that make a notebook's outputs depend on its code alone.

    A store nobody has written to, no progress bars, and the processor with one thread, whose results are
    repeatable. The place of the data sets (DROPNET_DATA) stays the user's.
    """
    return own_folders() | {
        "DROPNET_STORE": str(store),
        "DROPNET_QUIET": "1",
        "DROPNET_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
    }


def own_folders() -> dict[str, str]:
    """Environment variables that keep the user's home out: his Matplotlib and IPython may have settings of his own, and
    where they cannot write they say so in every notebook. The folders are made, below _build."""
    folders = {"MPLCONFIGDIR": ROOT / "_build" / "matplotlib", "IPYTHONDIR": ROOT / "_build" / "ipython"}
    if not (can_be_made(cache_folder()) or os.environ.get("NUMBA_CACHE_DIR")):
        folders["NUMBA_CACHE_DIR"] = ROOT / "_build" / "compiled"
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    found = {name: str(folder) for name, folder in folders.items()}
    if not any(folders["MPLCONFIGDIR"].glob("fontlist*.json")):  # Matplotlib says when it makes this list
        command = [sys.executable, "-c", "import matplotlib.font_manager"]
        subprocess.run(command, env=os.environ | found, stderr=subprocess.DEVNULL, check=True)
    return found


def can_be_made(folder: Path) -> bool:
    """Whether there is such a folder, or could be, and files in it."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return there.is_dir() and os.access(there, os.W_OK)


def stage(root: Path, target: Path) -> list[Path]:
    """Copy the book's sources from `root` to a new folder `target`; return the staged notebooks, sorted."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in STAGED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        elif source.exists():
            shutil.copyfile(source, target / name)
    return sorted((target / "notebooks").glob("*.ipynb"))


def execute(notebooks: Sequence[Path]) -> None:
    """Execute notebooks in place, `AT_A_TIME` at once; SystemExit names one that fails, with its error."""
    os.environ.update(own_folders())
    compile_kernels()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        futures = [pool.submit(_execute_one, notebook) for notebook in notebooks]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _execute_one(notebook: Path) -> None:
    started = time.monotonic()
    with TemporaryDirectory(prefix="dropnet-") as folder:
        # -k python3 is the kernel of the very environment this script runs in
        run = subprocess.run(
            [sys.executable, "-m", "papermill", notebook.name, notebook.name] + ["-k", "python3", "--no-progress-bar"],
            cwd=notebook.parent,
            env=os.environ | notebook_environment(Path(folder, "outcomes.sqlite")),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    if run.returncode:
        raise SystemExit(f"{run.stdout}\n{notebook.stem} failed; its error is above")
    nbformat.write(clean(nbformat.read(notebook, as_version=4)), notebook)
    print(f"{notebook.stem}: {time.monotonic() - started:.0f} s", flush=True)


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Remove what differs between two equal runs: Papermill's times and paths, the interpreter's version."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"},
        }
    )
    for cell in notebook.cells:
        for key in ("papermill", "execution", "exception"):
            cell.metadata.pop(key, None)
        if cell.metadata.get("tags") == []:
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    output.data["image/png"] = smaller(output.data["image/png"])
    return notebook


def smaller(picture: str) -> str:
    """A PNG in base64 with a palette of 256 colours, if that is smaller: git keeps the pictures of every refresh."""
    found, stream = Image.open(io.BytesIO(base64.b64decode(picture))), io.BytesIO()
    if found.mode == "P":
        return picture
    on_white = Image.new("RGBA", found.size, "white")
    on_white.alpha_composite(found.convert("RGBA"))
    palette = on_white.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    palette.save(stream, "png", optimize=True)
    return min(picture, base64.b64encode(stream.getvalue()).decode(), key=len)


def joined(outputs: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The outputs with neighbouring pieces of printed text as one: where a kernel cuts them is chance."""
    whole: list[nbformat.NotebookNode] = []
    for output in outputs:
        if whole and output.output_type == "stream" and output.get("name") == whole[-1].get("name"):
            whole[-1].text += output.text
        else:
            whole.append(output)
    return whole


def build_html(source: Path, output: Path) -> None:
    """Build the book in `source` into `output`/_build/html; SystemExit at any warning."""
    for leftover in ("html", ".doctrees"):  # pages of an earlier build would be published again
        shutil.rmtree(output / "_build" / leftover, ignore_errors=True)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "-W", "-n", "--keep-going"]
    run = subprocess.run([*command, "--path-output", str(output), str(source)])
    if run.returncode:
        raise SystemExit("the book was not built without warnings; they are above")


def build() -> None:
    staged = ROOT / "_build" / "stage"
    execute(stage(ROOT, staged))
    build_html(staged, ROOT)
    if missing := missing_in_book(ROOT / "_build" / "html"):
        raise SystemExit("\n".join([*missing, "without a network, or without sight, a reader would miss the above"]))


def refresh(names: Sequence[str]) -> None:
    """Store fresh outputs in notebooks/ and tables in README.md; `names` are file names or stems, none means all."""
    staged = stage(ROOT, ROOT / "_build" / "stage")
    wanted = {Path(name).stem for name in names} or {notebook.stem for notebook in staged}
    if unknown := sorted(wanted - {notebook.stem for notebook in staged}):
        raise SystemExit(f"no such notebook: {', '.join(unknown)}; notebooks/ has {[n.stem for n in staged]}")
    chosen = [notebook for notebook in staged if notebook.stem in wanted]
    execute(chosen)
    for notebook in chosen:
        shutil.copyfile(notebook, ROOT / "notebooks" / notebook.name)
    readme = ROOT / "README.md"
    readme.write_text(with_tables(readme.read_text("utf-8"), ROOT / "results"), "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Execute the notebooks and build the book.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="execute staged copies, build _build/html")
    refreshing = commands.add_parser("refresh", help="store fresh outputs in notebooks/")
    refreshing.add_argument("notebook", nargs="*", help="file name or stem; none means all")
    arguments = parser.parse_args()
    if arguments.command == "build":
        build()
    else:
        refresh(arguments.notebook)
