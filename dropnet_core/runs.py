"""A run is one path of Algorithm 1; a job is one training it asks for; a cycle is what came of it."""

from dataclasses import dataclass, field

import numpy as np

from dropnet_core.basics.errors import InputError, unknown
from dropnet_core.basics.streams import stream
from dropnet_core.compaction import shrink
from dropnet_core.masks import Mask
from dropnet_core.metrics import SCORES, metrics
from dropnet_core.networks.plain import Network, Weights, glorot_bound, initial_weights
from dropnet_core.recipe import Recipe, digest
from dropnet_core.schedules import SCHEDULES, Schedule, schedule
from dropnet_core.selection import selections
from dropnet_core.stops import Stop
from dropnet_core.training import Outcome

LARGEST_SEED = 2**63 - 1  # what a column of whole numbers in a table of records can hold
MOST_RUNS = 5_000  # of one experiment; more are a slip of the keyboard and would fill the memory
INITIALS = ("rewind", "reinit", "small_reinit", "redraw")


@dataclass(frozen=True)
class Job:
    """One training. Its outcome depends on these fields and the data alone, never on other jobs.

    seed     names the order of the images where the recipe shuffles, and their augmentation
    weights  seed of the first weights
    needs    statistics wanted beyond the usual ones, such as "loss_without"
    """

    recipe: Recipe
    network: Network
    seed: int
    weights: int
    mask: Mask
    needs: tuple[str, ...] = ()

    def key(self, data_sha256: str, rounding: str = "") -> str:
        """What a store files the outcome under: 32 hexadecimal digits, equal for equal jobs on equal data.

        `rounding` names the arithmetic (see `provenance`); without it the key is that of version 0.1.0.
        """
        order = self.seed if self.recipe.seeded else None
        network = [self.network.name, self.network.shape, self.network.classes]
        settings = [
            self.recipe.changes(),
            network,
            order,
            self.weights,
            self.mask.text(),
            self.needs,
            data_sha256,
            *([rounding] if rounding else []),
        ]
        return digest(settings, digits=32)

    def first_weights(self) -> Weights:
        """The weights that training starts from, for the full network: float32, on the CPU.

        With the recipe's initial range "small" each weight matrix is scaled to the Glorot range of the fans that
        the mask leaves.
        """
        weights = initial_weights(self.network, self.weights)
        if self.recipe.initial_range == "small":
            small = shrink(self.network, self.mask).weight_shapes()
            for name, weight in weights.items():
                if name.endswith("weight"):
                    weights[name] = weight * (glorot_bound(small[name]) / glorot_bound(tuple(weight.shape)))
        return weights


@dataclass(frozen=True)
class Cycle:
    """One train-then-drop round: the mask that was trained and what came of it."""

    mask: Mask
    outcome: Outcome

    @property
    def fraction_remaining(self) -> float:
        return self.mask.fraction_remaining

    @property
    def validation_accuracy(self) -> float:
        return self.outcome.validation_accuracy

    @property
    def can_shrink(self) -> bool:
        """Whether a next mask can be chosen: some unit is left, and the scores are numbers."""
        return self.mask.units_remaining > 0 and not self.outcome.history.diverged


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
               layer drawn at random)

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
        if self.schedule == "one_unit":
            object.__setattr__(self, "p", None)  # it has no say, so it must not tell runs apart
        # Looking these up is the check: an unknown name raises.
        _ = metrics[self.metric], selections[self.selection], self.units_to_drop
        for kind, name, known in (
            ("schedule", self.schedule, SCHEDULES),
            ("score", self.score, SCORES),
            ("initial", self.initial, INITIALS),
        ):
            if name not in known:
                raise unknown(kind, name, known)
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
        return schedule(self.schedule, self.p)

    def drop(self, cycle: int, mask: Mask, outcome: Outcome) -> Mask:
        """The mask of the next cycle, from this cycle's mask and outcome."""
        draw = self.draw(cycle)
        return metrics[self.metric].drop(outcome.statistics, mask, self.units_to_drop, self.selection, self.score, draw)

    def draw(self, cycle: int) -> np.random.Generator:
        """The stream for random metrics and ties, named by seed, metric and cycle."""
        return stream(self.seed, "drop", self.metric, cycle)
