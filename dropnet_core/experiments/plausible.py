"""Whether records are such that a run can have left them: what follows from the rules alone is worked out again."""

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.plural import counted
from dropnet_core.compaction import counts, cut_off
from dropnet_core.data.facts import DATA_FACTS, DataFacts
from dropnet_core.experiments.counting import LARGE_SHAPE, table_entry, units_left
from dropnet_core.experiments.experiment import Experiment
from dropnet_core.experiments.making import columns_in_curve, place_of
from dropnet_core.experiments.records import FLOAT_FORMAT, KEY_COLUMNS, CyclePoint, check_name, has_ended, run_of
from dropnet_core.masks import Mask
from dropnet_core.metrics import metrics
from dropnet_core.networks.plain import Network, describe
from dropnet_core.recipe import Recipe
from dropnet_core.runs import Run
from dropnet_core.stops import Stop
from dropnet_core.training import DEAD_MARGIN

STATUSES = ("ok", "collapsed", "empty-layer", "diverged")
ACCURACIES = ("train_accuracy", "validation_accuracy", "test_accuracy", "best_test_accuracy")
LOSSES = ("train_loss", "validation_loss", "test_loss")
DEVICES = ("cpu", "cuda")
ROUNDING = 2e-9  # of the digits that a file keeps


def check_plausible(table: pd.DataFrame) -> None:
    """Raise InputError, naming file and line, for the first row that no run can have left."""
    found = faults(table)
    if found:
        row, fault = min(found.items())
        others = f" (and {counted(len(found) - 1, 'other row')})" if len(found) > 1 else ""
        raise InputError(f"{place_of(table, row)}{others}: {fault}; no run gives that, so take the file anew")


def faults(table: pd.DataFrame, network: Network | None = None) -> dict[int, str]:
    """What is wrong with each row that no run can have left, by its index. `network`: of rows whose data is at hand."""
    found: dict[int, str] = {}
    for row, record in zip(table.index, row_dicts(table), strict=True):
        if fault := next(faults_of_row(record, network), ""):
            found[int(row)] = fault
    for _, run in table.drop(index=list(found)).groupby(KEY_COLUMNS[:-1], dropna=False, sort=False):
        for row, fault in faults_of_run(run.sort_values("cycle")):
            found.setdefault(row, fault)
    return found


def faults_of_row(record: dict[str, Any], network: Network | None = None) -> Iterator[str]:
    """What no run can give in one row, whatever stands in the others."""
    try:
        check_name(record["experiment"])
        stop = Stop.parse(record["stop"])
        # A metric of somebody's own is not known here; it is taken for another.
        known = record["metric"] if record["metric"] in metrics else "min"
        run = run_of(record | {"metric": known}, stop, Recipe())
        if network is None or network.name != run.network:
            network = known_network(run.data, run.network)
        widths = (network or describe(run.network, LARGE_SHAPE, 10)).widths
    except InputError as error:
        yield str(error)
        return
    if str(stop) != record["stop"]:
        yield f"the stop '{record['stop']}' is written '{stop}'"
    if entry := table_entry(run.experiment):
        yield from foreign_values(record, run, entry)
    elif columns_in_curve(record) is None:
        yield f"'{record['curve']}' is no curve of the metric '{record['metric']}' with these settings"
    yield from impossible_values(record)
    kept = record["units_per_layer"]
    units = tuple(map(int, kept.split("+"))) if re.fullmatch(r"\d{1,9}(\+\d{1,9})*", kept) else ()
    if len(units) != len(widths) or any(n > width for n, width in zip(units, widths, strict=False)):
        yield f"'{kept}' are no units of the layers {'+'.join(map(str, widths))}"
        return
    left = record["units_remaining"]
    fraction, expected = (format(x, FLOAT_FORMAT) for x in (record["fraction_remaining"], left / sum(widths)))
    if left != sum(units) or fraction != expected:
        yield f"{left} units and the fraction {fraction} do not fit the layers' '{kept}'"
    if not follows_rule(run, record["metric"], widths, record["cycle"], units):
        yield f"the pruning rule leaves other units than '{kept}' in cycle {record['cycle']}"
    least, most = possible_counts(network, units) if network else ((0, 0), (math.inf, math.inf))
    for column, low, high in zip(("parameters", "macs"), least, most, strict=True):
        if not low <= record[column] <= high:
            known = f"{low}" if low == high else f"{low} to {high}"
            yield f"{record[column]} are not the {column} of '{kept}', {known}"
    if record["status"] != "diverged" and (record["status"] == "empty-layer") != is_cut_off(run.network, units):
        yield f"the status of '{kept}' is not '{record['status']}'"


