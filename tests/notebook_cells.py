"""Notebooks run as plain code, with stand-ins for whatever takes long: trainings, data sets, fifteen seeds."""

import re
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from dropnet_core.analysis import published
from dropnet_core.basics.places import results_folder
from dropnet_core.basics.streams import stream
from dropnet_core.data import DATA_SETS, DataSet, Split
from dropnet_core.data.imagefolder import imagefolder
from dropnet_core.engines import engines
from dropnet_core.figures import explorer
from dropnet_core.masks import Mask
from dropnet_core.pages import notebook as notebook_module
from dropnet_core.runs import Job
from dropnet_core.training import History, Outcome, train

SEEDS, CYCLES = ("0", "1", "2"), 4  # of earlier records, kept
WHOLE = ("kappa-fc40-fc40", "probe-selection-fc40-fc40", "mnist-conv64-conv32")  # what kappa ended, and how it goes on
SIZES = {"mnist": (1, 28, 10), "mnist5k": (1, 28, 10), "cifar10": (3, 32, 10), "tinyimagenet": (3, 64, 200)}


class Notebook:
    """The code of a notebook.

    parameters  the source of its parameters cell
    defaults    what that declares, by name
    comments    what it says behind each of them
    later       the sources of the cells below
    """

    def __init__(self, path: Path) -> None:
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        (tagged,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", ())]
        self.name, self.parameters = path.stem, str(tagged.source)
        self.later = [str(cell.source) for cell in cells[cells.index(tagged) + 1 :]]
        values: dict[str, Any] = {}
        exec(self.parameters, values)
        self.defaults = {name: value for name, value in values.items() if not name.startswith("__")}
        lines = [line.split("  # ", 1) for line in self.parameters.splitlines()]
        self.comments = {line.partition(":")[0]: comment for line, comment in lines}

    def run(self, given: Mapping[str, object], patch: pytest.MonkeyPatch) -> None:
        """Execute all cells, as Papermill does with these parameters. Raises what the first bad cell raises."""
        injected = [f"{notebook_module.INJECTED}\n" + "".join(f"{name} = {value!r}\n" for name, value in given.items())]
        values: dict[str, Any] = {"In": [""], "display": lambda *things: None}
        patch.setattr(notebook_module, "get_ipython", lambda: SimpleNamespace(user_ns=values))
        with matplotlib.rc_context():
            try:
                for number, source in enumerate([self.parameters, *(injected if given else []), *self.later]):
                    values["In"].append(source)
                    exec(compile(source, f"{self.name}, cell {number}", "exec"), values)
            finally:
                plt.close("all")


def stand_ins(folder: Path, patch: pytest.MonkeyPatch) -> list[Job]:
    """Put stand-ins in the place of engines, data sets and results. Returns the jobs that are going to be trained.

    The engine "reference" trains: who asks for the definition by name compares it with trainings of his own, which are
    short on these data sets, and are among the jobs that are returned.
    """
    trained: list[Job] = []
    reference = engines["reference"]

    def engine(data, take):
        while jobs := take(8):
            for job in jobs:
                trained.append(job)
                yield job, outcome(job)

    def definition(data, take):
        for job, found in reference(data, take):
            trained.append(job)
            yield job, found

    def by_hand(model, data, recipe, seed):
        trained.append(Job(recipe, model.network, seed, seed, Mask.full(model.network.widths)))
        return train(model, data, recipe, seed)

    for name in engines:
        patch.setitem(engines._entries, name, definition if name == "reference" else engine)
    patch.setattr("dropnet_core.training.train", by_hand)
    for name, size in SIZES.items():
        patch.setitem(DATA_SETS._entries, name, lambda size=size: images(*size))  # takes none of load's options
    patch.setitem(DATA_SETS._entries, "glyphs", glyphs)
    patch.setattr(published, "_read", cache(published._read))
    patch.setattr(explorer, "entries", shown)
    patch.setenv("DROPNET_STORE", str(folder / "store.sqlite"))
    patch.setenv("DROPNET_RESULTS", str(folder / "results"))
    patch.setenv("MPLBACKEND", "agg")
    return trained


def outcome(job: Job) -> Outcome:
    """A made-up outcome: the fewer units, the less accurate, so that a kappa of 0.95 ends a run soon."""
    draw = stream(0, "made up", job.key(""))
    accuracy = 0.3 + 0.6 * job.mask.fraction_remaining**0.5 + 0.01 * draw.random()
    ranks = [draw.random(width) for width in job.mask.widths]
    names = ("mean_of_abs", "abs_of_mean", "zeros", "zero_maps", *job.needs)
    history = History([1.0], [accuracy], [1.0], [accuracy])
    return Outcome(history, 1.0, accuracy, accuracy, dict.fromkeys(names, ranks), 0.5)


def images(channels: int, size: int, classes: int) -> DataSet:
    """Two images of each class, all black, in each split."""
    labels = torch.arange(2 * classes) % classes
    split = Split(torch.zeros(len(labels), channels, size, size, dtype=torch.uint8), labels)
    return DataSet.of("stand-in", split, split, split, classes)


def glyphs(size: int = 32) -> DataSet:
    return images(3, size, 10)


@cache
def shown(folder: Path, entries: Any = explorer.entries) -> list[Any]:
    """The explorer's entries, which take seconds, made once."""
    return list(entries(folder))


def shorter_results(folder: Path) -> None:
    """The project's results, with fewer seeds and cycles: what is drawn of them takes most of a notebook's time."""
    shutil.copytree(results_folder(), folder / "results")
    for file in (folder / "results").glob("*.csv"):
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
        kept = table["seed"].isin(SEEDS) & ((table["cycle"].astype(int) < CYCLES) | (file.stem in WHOLE))
        table[kept].to_csv(file, index=False)


def pictures(folder: Path) -> Path:
    """A folder of images in two classes."""
    draw = np.random.default_rng(0)
    for name in ("dark", "light"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(20):
            pixels = draw.integers(0, 256, (6, 5, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{i}.png")
    assert len(imagefolder(str(folder / "pictures")).test) == 4
    return folder / "pictures"


def offered(comment: str, default: Any) -> list[Any]:
    """The values that the comment beside a parameter of this default offers, as they stand there.

    Whatever is in quotes; what follows "or", parted by commas, up to a bracket, a semicolon or the end; a word
    with an underscore; a number before "for"; and the kinds of layers fcN, convN, denseN.
    """
    if not isinstance(default, str | list):
        return [type(default)(number) for number in re.findall(r"\b(\d+) for\b", comment)]
    found = re.findall(r'"([^"]*)"', comment) + re.findall(r"\b(?:fc|conv|dense)N\b", comment)
    bare = re.sub(r'"[^"]*"(:[^;]*)?|\([^)]*\)', "", comment)
    for choices in re.findall(r"\bor\b([^;]*)", bare):
        found += [word for choice in choices.split(",") if (word := choice.strip()) and word != "..."]
    found += re.findall(r"\b[a-z]+_\w+\b", bare)
    return list(dict.fromkeys(found))
