"""The drawn figure of the method: one cycle of Algorithm 1 in four pictures."""

from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from dropnet_core.figures.charts import INK, RC, Chart, chart

METHOD_ALT_TEXT = (
    "The method as a cycle of four steps. It starts with a network that has all its units and random first "
    "weights, which are kept. Step 1, train until the validation loss stops falling. Step 2, score each unit "
    "by its mean absolute activation on the training set. Step 3, drop the fraction p of the units with the "
    "lowest scores, for good. Step 4, rewind the survivors to their first weights. Then train again. It "
    "stops after a training when few enough units are left or the validation accuracy has fallen too far."
)

BLUE, RED, GREY = "#0a18cc", "#b3200c", "#777777"
BOX_WIDTH, BOX_HEIGHT = 44.0, 40.0
LEFT, RIGHT, UPPER, LOWER = 0.5, 55.5, 56.0, 8.0
# An example: how active each unit of two hidden layers is (0 to 1), and the two least active ones.
ACTIVITY = ((0.85, 0.15, 0.6, 0.4), (0.5, 0.95, 0.1, 0.7))
LOWEST = {(1, 1), (2, 2)}  # (column, unit)
COLUMNS = ((0.1, 3), (0.37, 4), (0.63, 4), (0.9, 2))  # place across a box and size: inputs, layers, outputs


@dataclass(frozen=True)
class Step:
    """One box: where its lower left corner is, what it says, and how it draws the little network."""

    corner: tuple[float, float]
    title: str
    words: str
    links: str = GREY
    shaded: bool = False  # units as dark as they are active
    crossed: bool = False  # the lowest units crossed out
    pruned: bool = False  # the lowest units gone


STEPS = (
    Step((LEFT, UPPER), "1  Train", "until the validation loss\nstops falling", links=BLUE),
    Step((RIGHT, UPPER), "2  Score", "by mean |activation| on the\ntraining set (dark: large)", shaded=True),
    Step((RIGHT, LOWER), "3  Drop", "the lowest fraction p\nof the units, for good", shaded=True, crossed=True),
    Step((LEFT, LOWER), "4  Rewind", "the survivors to their\nfirst weights", pruned=True),
)


def method_figure() -> Chart:
    """Train, score the units, drop the lowest, rewind the survivors, repeat: Algorithm 1 as a picture."""
    with matplotlib.rc_context(RC):
        made = chart(6.4, 7.0, METHOD_ALT_TEXT)
        axes = made.subplots()
        axes.set(xlim=(0, 100), ylim=(-1, 109), aspect="equal")
        axes.set_axis_off()
        for step in STEPS:
            _box(axes, step)
            _network(axes, step)
        across, down = LEFT + BOX_WIDTH / 2, BOX_HEIGHT / 2
        _arrow(axes, (across, 101.5), (across, UPPER + BOX_HEIGHT))
        _arrow(axes, (LEFT + BOX_WIDTH, UPPER + down), (RIGHT, UPPER + down))
        _arrow(axes, (RIGHT + BOX_WIDTH / 2, UPPER), (RIGHT + BOX_WIDTH / 2, LOWER + BOX_HEIGHT))
        _arrow(axes, (RIGHT, LOWER + down), (LEFT + BOX_WIDTH, LOWER + down))
        _arrow(axes, (across, LOWER + BOX_HEIGHT), (across, UPPER))
        axes.text(across + 2, 52, "repeat", ha="left", va="center", fontsize=12, style="italic")
        start = "Start: all units,\nrandom first weights (kept)"
        stop = "Stop after a training when few enough units are left\nor the validation accuracy has fallen too far."
        for x, y, words in ((across, 105, start), (50, 2, stop)):
            axes.text(x, y, words, ha="center", va="center", fontsize=11.5, linespacing=1.25)
    return made


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=16, shrinkA=1.5, shrinkB=1.5, lw=1.8, color=INK
    )
    axes.add_patch(arrow)


def _box(axes: Axes, step: Step) -> None:
    x, y = step.corner
    rounded = "round,pad=0,rounding_size=2.5"
    frame = FancyBboxPatch((x, y), BOX_WIDTH, BOX_HEIGHT, rounded, fc="#f6f7fb", ec="#9aa0b5", lw=1.2)
    axes.add_patch(frame)
    axes.text(x + 3, y + BOX_HEIGHT - 4.2, step.title, va="center", fontsize=13, weight="bold")
    axes.text(x + BOX_WIDTH / 2, y + 5.2, step.words, ha="center", va="center", fontsize=11, linespacing=1.2)


def _network(axes: Axes, step: Step) -> None:
    x, y = step.corner
    centres = {
        (column, unit): (x + across * BOX_WIDTH, y + 22 + (size - 1) * 2.9 - unit * 5.8)
        for column, (across, size) in enumerate(COLUMNS)
        for unit in range(size)
    }
    linked = centres.keys() - (LOWEST if step.pruned or step.crossed else set())
    for a, b in sorted((a, b) for a in linked for b in linked if b[0] == a[0] + 1):
        xs, ys = zip(centres[a], centres[b], strict=True)
        axes.plot(xs, ys, color=step.links, lw=0.9 if step.links == BLUE else 0.6, alpha=0.6, zorder=2)
    for place, centre in centres.items():
        column, unit = place
        if column in (0, len(COLUMNS) - 1):
            axes.add_patch(Circle(centre, 1.1, color=GREY, zorder=3))
        elif step.crossed and place in LOWEST:
            axes.add_patch(Circle(centre, 2.3, fc="white", ec=RED, lw=1.3, ls="--", zorder=3))
            axes.plot(*centre, marker="x", ms=11, mew=2.2, color=RED, zorder=4)
        elif not (step.pruned and place in LOWEST):
            activity = ACTIVITY[column - 1][unit] if step.shaded else 0.0
            fill = (1 - 0.9 * activity, 1 - 0.88 * activity, 1 - 0.2 * activity)
            axes.add_patch(Circle(centre, 2.3, fc=fill, ec=INK, lw=1.3, zorder=3))
