"""Experiments: what is varied, over which seeds. The paper's own are a table."""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import islice, product
from numbers import Integral
from pathlib import Path
from typing import Any

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.experiments.settings import parse_settings
from dropnet_core.recipe import Recipe, digest
from dropnet_core.runs import MOST_RUNS, Run
from dropnet_core.stops import Stop

EXPERIMENTS_FILE = Path(__file__).with_name("experiments.csv")


@dataclass(frozen=True)
class Experiment:
    """A set of runs: every combination of metric, p, first weights, selection, score, stop and seed.

    name       how its records call it
    data       a data set's name, for example "mnist5k"
    network    a network's name, for example "fc40-fc40"
    metrics    names of metrics
    seeds      whole numbers, each once
    selection  "exact", "authors" or both; there is no default
    size, colour  of images in a folder, see `dropnet_core.data.load`

    The other fields are those of `Run`, in the plural where an experiment may have several. Raises InputError
    for no or repeated seeds, more than MOST_RUNS runs, nothing to vary, an unknown name or a value outside its range.
    """

    name: str
    data: str
    network: str
    metrics: tuple[str, ...]
    seeds: tuple[int, ...]
    selection: tuple[str, ...]
    p: tuple[float | None, ...] = (0.2,)
    schedule: str = "fraction"
    score: tuple[str, ...] = ("mean_of_abs",)
    initial: tuple[str, ...] = ("rewind",)
    stops: tuple[Stop, ...] = (Stop("fraction", 0.1),)
    recipe: Recipe = field(default_factory=Recipe)
    size: int | None = None
    colour: bool | None = None

    def __post_init__(self) -> None:
        for name in ("metrics", "seeds", "selection", "p", "score", "initial", "stops"):
            given = getattr(self, name)
            alone = isinstance(given, str) or not isinstance(given, Iterable)
            # One of them may be written without a list around it; a range of seeds may be endlessly long.
            value = (given,) if alone else tuple(islice(given, MOST_RUNS + 1))
            if len(value) > MOST_RUNS:
                raise InputError(f"experiment '{self.name}' has too many {name}; {MOST_RUNS:,} is the most")
            if name == "stops":
                value = tuple(stop if isinstance(stop, Stop) else Stop.parse(stop) for stop in value)
            if name == "seeds":
                whole = [isinstance(seed, Integral) and not isinstance(seed, bool) for seed in value]
                value = tuple(int(seed) if fits else seed for seed, fits in zip(value, whole, strict=True))
            if name == "p" and self.schedule == "one_unit":
                value = (None,)  # it has no say there
            object.__setattr__(self, name, value)
            if not value:
                raise InputError(f"experiment '{self.name}' has no {name}; give at least one")
            if len(set(value)) < len(value):
                twice = next(v for v in value if value.count(v) > 1)
                raise InputError(f"experiment '{self.name}' names {str(twice)!r} twice in its {name}; each counts once")
        runs = math.prod(
            map(len, (self.seeds, self.metrics, self.p, self.selection, self.score, self.initial, self.stops))
        )
        if runs > MOST_RUNS:
            raise InputError(
                f"experiment '{self.name}' has {runs:,} runs, and at most {MOST_RUNS:,} are meant; take fewer "
                "seeds, or fewer metrics and whatever else it varies"
            )
        if not isinstance(self.recipe, Recipe):
            raise InputError(f"recipe is a Recipe, such as Recipe(max_epochs=5), not {self.recipe!r}")
        for name in ("name", "data"):
            check_text(name, getattr(self, name))
        if not isinstance(self.network, str):
            raise InputError(f"network is a name such as 'fc40-fc40', not {self.network!r}")
        self.runs()

    def runs(self) -> list[Run]:
        """All runs, seed by seed."""
        return [
            Run(
                experiment=self.name,
                data=self.data,
                network=self.network,
                metric=metric,
                seed=seed,
                selection=selection,
                p=p,
                schedule=self.schedule,
                score=score,
                initial=initial,
                stop=stop,
                recipe=self.recipe,
            )  # fmt: skip
            for seed, metric, p, selection, score, initial, stop in product(
                self.seeds, self.metrics, self.p, self.selection, self.score, self.initial, self.stops
            )
        ]

    def curve(self, run: Run) -> str:
        """The name of the curve a run belongs to: its metric, and whatever else this experiment varies.

        It joins records, published curves and claims: "min", "min/p=0.2", "min_reinit", "max@authors".
        """
        parts = [run.metric]
        if run.initial != "rewind":
            parts.append(f"_{run.initial}")
        if len(self.p) > 1:
            parts.append(f"/p={run.p}")
        if len(self.stops) > 1:
            parts.append(f"/{run.stop}")
        if len(self.selection) > 1:
            parts.append(f"@{run.selection}")
        if len(self.score) > 1:
            parts.append(f"@{run.score}")
        return "".join(parts)

    def with_settings(self, settings: dict[str, Any]) -> "Experiment":
        """This experiment with some fields replaced, those of its recipe included.

        Raises InputError for a name that is neither, with the nearest known one.
        """
        own = {f.name for f in fields(self)} - {"recipe"}
        recipe = {f.name for f in fields(Recipe)} - {"definition", "initial_range"}  # `initial` sets the latter
        for name in settings:
            if name == "recipe":
                raise InputError(f"the parts of a recipe are settings themselves: {', '.join(sorted(recipe))}")
            if name not in own | recipe:
                raise unknown("setting", name, own | recipe)
        changed = replace(self.recipe, **{k: v for k, v in settings.items() if k in recipe})
        return replace(self, recipe=changed, **{k: v for k, v in settings.items() if k in own})

    def variant(self, settings: dict[str, Any]) -> "Experiment":
        """This experiment with some settings replaced, by another name unless only its seeds differ.

        Records of one name are merged and averaged. So a changed experiment is called by the old name, "+"
        and six digits that stand for what differs: "mnist-fc40-fc40+3fa2b1". Raises InputError as
        `with_settings` does, and for a name among the settings.
        """
        if "name" in settings:
            raise InputError("the name of a changed experiment follows from its settings; leave out name=...")
        changed = self.with_settings(settings)
        ours, theirs = self._identity(), changed._identity()
        differing = {name: value for name, value in theirs.items() if value != ours[name]}
        return replace(changed, name=f"{self.name}+{digest(differing, digits=6)}") if differing else changed

    def _identity(self) -> dict[str, Any]:
        """All settings but name and seeds, as plain values."""
        names = [f.name for f in fields(self) if f.name not in ("name", "seeds", "stops", "recipe")]
        plain = {name: getattr(self, name) for name in names}
        return plain | {"stops": [str(stop) for stop in self.stops], "recipe": self.recipe.changes()}


