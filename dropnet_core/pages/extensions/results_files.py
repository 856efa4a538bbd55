"""The directive `results-files`: every file of results that exists, as a download.

A `download` role names one file, and a file that has been deleted would break the strict build. This list is
made of what lies in results/ when the book is built, so it can neither break nor lag behind.
"""

import csv
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDERS = ("results", "results/published")


def files(root: Path) -> list[Path]:
    """The CSV files of the results below a book's root, as paths from there."""
    return [file.relative_to(root) for folder in FOLDERS for file in sorted((root / folder).glob("*.csv"))]


def size(file: Path) -> str:
    """ "1,440 rows, 0.4 MB"."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = max(sum(1 for _ in csv.reader(lines)) - 1, 0)
    return f"{rows:,} rows, {max(file.stat().st_size / 1e6, 0.1):.1f} MB"


class ResultsFiles(SphinxDirective):
    """A list of links. The directive's content introduces it; Jupyter, which knows no directives, shows that."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        entries = nodes.bullet_list()
        for file in files(root):
            self.env.note_dependency(file.as_posix())
            link = addnodes.download_reference("", "", reftarget=f"/{file.as_posix()}", refdoc=self.env.docname)
            link += nodes.literal(text=file.relative_to("results").as_posix())
            entry = nodes.paragraph("", "", link, nodes.Text(f" ({size(root / file)})"))
            entries += nodes.list_item("", entry)
        introduction = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, introduction)
        return [*introduction.children, *([entries] if entries.children else [])]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("results-files", ResultsFiles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
