"""How each curve looks and what it is called: the same on every page."""

from dataclasses import dataclass, replace

SOLID, DASHED, DOTTED, DASH_DOT = "-", (0, (5, 2)), (0, (1, 1.6)), (0, (6, 2, 1, 2))
Line = str | tuple[float, tuple[float, ...]]


@dataclass(frozen=True)
class Style:
    """colour on white, marker, line: any one of them tells two curves of a figure apart."""

    colour: str
    marker: str
    line: Line = SOLID


# Chosen by computation: a contrast of at least 3 to 1 with white, and no pair of the paper's six metrics that
# merges for a colour-blind reader (lightness differs within each pair of similar hue). As in the paper, the
# layer-wise twin of a metric has a related colour and random is dashed.
METRICS = {
    "min": Style("#0a18cc", "o"),
    "max": Style("#7a140e", "s"),
    "random": Style("#087e5f", "^", DASHED),
    "min_layer": Style("#1090f0", "D"),
    "max_layer": Style("#941c88", "P"),
    "random_layer": Style("#a98717", "v", DASHED),
    "oracle": Style("#000000", "*"),
    "apoz": Style("#5a3b1c", "X"),
    "apoz_layer": Style("#c2570c", "h"),
}
FRACTIONS = {
    "0.2": Style("#0a18cc", "o"),
    "0.3": Style("#7a1fa2", "s"),
    "0.4": Style("#c2185b", "^"),
    "0.5": Style("#d9480f", "D"),
    "0.9": Style("#7f7000", "v"),
}
CONTROLS = {
    "_reinit": Style("#c2570c", "X", DOTTED),
    "_small_reinit": Style("#5b6770", "d", DOTTED),
    "_redraw": Style("#087e5f", "^", DOTTED),
}
SPARE = (
    Style("#c2570c", "<"),
    Style("#5b6770", ">"),
    Style("#00747c", "p"),
    Style("#b0004f", "d"),
    Style("#4d6a00", "H"),
)  # for metrics of a reader's own, in the order in which they appear
ROLES = {
    "_small_reinit": "reinitialised as a small network",
    "_reinit": "reinitialised",
    "_redraw": "units redrawn at random",
}
READING_SUFFIXES = {
    "authors": "authors' selection",
    "exact": "exact selection",
    "mean_of_abs": "mean of |activation|",
    "abs_of_mean": "|mean activation|",
}


@dataclass(frozen=True)
class Name:
    """A curve's name taken apart: metric[_role][/p=0.3][/another setting][@reading] (`Experiment.curve`)."""

    metric: str
    role: str
    settings: tuple[str, ...]
    readings: tuple[str, ...]


def taken_apart(curve: str) -> Name:
    """The parts of a curve's name."""
    rest, *readings = curve.split("@")
    metric, *settings = rest.split("/")
    role = next((role for role in ROLES if metric.endswith(role)), "")
    return Name(metric.removesuffix(role), role, tuple(settings), tuple(readings))


def label(curve: str) -> str:
    """The legend entry of a curve.

    >>> label("min_layer"), label("min/p=0.9"), label("min_reinit"), label("max@exact")
    ('min_layer', 'min, p = 0.9', 'min, reinitialised', 'max, exact selection')
    """
    name = taken_apart(curve)
    words = [name.metric, *([ROLES[name.role]] if name.role else [])]
    words += [setting.replace("=", " = ") for setting in name.settings]
    words += [READING_SUFFIXES.get(reading, reading) for reading in name.readings]
    return ", ".join(words)


def styles(curves: list[str]) -> dict[str, Style]:
    """The style of each curve of one figure.

    A metric of the paper looks the same in every figure; curves that differ in p go by p; the controls
    are dotted, the second reading of the code dash-dotted. What is unknown gets a spare style by its place.
    """
    chosen: dict[str, Style] = {}
    spare = 0
    for curve in curves:
        name = taken_apart(curve)
        fraction = next((setting[2:] for setting in name.settings if setting.startswith("p=")), None)
        base = METRICS.get(name.metric) if fraction is None else FRACTIONS.get(fraction)
        if base is None:
            base, spare = SPARE[spare % len(SPARE)], spare + 1
        if name.role:
            base = CONTROLS[name.role]
        if {"exact", "mean_of_abs"} & set(name.readings):
            base = replace(base, line=DASH_DOT)
        chosen[curve] = base
    return chosen
