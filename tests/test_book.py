"""What the strict build does not notice by itself: stored outputs, the table of contents, other hosts."""

import base64
import hashlib
import io
from pathlib import Path

import build_book
import nbformat
import numpy as np
import pytest
import yaml
from check_pages import missing_in_book, remote_in_css, remote_in_html, wordless_in_html
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image
from project_folders import NOTEBOOKS, ROOT

from dropnet_core.pages.extensions.figure_alternatives import descriptions
from dropnet_core.pages.extensions.offline_math import mathjax_files

NOTEBOOK_FILES = sorted(NOTEBOOKS.glob("*.ipynb"))


def complaints(notebook: NotebookNode) -> list[str]:
    """What must not be in a notebook whose stored outputs the book publishes."""
    found = ["metadata of Papermill"] if "papermill" in notebook.metadata else []
    for number, cell in enumerate(notebook.cells):
        if {"papermill", "execution", "exception"} & set(cell.metadata):
            found.append(f"cell {number}: metadata of a run")
        if "injected-parameters" in cell.metadata.get("tags", ()):
            found.append(f"cell {number}: injected parameters")
        if cell.cell_type != "code":
            continue
        if cell.execution_count is None:
            found.append(f"cell {number}: not executed")
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"cell {number}: an error, {output.ename}")
            elif output.output_type == "stream" and output.name == "stderr":
                found.append(f"cell {number}: text on stderr")
            elif any("widget" in kind for kind in output.get("data", ())):
                found.append(f"cell {number}: a widget, which needs scripts from other hosts")
    return found


@pytest.mark.parametrize("path", NOTEBOOK_FILES, ids=lambda path: path.stem)
def test_stored_outputs_can_be_published(path: Path) -> None:
    """Mend with: make refresh."""
    assert complaints(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (new_code_cell("1"), "cell 0: not executed"),
        (new_code_cell("1", execution_count=1, metadata={"papermill": {}}), "cell 0: metadata of a run"),
        (
            new_code_cell("1", execution_count=1, metadata={"tags": ["injected-parameters"]}),
            "cell 0: injected parameters",
        ),
        (
            new_code_cell("1/0", execution_count=1, outputs=[new_output("error", ename="ZeroDivisionError")]),
            "cell 0: an error, ZeroDivisionError",
        ),
        (
            new_code_cell("1", execution_count=1, outputs=[new_output("stream", name="stderr", text="a bar")]),
            "cell 0: text on stderr",
        ),
        (
            new_code_cell(
                "1",
                execution_count=1,
                outputs=[new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}})],
            ),
            "cell 0: a widget, which needs scripts from other hosts",
        ),
    ],
)
def test_an_unpublishable_cell_is_named(cell: NotebookNode, complaint: str) -> None:
    assert complaints(new_notebook(cells=[cell])) == [complaint]


def test_table_of_contents_lists_every_notebook_and_only_pages_that_exist() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    assert len(listed) == len(set(listed))
    assert {f"notebooks/{path.stem}" for path in NOTEBOOK_FILES} == {
        name for name in listed if name.startswith("notebooks/")
    }
    for name in listed:
        assert any((ROOT / f"{name}{suffix}").exists() for suffix in (".md", ".ipynb")), name


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example.org/a.js"></script>',
        "<script async src='//cdn.example.org/a.js'></script>",
        '<link rel="preload stylesheet" href="HTTP://example.org/a.css"/>',
        '<img alt="a" src="http://example.org/a.png">',
        '<img alt="a" src="a.png" srcset="a.png 1x, https://example.org/b.png 2x">',
        '<iframe src="https://example.org"></iframe>',
        '<p style="background: url(https://example.org/a.png)">x</p>',
        '<style>@import "https://example.org/a.css";</style>',
    ],
)
def test_a_resource_from_another_host_is_found(text: str, tmp_path: Path) -> None:
    assert len(remote_in_html(text)) == 1
    (tmp_path / "page.html").write_text(f"<html><body>{text}</body></html>", "utf-8")
    (found,) = missing_in_book(tmp_path)
    assert "page.html" in found and "example.org" in found.lower()


def test_what_a_page_may_name() -> None:
    own = """<link rel="canonical" href="https://example.org/"><a href="https://example.org">paper</a>
    <script src="_static/a.js"></script><script>const later = "https://example.org/a.js";</script>
    <img src="data:image/png;base64,iVBORw0KGgo="><img src="../_images/a.png" srcset="a.png, b.png 2x">
    <style>p { background: url(a.png) }</style>https://example.org"""
    assert remote_in_html(own) == []
    assert remote_in_css("/* https://example.org */ @font-face { src: url('../a.woff2') }") == []
    assert remote_in_css("@font-face { src: url('//example.org/a.woff2') }") == ["//example.org/a.woff2"]


