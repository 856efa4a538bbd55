"""A figure that carries its text alternative, looks the same everywhere and leaves no global state behind."""

import io
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dropnet_core.figures.figure_data import link

PIXELS_PER_INCH = 100  # on a page; the picture has half as many again for sharp screens
INK = "#222222"
LINE_HEIGHT = 0.27  # of a legend, inches

RC: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is there on every machine
    "font.size": 12,
    "axes.facecolor": "white",
    "axes.edgecolor": "#555555",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.usetex": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "dropnet",
    "path.simplify": False,
}


class Chart(Figure):
    """A matplotlib Figure with `alt_text`, the words for a reader who does not see it, and its numbers.

    data  what is drawn (`figure_data.drawn`); None for a drawing that shows no numbers
    name  the name, without ending, under which a reader saves them

    It belongs to no pyplot window. As the last line of a notebook cell it shows itself, with the words as the
    picture's alternative text in the notebook's metadata and a link to the data below the picture.
    """

    alt_text: str = ""
    data: pd.DataFrame | None = None
    name: str = ""

    def showing(self, name: str, data: pd.DataFrame) -> "Chart":
        """This chart, which now carries the numbers that it shows."""
        self.name, self.data = name, data
        return self

    def image(self, kind: str = "png") -> bytes:
        """The content of a file, "png" or "svg", on opaque white; equal charts give equal bytes."""
        stream = io.BytesIO()
        changing: dict[str, Any] = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        with matplotlib.rc_context(RC):
            dpi = 1.5 * PIXELS_PER_INCH
            self.savefig(stream, format=kind, dpi=dpi, facecolor="white", transparent=False, metadata=changing)
        return stream.getvalue()

    def legend_below(self, axes: Axes, title: str = "") -> None:
        """The legend of these axes below all axes, where it covers nothing; the chart grows by its height."""
        handles, names = axes.get_legend_handles_labels()
        width, height = self.get_size_inches()
        entry = 0.75 + 0.095 * max(len(name) for name in names)  # inches: the line and about this a letter
        columns = max(1, min(3, int(width / entry)))
        lines = -(-len(names) // columns) + len(title.splitlines())
        self.set_size_inches(width, height + LINE_HEIGHT * lines)
        legend = self.legend(
            handles, names, loc="outside lower center", ncols=columns, frameon=False, title=title or None,
            handlelength=2.6, columnspacing=1.4, title_fontsize=11,
        )  # fmt: skip
        legend.get_title().set_multialignment("center")

    def _ipython_display_(self) -> None:
        from IPython.display import display

        width, height = (round(float(inches) * PIXELS_PER_INCH) for inches in self.get_size_inches())
        display(
            {"image/png": self.image(), "text/plain": f"<Chart {width}x{height}>"},
            metadata={"image/png": {"alt": self.alt_text, "width": width}},
            raw=True,
        )
        if self.data is not None:
            display({"text/html": link(self.data, self.name), "text/plain": f"<Data of {self.name}>"}, raw=True)


def chart(width: float, height: float, alt_text: str) -> Chart:
    """An empty chart of a size in inches. Call it, and draw, inside `matplotlib.rc_context(RC)`."""
    made = Chart(figsize=(width, height), layout="constrained", facecolor="white")
    made.alt_text = alt_text
    return made
