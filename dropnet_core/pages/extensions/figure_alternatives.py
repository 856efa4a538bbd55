"""Give the figures of notebooks their text alternatives.

A chart leaves its description in the metadata of the output that shows it, which MyST-NB does not read. It names
each picture's file by the SHA-256 of its bytes, so that the two can be joined.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def descriptions(notebook: dict[str, Any]) -> dict[str, str]:
    """SHA-256 of each PNG in a notebook's outputs -> its description, where it has one."""
    found = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            words = output.get("metadata", {}).get("image/png", {}).get("alt")
            if words:
                picture = base64.b64decode("".join(output["data"]["image/png"]))
                found[hashlib.sha256(picture).hexdigest()] = words
    return found


def describe(app: Sphinx, doctree: nodes.document) -> None:
    """Set the alternative of every picture of the page that was just read."""
    source = Path(app.env.doc2path(app.env.docname))
    if source.suffix != ".ipynb":
        return
    known = descriptions(json.loads(source.read_text(encoding="utf-8")))
    for image in doctree.findall(nodes.image):
        words = known.get(Path(image["uri"]).stem)
        if words:
            image["alt"] = words


def setup(app: Sphinx) -> dict[str, Any]:
    # Early, before images are collected and their paths rewritten.
    app.connect("doctree-read", describe, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