def test_a_folder_without_pages_is_not_taken_for_a_clean_book(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make book"):
        missing_in_book(tmp_path)


def test_mathematics_has_its_files() -> None:
    names = {str(inside) for source, inside in mathjax_files() if source.is_file()}
    assert "tex-chtml.js" in names
    assert any(name.startswith("output/chtml/fonts/woff-v2/") for name in names)
    assert not any("mml" in name or "svg" in name for name in names)


def test_stage_copies_the_sources_and_nothing_hidden_or_left_over(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    wanted = {"_toc.yml", "notebooks/a.ipynb", "notebooks/params/a.yml", "book/intro.md"}
    for name in wanted | {"notebooks/.ipynb_checkpoints/a.ipynb", ".venv/b.md", "tests/c.md"}:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (target / "book").mkdir(parents=True)
    (target / "book" / "removed.md").write_text("a page of an earlier build")
    assert build_book.stage(source, target) == [target / "notebooks" / "a.ipynb"]
    copied = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert copied == wanted


def test_execution_is_fresh_and_clean_and_stops_at_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DROPNET_STORE", str(tmp_path))  # a user's own store, which must not be read
    monkeypatch.setenv("DROPNET_DATA", "somewhere")
    good, bad = tmp_path / "good.ipynb", tmp_path / "bad.ipynb"
    look = """import os
from pathlib import Path
store = Path(os.environ["DROPNET_STORE"])
print(store.exists(), store != Path.cwd(), Path.cwd().name)
print([os.environ[f"DROPNET_{name}"] for name in ("QUIET", "DEVICE", "DATA")])"""
    nbformat.write(new_notebook(cells=[new_code_cell(look)]), good)
    nbformat.write(new_notebook(cells=[new_code_cell("raise ValueError('no luck')")]), bad)

    build_book.execute([good])
    notebook = nbformat.read(good, as_version=4)
    assert complaints(notebook) == []
    assert notebook.cells[0].outputs[0].text == f"False True {tmp_path.name}\n['1', 'cpu', 'somewhere']\n"

    with pytest.raises(SystemExit, match="(?s)no luck.*bad failed"):
        build_book.execute([bad])


def test_printed_text_is_stored_in_one_piece():
    out, error = new_output("stream", name="stdout", text="a"), new_output("stream", name="stderr", text="c")
    picture = new_output("display_data", data={"text/plain": "d"})
    pieces = [out, new_output("stream", name="stdout", text="b"), error, picture, new_output("stream", text="e")]
    assert [o.get("text") for o in build_book.joined(pieces)] == ["ab", "c", None, "e"]


def test_a_stored_picture_is_smaller_and_looks_the_same() -> None:
    picture = Image.radial_gradient("L").convert("RGB")  # 256 greys: a palette holds them all
    stream = io.BytesIO()
    picture.save(stream, "png")
    stored = base64.b64encode(stream.getvalue()).decode()
    found = Image.open(io.BytesIO(base64.b64decode(build_book.smaller(stored))))
    assert found.mode == "P" and found.size == picture.size
    assert np.abs(np.asarray(found.convert("RGB"), int) - np.asarray(picture, int)).max() <= 4
    assert len(build_book.smaller(stored)) < len(stored)
    assert build_book.smaller(build_book.smaller(stored)) == build_book.smaller(stored)


def test_a_picture_without_words_is_found():
    assert wordless_in_html('<img src="a.png" alt="A curve that falls.">') == []
    for tag in ('<img src="a.png">', '<img src="a.png" alt=" ">', '<img alt="_images/a.png" src="_images/a.png">'):
        assert len(wordless_in_html(tag)) == 1


def test_a_chart_in_a_notebook_keeps_its_words():
    picture = base64.b64encode(b"bytes of a picture").decode()
    output = {"data": {"image/png": picture}, "metadata": {"image/png": {"alt": "A curve that falls."}}}
    notebook = {"cells": [{"cell_type": "markdown"}, {"outputs": [output, {"text": "no picture"}]}]}
    assert descriptions(notebook) == {hashlib.sha256(b"bytes of a picture").hexdigest(): "A curve that falls."}
