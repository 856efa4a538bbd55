"""Find what a reader would miss without a network or without sight: python book/check_pages.py _build/html

Links that a reader may click are fine; scripts, styles, images, fonts and frames that a page fetches by
itself are not, because the book must read the same without a network. Every picture needs a text alternative.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# link elements of these kinds are fetched or connected to; others, such as "canonical" or "next", only inform
FETCHED_LINKS = set(
    "stylesheet icon apple-touch-icon manifest preload modulepreload prefetch preconnect dns-prefetch".split()
)
FETCHING = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "embed": ("src",),
    "audio": ("src",),
    "video": ("src", "poster"),
    "track": ("src",),
    "input": ("src",),
    "object": ("data",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
REMOTE = re.compile(r"^\s*(?:https?:)?//", re.IGNORECASE)
REMOTE_IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?\s*((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.wordless: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        names = FETCHING.get(tag, ())
        if tag == "link" and FETCHED_LINKS & set(values.get("rel", "").lower().split()):
            names = ("href",)
        for name in names:
            value = values.get(name, "")
            addresses = [part.split()[0] for part in value.split(",") if part.split()]
            addresses = addresses if name == "srcset" else [value]
            self.found += [f"<{tag} {name}> {address}" for address in addresses if REMOTE.match(address)]
        self.found += [f"<{tag} style> {address}" for address in remote_in_css(values.get("style", ""))]
        if tag == "img" and (not values.get("alt", "").strip() or values["alt"].strip() == values.get("src", "")):
            self.wordless.append(f"<img> {values.get('src', '')} has no text alternative")
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += [f"<style> {address}" for address in remote_in_css(data)]


def remote_in_css(text: str) -> list[str]:
    """Addresses on other hosts that a style sheet fetches."""
    return REMOTE_IN_CSS.findall(text)


def remote_in_html(text: str) -> list[str]:
    """Addresses on other hosts that a page fetches, each with the element that names it."""
    page = _Page()
    page.feed(text)
    page.close()
    return page.found


def wordless_in_html(text: str) -> list[str]:
    """Pictures of a page without a text alternative; Sphinx writes the file's name where it knows none."""
    page = _Page()
    page.feed(text)
    page.close()
    return page.wordless


def missing_in_book(folder: Path) -> list[str]:
    """Both for every page, and other hosts for every style sheet, under `folder`; each line begins with its file.

    Raises FileNotFoundError where `folder` holds no page.
    """
    pages = sorted(folder.rglob("*.html"))
    if not pages:
        raise FileNotFoundError(f"no HTML page under {folder}; build the book first: make book")
    found = []
    for page in pages:
        text = page.read_text("utf-8")
        found += [f"{page}: {line}" for line in (*remote_in_html(text), *wordless_in_html(text))]
    for sheet in sorted(folder.rglob("*.css")):
        found += [f"{sheet}: {address}" for address in remote_in_css(sheet.read_text("utf-8"))]
    return found


if __name__ == "__main__":
    complaints = missing_in_book(Path(sys.argv[1]))
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"{sys.argv[1]}: {len(complaints)} resources from other hosts or pictures without words")
    sys.exit(1 if complaints else 0)