def check_text(field: str, value: object) -> None:
    """Raise InputError for a value that no file of records can hold, as the path of a folder may be none."""
    try:
        str(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"the {field} '{value}' is no text in UTF-8, so no record could name it; rename the folder, or make a link "
            "to it that has a plain name, and give that"
        ) from error


def experiment_names() -> list[str]:
    """The names of the paper's experiments and our probes, in the order of the table."""
    return [row["name"] for row in table_rows()]


@cache
def experiment(name: str) -> Experiment:
    """The experiment of the table with this name, built once.

    Raises InputError for an unknown one, with the nearest known.
    """
    for row in table_rows():
        if row["name"] == name:
            recipe = parse_settings(row["recipe"].split())
            return Experiment(
                name=name,
                data=row["data"],
                network=row["network"],
                metrics=tuple(row["metrics"].split()),
                seeds=tuple(range(int(row["seeds"]))),
                selection=tuple(row["selection"].split()),
                p=tuple(float(p) for p in row["p"].split()) or (None,),
                schedule=row["schedule"],
                score=tuple(row["score"].split()),
                initial=tuple(row["initial"].split()),
                stops=tuple(Stop.parse(text) for text in row["stop"].split(";")),
                recipe=Recipe(**recipe),
            )
    raise unknown("experiment", name, experiment_names())


def table_rows() -> Iterator[dict[str, str]]:
    """The rows of the table of experiments."""
    with EXPERIMENTS_FILE.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
