"""A run is one course of Algorithm 1; a job is one training it asks for; a cycle is what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.registry import Registry
from dropnet_core.basics.streams import stream
from dropnet_core.masks import Mask
from dropnet_core.metrics import SCORES, metrics
from dropnet_core.prunable import Prunable, Weights
from dropnet_core.recipe import Recipe, digest
from dropnet_core.schedules import Schedule, schedules
from dropnet_core.selection import selections
from dropnet_core.stops import Stop
from dropnet_core.training import Outcome
from dropnet_core.unit_statistics import key_of, statistics

LARGEST_SEED = 2**63 - 1  # what a column of whole numbers in a table of records can hold
MOST_RUNS = 5_000  # of one experiment; more are a slip of the keyboard and would fill the memory
REINIT_SEED_OFFSET = 20  # the authors' code draws the new weights of seed s with seed s + 20

Kind = TypeVar("Kind", bound=Prunable)


@dataclass(frozen=True)
class Job(Generic[Kind]):
    """One training. Its outcome depends on these fields and the data alone, never on other jobs.

    seed     names the order of the images where the recipe shuffles, and their augmentation
    weights  seed of the first weights
    needs    statistics wanted beyond the usual ones, such as "loss_without"
    """

    recipe: Recipe
    network: Kind
    seed: int
    weights: int
    mask: Mask
    needs: tuple[str, ...] = ()

    def key(self, data_sha256: str, rounding: str = "") -> str:
        """What a store files the outcome under: 32 hexadecimal digits, equal for equal jobs on equal data.

        `rounding` names the arithmetic (see `provenance`); without it the key is that of version 0.1.0.
        """
        order = self.seed if self.recipe.seeded else None
        settings = [
            self.recipe.changes(),
            self.network.identity,
            order,
            self.weights,
            self.mask.text(),
            [key_of(need) for need in self.needs],
            data_sha256,
            *([rounding] if rounding else []),
        ]
        return digest(settings, digits=32)

    def first_weights(self) -> Weights:
        """The weights that training starts from, for the full network: float32, on the CPU."""
        small = self.mask if self.recipe.initial_range == "small" else None
        return self.network.first_weights(self.weights, small)


@dataclass(frozen=True)
class Cycle:
    """One train-then-drop round: the mask that was trained and what came of it."""

    mask: Mask
    outcome: Outcome

    @property
    def fraction_remaining(self) -> float:
        """Units kept / all units, between 0 and 1."""
        return self.mask.fraction_remaining

    @property
    def validation_accuracy(self) -> float:
        """Of the last epoch, between 0 and 1."""
        return self.outcome.validation_accuracy

    @property
    def can_shrink(self) -> bool:
        """Whether a next mask can be chosen: some unit is left, and the scores are numbers."""
        return self.mask.units_remaining > 0 and not self.outcome.history.diverged


Initial = Callable[[Job], Job]
"""From the job of a cycle, which trains its mask from the first weights of cycle 0, to the job that is recorded."""

initials: Registry[Initial] = Registry("initial")


def rewind(job: Job) -> Job:
    """The same weights as in cycle 0 (paper, Algorithm 1, step 1): that very job."""
    return job


def reinit(job: Job) -> Job:
    """The same mask, other first weights (paper, section 6)."""
    return replace(job, weights=job.seed + REINIT_SEED_OFFSET, needs=())


def small_reinit(job: Job) -> Job:
    """The same mask, other first weights, from the range of a small network's own fans."""
    return replace(reinit(job), recipe=replace(job.recipe, initial_range="small"))


def redraw(job: Job) -> Job:
    """The same first weights, as many units in each layer, but units drawn at random: the allocation without the score.

    Each layer has one random order for all cycles, of which a mask keeps the first: a dropped unit never comes back.
    """
    mask = Mask(
        stream(job.seed, "redraw", layer).permutation(len(units)) < units.sum()
        for layer, units in enumerate(job.mask.layers)
    )
    return replace(job, mask=mask, needs=())


for initial in (rewind, reinit, small_reinit, redraw):
    initials.add(initial.__name__, initial)


def recorded_job(initial: str, job: Job) -> Job:
    """The job that a run with this `initial` records in place of Algorithm 1's. InputError if it gives none."""
    recorded = initials[initial](job)
    if not isinstance(recorded, Job):
        raise InputError(f"initial='{initial}' must give a job for each job, not {recorded!r}; mend its function")
    return recorded


@dataclass(frozen=True)
class Run:
    """One seed, one metric, one reading of the rules; frozen, so that it can be the key of its records.

    selection  "exact" (the paper's words) or "authors" (their code, which spares a unit): no default, say which
    p          fraction of the remaining units that each cycle drops; None for the schedule "one_unit"
    score      "mean_of_abs" (paper) or "abs_of_mean" (authors' code); they differ only behind batch norm, and for
               apoz they are the share of zeros and the share of whole maps of zeros
    initial    what each cycle trains: "rewind" (the mask from the first weights of cycle 0) or a control that follows
               the masks of the rewound run: "reinit" (new first weights, seed + 20), "small_reinit" (the same with
               the range of a small network's own fans), "redraw" (the old first weights, but as many units of each
               layer drawn at random), or another name in `initials`

    Raises InputError for an unknown name or a value outside its range.
    """

    experiment: str
    data: str
    network: str
    metric: str
    seed: int
    selection: str
    p: float | None = 0.2
    schedule: str = "fraction"
    score: str = "mean_of_abs"
    initial: str = "rewind"
    stop: Stop = Stop("fraction", 0.1)
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        # Looking these up is the check: an unknown name raises.
        _ = selections[self.selection], self.units_to_drop, initials[self.initial]
        _ = [statistics[need] for need in metrics[self.metric].needs]
        share = self.units_to_drop(2) if callable(self.units_to_drop) else None
        if isinstance(share, bool) or not isinstance(share, int):
            raise InputError(
                f"the schedule '{self.schedule}' must give a function from units left to a whole number of them, and 2 "
                f"units left gave {share!r}; mend it"
            )
        if self.score not in SCORES:
            raise unknown("score", self.score, SCORES)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"a seed is a whole number of at least 0, and at most {LARGEST_SEED}, not {self.seed!r}")
        if self.initial != "rewind" and self.stop.rule == "kappa":
            raise InputError(
                f"with initial='{self.initial}' a run follows the rewound one, so kappa cannot stop it; "
                "stop at a fraction"
            )
        if self.recipe.initial_range != "full":
            raise InputError(
                "the range 'small' changes with each mask, so it rewinds to nothing; use initial='small_reinit'"
            )

    @property
    def units_to_drop(self) -> Schedule:
        """From the units that are left to the share of them that goes."""
        return schedules[self.schedule](self.p)

    def draw(self, cycle: int) -> np.random.Generator:
        """The stream for random metrics and ties, named by seed, metric and cycle."""
        return stream(self.seed, "drop", self.metric, cycle)
