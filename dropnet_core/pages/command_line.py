"""The command line: python -m dropnet_core list | run | status | merge | verify | backup | prune."""

import io
import os
import sys
import warnings
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.places import results_folder
from dropnet_core.basics.plural import counted
from dropnet_core.experiments import plausible, results
from dropnet_core.experiments.experiment import experiment, experiment_names
from dropnet_core.experiments.making import check_same_settings, place_of
from dropnet_core.experiments.records import identity, read_records
from dropnet_core.experiments.settings import parse_seeds, parse_settings
from dropnet_core.pages.overview import listing, report
from dropnet_core.pages.prune_command import prune_, prune_options
from dropnet_core.running.forecast import forecast
from dropnet_core.running.run import PreparedExperiment, check_limits
from dropnet_core.running.store import Store, default_place
from dropnet_core.running.verification import missing_parts, name_matches, random_rows, verify

SHOWN = 10  # lines or names at the most, where there may be thousands
INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended


def run(arguments: Namespace) -> int:
    """Train what the store does not hold yet, and merge the records into the experiment's file."""
    settings = parse_settings(arguments.set)
    if arguments.seeds is not None:
        if "seeds" in settings:
            raise InputError("--seeds and --set seeds= give the seeds twice; leave one of them out")
        settings["seeds"] = parse_seeds(arguments.seeds)
    planned = experiment(arguments.name).variant(settings)
    deadline = check_limits(arguments.workers, arguments.minutes)
    folder = arguments.out or results_folder()
    results.check_writable(folder)
    store = Store(arguments.store)
    prepared = PreparedExperiment.of(planned, arguments.engine, arguments.device, arguments.workers)
    made = pd.DataFrame([identity(planned, each) for each in planned.runs()])
    check_same_settings(results.stored_records(planned.name, folder), made.assign(data_sha256=prepared.data.sha256))
    if arguments.dry_run:
        print(forecast(prepared, store, arguments.workers))
        return 0
    board, interrupted = prepared.board(store, deadline), False
    try:
        prepared.train(board, arguments.workers)
    except KeyboardInterrupt:
        interrupted = True
    complete, runs = len(board.finished), len(board.cycles)
    print(f"{planned.name}: {complete:,} of {runs:,} runs complete")
    if found := prepared.from_store(board):
        print(found)
    tell(results.add_records([prepared.records(board.cycles)], folder))
    if complete < runs:
        why = "interrupted" if interrupted else "the time budget is used up"
        print(f"{why}; the same command goes on from here")
    return INTERRUPTED if interrupted else 0


def tell(merged: Sequence[results.MergeReport]) -> None:
    """Print what became of merged rows."""
    for part in merged:
        print(part)
    if any(part.refused for part in merged):
        print("refused rows differ from those in the file, which stay; the command verify tells which are right")


def list_(arguments: Namespace) -> int:
    """Print the experiments of the table."""
    print(*listing(arguments.out or results_folder()), sep="\n")
    return 0


def status(arguments: Namespace) -> int:
    """Print what has been run."""
    print(*report(arguments.out or results_folder()), sep="\n")
    return 0


def merge(arguments: Namespace) -> int:
    """Merge files of records into the folder of results."""
    tables = [read_records(file) for file in arguments.files]
    for table in tables:
        plausible.check_plausible(table)
    tell(results.add_records(tables, arguments.out or results_folder()))
    return 0


def verify_(arguments: Namespace) -> int:
    """Compute rows again. Returns 1 if a row is wrong: on any machine, or beside what this kind of machine makes."""
    if arguments.rows < 1:
        raise InputError(f"--rows is a whole number of at least 1, not {arguments.rows}")
    table, settings = read_records(arguments.file), parse_settings(arguments.set)
    if table.empty:
        raise InputError(f"{arguments.file} holds no rows; there is nothing to verify")
    if found := plausible.faults(table):
        for row, fault in sorted(found.items())[:SHOWN]:
            print(f"{place_of(table, row)}: {fault}")
        print(f"{len(found)} of {len(table)} rows cannot come from any run: the file has been changed")
        return 1
    verdicts = []
    for verdict in verify(random_rows(table, arguments.rows, arguments.seed), settings):
        print(verdict, flush=True)
        verdicts.append(verdict)
    unequal = [verdict for verdict in verdicts if verdict.grade != "equal"]
    print(f"{len(verdicts) - len(unequal)} of {len(verdicts)} rows are equal")
    if any(not verdict.failed for verdict in unequal):
        print(
            "Rows made by PyTorch on another kind of machine, by another version or by an engine that is gone need not "
            "be equal: rounding differs there, and training amplifies it. Compare their means over seeds."
        )
    if failed := sum(verdict.same_bits for verdict in unequal):
        print(f"{failed} should be equal, made by the same arithmetic: the file or the code has changed")
    named = all([named_rightly(part, arguments.file, settings) for _, part in table.groupby("experiment")])
    return 0 if named and not any(verdict.failed for verdict in verdicts) else 1


