"""The list of downloads is made of the files that exist, and a book builds with any of them missing."""

from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from dropnet_core.pages.extensions.results_files import files, size

PAGE = """Files
=====

.. results-files::

   All **records**.
"""
EXTENSION = "dropnet_core.pages.extensions.results_files"
NAMES = ["a.csv", "b.csv", "published/curves.csv"]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    for name in reversed(NAMES):
        file = tmp_path / "results" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('x,y\n1,"two\nlines"\n3,4\n')
    (tmp_path / "results" / "notes.md").write_text("no table")
    (tmp_path / "index.rst").write_text(PAGE)
    return tmp_path


def built(book: Path) -> str:
    """The page, after a build in which a warning is an error."""
    with docutils_namespace():  # each build registers its nodes anew
        app = Sphinx(
            str(book), None, str(book / "out"), str(book / "trees"), "html", {"extensions": [EXTENSION]},
            status=None, warning=None, warningiserror=True,
        )  # fmt: skip
        app.build()
    assert app.statuscode == 0
    return (book / "out" / "index.html").read_text("utf-8")


def test_what_is_listed(book: Path) -> None:
    assert [file.as_posix() for file in files(book)] == [f"results/{name}" for name in NAMES]
    assert size(book / "results" / "a.csv") == "2 rows, 0.1 MB"
    (book / "results" / "a.csv").write_text("")
    assert size(book / "results" / "a.csv") == "0 rows, 0.1 MB"


def test_a_book_offers_its_files_and_builds_without_them(book: Path) -> None:
    page = built(book)
    assert "All <strong>records</strong>." in page and page.count("download internal") == 3
    assert len(list((book / "out" / "_downloads").rglob("*.csv"))) == 3
    (book / "results" / "a.csv").unlink()
    assert "a.csv" not in built(book)  # the page is read again, although it has not changed
    for name in NAMES[1:]:
        (book / "results" / name).unlink()
    assert "download internal" not in built(book)