def foreign_values(record: dict[str, Any], run: Run, entry: Experiment) -> Iterator[str]:
    """What does not belong to the experiment of the table that the row names."""
    for column, values in table_values(entry).items():
        value = f"{record[column]:{FLOAT_FORMAT}}" if column == "p" else record[column]
        if value not in values:
            yield f"the experiment '{entry.name}' has no {column} '{value}', but {', '.join(sorted(values))}"
    if record["curve"] != entry.curve(run):
        yield f"this run of '{entry.name}' belongs to the curve '{entry.curve(run)}', not '{record['curve']}'"
    if record["epochs"] > entry.recipe.max_epochs:
        yield f"a training of '{entry.name}' has at most {entry.recipe.max_epochs} epochs, not {record['epochs']}"


@lru_cache(maxsize=64)
def table_values(entry: Experiment) -> dict[str, set[str]]:
    """The values of an experiment in each column that it fixes or varies. Its recipe may be of an older definition."""
    definitions = range(1, Recipe().definition + 1)
    return {
        "data": {entry.data},
        "network": {entry.network},
        "metric": set(entry.metrics),
        "p": {format(math.nan if p is None else p, FLOAT_FORMAT) for p in entry.p},
        "schedule": {entry.schedule},
        "selection": set(entry.selection),
        "score": set(entry.score),
        "initial": set(entry.initial),
        "stop": set(map(str, entry.stops)),
        "recipe": {replace(entry.recipe, definition=number).digest for number in definitions},
    }


def impossible_values(record: dict[str, Any]) -> Iterator[str]:
    """Values that no training and no measurement can have."""
    for column in ACCURACIES:
        if not 0 <= record[column] <= 1:
            yield f"the {column} is {record[column]:{FLOAT_FORMAT}}, and lies between 0 and 1"
    for column in LOSSES:
        if record[column] < -1e-6:  # rounding alone can make 0 a little less
            yield f"the {column} is {record[column]:{FLOAT_FORMAT}}, and a cross-entropy is at least 0"
    if record["status"] not in STATUSES:
        yield f"'{record['status']}' is no status, which are {', '.join(STATUSES)}"
    finite = math.isfinite(record["train_loss"]) and math.isfinite(record["validation_loss"])
    if finite == (record["status"] == "diverged") or (finite and not math.isfinite(record["test_loss"])):
        yield f"the status '{record['status']}' does not fit the losses"
    if record["device"] not in DEVICES:
        yield f"'{record['device']}' is no device, which are {' and '.join(DEVICES)}"
    if record["epochs"] < 1:
        yield "a training has at least one epoch"
    if not 0 <= record["seconds"] < math.inf:
        yield f"a training does not take {record['seconds']} seconds"
    if record["processor_seconds"] < 0:
        yield f"a training does not take {record['processor_seconds']} seconds of a processor"
    for column, digits in (("recipe", 12), ("data_sha256", 64)):
        if not re.fullmatch(f"[0-9a-f]{{{digits}}}", record[column]):
            yield f"'{record[column]}' is no {column} of {digits} hexadecimal digits"
    if record["data"] in DATA_FACTS:
        yield from impossible_values_on(DATA_FACTS[record["data"]], record)
    try:
        datetime.fromisoformat(record["created"])
    except ValueError:
        yield f"'{record['created']}' is no date and time"


