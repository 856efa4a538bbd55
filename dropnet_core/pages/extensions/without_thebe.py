"""Sphinx extension: no page carries Thebe.

Thebe would run the cells of a page on a server, from a script of another host. This book offers no such button, but the
theme puts Thebe's settings into every page all the same, twice, which is an error in the browser.
"""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def is_thebe(script: Any) -> bool:
    """Whether a script of a page, a file or a text, is Thebe's."""
    return "thebe" in f"{getattr(script, 'filename', '')} {getattr(script, 'attributes', '')}".lower()


def leave_out(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: nodes.document | None) -> None:
    context["script_files"] = [script for script in context["script_files"] if not is_thebe(script)]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", leave_out, priority=900)  # when all others have added theirs
    return {"parallel_read_safe": True, "parallel_write_safe": True}
