"""Measure this project's speed against the usual ways, side by side.

python -m benchmarks            everything: about twenty-five minutes on two idle cores
python -m benchmarks --quick    a look at whether it works: about a minute, and nothing is kept
python -m benchmarks PART ...   only schedule, steps, profile, memory, deep or agreement

What is measured again replaces what the same processor took before; rows of other processors stay.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic

from benchmarks import rows
from benchmarks.agreement import engine_agreement
from benchmarks.deep import deep
from benchmarks.memory import memory
from benchmarks.models import MODELS
from benchmarks.profile import profile
from benchmarks.rows import Row
from benchmarks.speed import Bench, schedules
from benchmarks.steps import steps
from dropnet_core.basics.errors import InputError

FILE = Path(__file__).resolve().parent.parent / "results" / "benchmarks" / "speed.csv"


def schedule_part(quick: bool) -> Iterator[Row]:
    """Whole schedules of the models in all ways, one round of two models if quick."""
    bench = Bench()
    others = bench.others()
    for model in [MODELS[name].roughly() for name in ("model1", "model2")] if quick else MODELS.values():
        yield from schedules(bench, model, rounds=1 if quick else 5, others=others)
    bench.close()


def steps_part(quick: bool) -> Iterator[Row]:
    """Training steps beside the limits of a core, one round of every fourth cycle if quick."""
    models = list(MODELS.values())
    yield from steps(models, rounds=1, every=4) if quick else steps(models, rounds=9)


def deep_part(quick: bool) -> Iterator[Row]:
    """ResNet18 and VGG19, a narrow ResNet18 alone if quick."""
    yield from deep({"ResNet18": "resnet18/16"}, (1.0, 0.25), rounds=1) if quick else deep()


BENCHMARKS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "schedule": schedule_part,
    "steps": steps_part,
    "profile": lambda quick: profile(0.05, 3) if quick else profile(),
    "memory": lambda quick: memory([MODELS["model1"]], 0.02) if quick else memory(list(MODELS.values())),
    "deep": deep_part,
    "agreement": lambda quick: engine_agreement(4, ["fc20-fc20"]) if quick else engine_agreement(),
}


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line; `words` stand in for its arguments. Raises InputError for a damaged table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed and memory side by side.")
    parser.add_argument("part", nargs="*", choices=[[], *BENCHMARKS], help="all of them if none is named")
    parser.add_argument("--quick", action="store_true", help="about a minute; nothing is kept")
    parser.add_argument("--out", type=Path, default=FILE, help="where the table is kept")
    arguments = parser.parse_args(words)
    table = rows.read_benchmarks(arguments.out)
    for part in arguments.part or BENCHMARKS:
        started = monotonic()
        measured = rows.benchmark_table(BENCHMARKS[part](arguments.quick))
        print(rows.as_text(measured), flush=True)
        print(f"{part}: {monotonic() - started:.0f} s\n", flush=True)
        table = rows.merge_benchmarks(table, measured)
        if not arguments.quick:
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(arguments.out, index=False, lineterminator="\n")
    if not arguments.quick:
        print("README.md and the page on speed follow with: make refresh")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