def impossible_values_on(known: DataFacts, record: dict[str, Any]) -> Iterator[str]:
    """Values that no network can have on a data set whose images are counted."""
    if known.sha256 and record["data_sha256"] != known.sha256:
        yield f"the data_sha256 is not that of '{record['data']}', which begins with {known.sha256[:12]}"
    for column in ACCURACIES:
        images = known.images[column.split("_")[-2]]
        right = record[column] * images
        if abs(right - round(right)) > images * ROUNDING:
            yield f"the {column} {record[column]:{FLOAT_FORMAT}} is no whole number of images of {images:,}"
    learnt_nothing = record["test_accuracy"] <= known.chance + DEAD_MARGIN
    if record["status"] in ("ok", "collapsed") and learnt_nothing != (record["status"] == "collapsed"):
        yield (
            f"the status '{record['status']}' does not fit the test_accuracy {record['test_accuracy']:{FLOAT_FORMAT}}, "
            f"where {known.chance + DEAD_MARGIN:{FLOAT_FORMAT}} and less is collapsed"
        )


def follows_rule(run: Run, metric: str, widths: tuple[int, ...], cycle: int, units: tuple[int, ...]) -> bool:
    """Whether the pruning rule leaves these units in a cycle. Either scope will do for a metric of somebody's own."""
    scopes = (metrics[metric].scope,) if metric in metrics else ("global", "layer")
    for scope in scopes:
        course = units_left(widths if scope == "layer" else (sum(widths),), run.schedule, run.p)
        given = units if scope == "layer" else (sum(units),)
        if cycle < len(course) and course[cycle] == given:
            return True
    return False


@lru_cache(maxsize=256)
def known_network(data: str, name: str) -> Network | None:
    """The network for a data set whose images the package knows without reading them; None for any other."""
    kind, _, first = data.partition(":")
    if kind not in DATA_FACTS or not re.fullmatch(r"\d{0,5}", first):
        return None
    known = DATA_FACTS[kind]
    classes = int(first or known.classes)
    if not 2 <= classes <= known.classes:
        raise InputError(f"'{data}' has no classes to tell apart, or more than the {known.classes} there are")
    return describe(name, known.shape, classes)


@lru_cache(maxsize=4096)
def possible_counts(network: Network, units: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The least and the most (parameters, macs) of a network with so many units in its masked layers.

    They differ only where values are added: how many channels a sum keeps depends on which ones its inputs keep.
    """
    found = []
    for most in (False, True):
        width = dict(zip(network.masked_layers, units, strict=True))
        for i, layer in enumerate(network.layers):
            if layer.kind == "sum":
                added = [width[source] for source in network.sources(i)]
                width[i] = min(layer.units, sum(added)) if most else max(added)
            width.setdefault(i, layer.units)
        layers = tuple(replace(layer, units=width[i], places=()) for i, layer in enumerate(network.layers))
        cost = counts(replace(network, layers=layers))
        found.append((cost.parameters, cost.macs))
    return found[0], found[1]


@lru_cache(maxsize=4096)
def is_cut_off(name: str, units: tuple[int, ...]) -> bool:
    """Whether so many units leave no path from the images to the output; which ones they are has no say."""
    network = describe(name, LARGE_SHAPE, 10)
    return cut_off(network, Mask(np.arange(width) < n for n, width in zip(units, network.widths, strict=True)))


def faults_of_run(run: pd.DataFrame) -> Iterator[tuple[int, str]]:
    """Rows of one run, in the order of their cycles, that cannot stand beside the others."""
    rows = row_dicts(run)
    stop = Stop.parse(rows[0]["stop"])
    cycles: list[CyclePoint] = []
    for i, (row, record) in enumerate(zip(run.index, rows, strict=True)):
        if record["cycle"] != i:
            yield int(row), f"cycle {record['cycle']} of its run stands here, but cycle {i} is missing"
            return
        before = rows[i - 1] if i else None
        if before and has_ended(stop, cycles, before):
            yield int(row), f"its run ended with cycle {i - 1}, by its stop '{stop}' or for lack of a network"
            return
        if before and any(now > then for now, then in zip(*map(units_of, (record, before)), strict=True)):
            yield int(row), f"'{before['units_per_layer']}' cannot become '{record['units_per_layer']}'"
        # A digit that the file left out must not make a run end too early.
        cycles.append(CyclePoint(record["fraction_remaining"], record["validation_accuracy"] + ROUNDING * (i > 0)))


def row_dicts(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table, each as a dictionary from column to value."""
    return [{str(column): value for column, value in record.items()} for record in table.to_dict("records")]


def units_of(record: dict[str, Any]) -> list[int]:
    """The units of each masked layer, from "40+40"."""
    return [int(units) for units in record["units_per_layer"].split("+")]
