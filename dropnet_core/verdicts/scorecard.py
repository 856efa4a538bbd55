"""Every claim judged: on the records of a folder, on the paper's own curves, and under the other reading of the code.

    card = scorecard()
    card.table()            one row for each claim
    card.tests("records")   one row for each test

Nothing here is typed in: verdicts follow from `results/` each time, so a file that goes or comes changes them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from dropnet_core.basics.errors import unknown
from dropnet_core.basics.places import results_folder
from dropnet_core.experiments.experiment import experiment, experiment_names
from dropnet_core.experiments.results import stored_records
from dropnet_core.verdicts import printed
from dropnet_core.verdicts.claims import claims
from dropnet_core.verdicts.evidence import Evidence, MissingEvidence, SeedEvidence
from dropnet_core.verdicts.primitives import margin_of
from dropnet_core.verdicts.verdict import VERDICTS, ClaimResult, EvidenceSource, judge_all
from dropnet_core.verdicts.words import PAPER_TERMS, paper_sentence, paper_words, records_sentence

SOURCES = ("records", "paper", "other")
TEST_COLUMNS = (
    "claim", "test", "kind", "experiment", "outcome", "effect", "lower", "upper", "p", "p_holm", "n", "margin",
    "seeds_needed", "collapsed", "reason",
)  # fmt: skip


Files = Callable[[str], pd.DataFrame]
"""From the name of an experiment to its records, perhaps none."""


def files_of(folder: Path) -> Files:
    """The records in a folder, each file read once. Raises InputError, naming the line, if a file is damaged."""
    return cache(lambda name: stored_records(name, folder))


def from_records(files: Files) -> EvidenceSource:
    """Evidence from records."""

    @cache
    def evidence(name: str) -> Evidence:
        table = files(name)
        if table.empty:
            raise MissingEvidence("no records")
        return SeedEvidence.of(table)

    return evidence


@cache
def other_reading(name: str) -> tuple[str, str] | None:
    """The experiment, and the end of its curves' names, that ran this one with another reading of the code.

    It is the one of the table that differs in nothing but having two selections, or two scores, one of them
    this experiment's. ("probe-selection-fc40-fc40", "@exact") for mnist-fc40-fc40; None where there is none.
    """
    one = experiment(name)
    for probe in map(experiment, experiment_names()):
        for field in ("selection", "score"):
            (own, *more), both = getattr(one, field), getattr(probe, field)
            alike = ("data", "network", "p", "schedule", "initial", "stops", "recipe", "selection", "score")
            same = all(getattr(one, part) == getattr(probe, part) for part in alike if part != field)
            if same and not more and own in both and len(both) == 2 and set(probe.metrics) <= set(one.metrics):
                return probe.name, "@" + next(reading for reading in both if reading != own)
    return None


def with_other_reading(files: Files) -> EvidenceSource:
    """Evidence from the same records, with the other reading of the code in each experiment that was run so."""
    usual = from_records(files)

    @cache
    def evidence(name: str) -> Evidence:
        other = other_reading(name)
        table = files(other[0]) if other else None
        return usual(name) if other is None or table is None or table.empty else SeedEvidence.of(table, other[1])

    return evidence


@dataclass(frozen=True)
class Scorecard:
    """All claims by id, judged on records, on the paper's own numbers, and under the other reading of the code.

    `other` has the claims of which an experiment was run in another reading, too.
    """

    records: Mapping[str, ClaimResult]
    paper: Mapping[str, ClaimResult]
    other: Mapping[str, ClaimResult]

    def on(self, source: str) -> Mapping[str, ClaimResult]:
        """The claims as judged on "records", "paper" or "other". Raises InputError for another name."""
        if source not in SOURCES:
            raise unknown("source", source, SOURCES)
        return {"records": self.records, "paper": self.paper, "other": self.other}[source]

    def family(self, letter: str) -> "Scorecard":
        """The claims whose ids begin with a letter."""

        def among(judged: Mapping[str, ClaimResult]) -> dict[str, ClaimResult]:
            return {name: found for name, found in judged.items() if name.startswith(letter)}

        return Scorecard(among(self.records), among(self.paper), among(self.other))

    def table(self) -> pd.DataFrame:
        """One row for each claim.

        Columns: id, source, statement, verdict (on our records), paper (the same rule on the paper's own
        numbers), other (under the other reading; "" where there is none), depends (whether a verdict or a
        test's outcome differs between the readings), tests (how many), judged (how many of them on our
        records), n (the fewest seeds of these), seeds_needed (the most that an open one asks for), reason and
        paper_reason (what the tests alone do not explain), note.
        """
        rows = []
        for name, judged in self.records.items():
            claim, theirs, other = judged.claim, self.paper[name], self.other.get(name)
            made = [test.decision for test in judged.tests if test.decision]
            rows.append(
                {
                    "id": name,
                    "source": claim.source,
                    "statement": claim.statement,
                    "verdict": judged.verdict,
                    "paper": PAPER_TERMS.get(theirs.verdict, theirs.verdict),
                    "other": other.verdict if other else "",
                    "depends": bool(other) and self.depends(name),
                    "tests": len(judged.tests),
                    "judged": len(made),
                    "n": min((decision.n for decision in made), default=0),
                    "seeds_needed": max((d.seeds for d in made if d.seeds == d.seeds), default=float("nan")),
                    "reason": judged.reason,
                    "paper_reason": "; ".join(f"{part}: {paper_words(said)}" for part, said in theirs.parts.items())
                    or theirs.reason,
                    "note": claim.note,
                }
            )
        return pd.DataFrame(rows)

    def depends(self, name: str) -> bool:
        """Whether a claim's verdict, or the outcome of one of its tests, differs between two readings of the code."""
        ours, other = self.records[name], self.other.get(name)
        if other is None:
            return False
        outcomes = zip(ours.tests, other.tests, strict=True)
        return ours.verdict != other.verdict or any(a.outcome != b.outcome for a, b in outcomes)

    def tests(self, source: str = "records") -> pd.DataFrame:
        """One row for each test, in the order of the claims.

        Columns: claim, test (the call), kind, experiment, outcome, effect, lower and upper (95 % interval), p,
        p_holm (corrected over the claim), n (seeds), margin, seeds_needed (that would decide an open test with
        80 % power), collapsed (share of dead networks of each curve there), reason.
        """
        rows = []
        for name, judged in self.on(source).items():
            for test in judged.tests:
                made = test.decision
                outcome = PAPER_TERMS.get(test.outcome, test.outcome) if source == "paper" else test.outcome
                rows.append(
                    {
                        "claim": name,
                        "test": test.call.text,
                        "kind": test.call.kind,
                        "experiment": test.call.experiment,
                        "outcome": outcome,
                        "effect": made.effect if made else float("nan"),
                        "lower": made.lower if made else float("nan"),
                        "upper": made.upper if made else float("nan"),
                        "p": made.p if made else float("nan"),
                        "p_holm": made.corrected if made else float("nan"),
                        "n": made.n if made else 0,
                        "margin": made.margin if made else margin_of(test.call, judged.claim.margin),
                        "seeds_needed": made.seeds if made else float("nan"),
                        "collapsed": test.collapsed_text,
                        "reason": made.reason if made else test.missing,
                    }
                )
        return pd.DataFrame(rows, columns=list(TEST_COLUMNS))

    def counts(self) -> pd.DataFrame:
        """How many claims have each verdict: one row for each verdict, columns records and paper.

        The paper's column says what its own figures show: "confirmed" there is no second witness, and "not yet run"
        and "partly run" count what they do not show or only in part.
        """
        found = {
            source: [judged.verdict for judged in self.on(source).values()]
            for source in ("records", "paper")
        }  # fmt: skip
        rows = {said: {source: verdicts.count(said) for source, verdicts in found.items()} for said in VERDICTS}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("verdict")

    def sentences(self) -> tuple[str, str]:
        """The outcome in two plain sentences, for the book's introduction."""
        counts = self.counts()
        return records_sentence(counts["records"]), paper_sentence(counts["paper"], self.paper["J1"].verdict)


def scorecard(folder: Path | None = None) -> Scorecard:
    """All claims judged. `folder` holds the records; None means the project's results.

    The paper's numbers always come from the project's results. Raises InputError if a file of records is
    damaged, naming it and the line.
    """
    files = files_of(folder or results_folder())
    swapped = {name for name in experiment_names() if (other := other_reading(name)) and len(files(other[0]))}
    among = [claim for claim in claims() if claim.kind == "tested" and swapped & set(claim.experiments)]
    return Scorecard(
        judge_all(claims(), from_records(files)),
        judge_all(claims(), cache(printed.paper_evidence)),
        judge_all(among, with_other_reading(files)),
    )