def named_rightly(table: pd.DataFrame, file: Path, settings: dict[str, Any]) -> bool:
    """Say what the records of one experiment lack, and whether they bear the right name."""
    if missing := missing_parts(table):
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        print(f"not in the file, never run or deleted: {'; '.join(missing[:SHOWN])}{more}")
    name = table["experiment"].iloc[0]
    if file.stem != name and file.stem.partition("+")[0] in experiment_names():
        print(f"the file is named after the experiment '{file.stem}', and its rows after '{name}'")
        return False
    confirmed = name_matches(table, settings)
    if confirmed is None:
        print(
            f"the name '{name}' cannot be confirmed from these rows alone; repeat all --set of the run, "
            "for example --set metrics=min,max"
        )
    elif not confirmed:
        print(f"the name '{name}' does not follow from the rows' settings: they or the name have been changed")
    return confirmed is not False


def backup(arguments: Namespace) -> int:
    """Make one whole file of a store."""
    place = arguments.store or default_place()
    if not os.path.exists(place):
        raise InputError(f"there is no store {place}; name it with --store")
    with closing(Store(place, read_only=True)) as store:
        print(f"{arguments.file}: {counted(store.backup(arguments.file), 'outcome')} of the store {place}")
    return 0


class Parser(ArgumentParser):
    """A parser whose errors are told as all others are."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; '{self.prog} --help' explains")


def parser() -> Parser:
    """The commands and their arguments."""
    main = Parser("python -m dropnet_core", description="Run the experiments of DropNet and keep their records.")
    commands = main.add_subparsers(dest="command", required=True, metavar="command", parser_class=Parser)

    def command(name: str, action: object, text: str, example: str) -> Parser:
        added: Parser = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=f"example:\n  python -m dropnet_core {example}",
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.set_defaults(action=action)
        return added

    def out(added: Parser) -> None:
        added.add_argument("--out", type=Path, metavar="D", help="folder of records (default: the project's results/)")

    def store(added: Parser) -> None:
        added.add_argument(
            "--store", type=Path, metavar="F", help="file of outcomes (default: DROPNET_STORE, or in the cache)"
        )

    def settings(added: Parser) -> None:
        added.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE",
            help="another value of a setting, such as max_epochs=2, metrics=min,max or 'stop=kappa 0.95'",
        )  # fmt: skip

    out(command("list", list_, "print the experiments and which have records", "list"))

    example = "run mnist-fc40-fc40 --seeds 0-4 --workers 2 --minutes 30"
    add = command("run", run, "run an experiment, or what is left of it, and keep its records", example)
    add.add_argument("name", metavar="NAME", help="an experiment that `list` prints")
    add.add_argument("--seeds", metavar="S", help="such as 0-14 or 0,3,7 (default: the experiment's)")
    settings(add)
    add.add_argument("--minutes", type=float, metavar="M", help="start no training after this time")
    add.add_argument("--workers", type=int, default=1, metavar="N", help="processes; one a core (default: 1)")
    add.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N")
    add.add_argument("--engine", default="auto", metavar="E", help="auto, kernels, compact or reference")
    store(add)
    out(add)
    add.add_argument(
        "--dry-run",
        action="store_true",
        help="only say which trainings, minutes, memory are ahead; that takes a few timed epochs",
    )

    out(command("status", status, "print what has been run", "status"))

    add = command("merge", merge, "merge files of records into the results", "merge other/results/*.csv")
    add.add_argument("files", nargs="+", type=Path, metavar="FILE")
    out(add)

    example = "verify results/mnist-fc40-fc40.csv --rows 2"
    add = command("verify", verify_, "compute rows of a file again and compare", example)
    add.add_argument("file", type=Path, metavar="FILE")
    add.add_argument("--rows", type=int, default=3, metavar="N", help="how many, chosen at random (default: 3)")
    add.add_argument("--seed", type=int, default=0, metavar="S", help="of that draw (default: 0)")
    settings(add)

    add = command("backup", backup, "make one whole file of a store, to move or to keep", "backup moved.sqlite")
    add.add_argument("file", type=Path, metavar="FILE", help="the file to make; it must not be there yet")
    store(add)
    example = "prune my_networks.py:LeNet --data mnist5k --out small.safetensors"
    prune_options(command("prune", prune_, "make a network of your own smaller", example))
    return main


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command. Returns 0, 1 for a failed verification, 2 for bad input, 130 for Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as errors are told: the name of a file may be no text
    warnings.showwarning = lambda message, *rest: print(f"warning: {message}", file=sys.stderr)
    try:
        arguments = parser().parse_args(words)
        return int(arguments.action(arguments))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
