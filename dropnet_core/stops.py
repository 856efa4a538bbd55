"""When Algorithm 1 ends, and which of its cycles is the result."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dropnet_core.basics.errors import InputError, unknown

RULES = ("fraction", "kappa", "cycles")
READINGS = ("last_good", "already_trained", "one_more")


class TrainedCycle(Protocol):
    """What a stop looks at: one trained cycle."""

    @property
    def fraction_remaining(self) -> float:
        """Units kept / all units, between 0 and 1."""

    @property
    def validation_accuracy(self) -> float:
        """Of the last epoch, between 0 and 1."""


@dataclass(frozen=True)
class Stop:
    """A rule that looks at the cycles trained so far.

    rule     "fraction": end with the first cycle that has at most this fraction of units remaining (authors' code)
             "kappa": the validation accuracy has fallen to kappa times that of cycle 0, or lower (paper, Algorithm 1)
             "cycles": end after this many cycles, the unpruned one included
    value    the fraction (0 to 1), kappa (0 to 1), or the number of cycles
    reading  of kappa: what the paper's closing "run steps 1 to 3" returns. "already_trained": the cycle that fell,
             since it is trained; "one_more": the cycle after it; "last_good": the last cycle above the bound. The
             other rules have no say in it and leave it alone

    Raises InputError for an unknown rule or reading, or a value outside its range.
    """

    rule: str
    value: float
    reading: str = "last_good"

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise unknown("stop rule", self.rule, RULES)
        number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not number or not math.isfinite(self.value):
            raise InputError(f"the stop '{self.rule}' needs a finite number, not {self.value!r}")
        if self.rule == "fraction" and not 0 <= self.value < 1:
            raise InputError(
                f"a stop fraction lies at or above 0 and below 1, not {self.value}; the paper's code has 0.1"
            )
        if self.rule == "kappa" and not 0 < self.value <= 1:
            raise InputError(f"kappa lies above 0 and at most at 1, not {self.value}; try 0.95")
        if self.rule == "cycles" and (self.value < 1 or self.value != int(self.value)):
            raise InputError(f"the number of cycles is a whole number of at least 1, not {self.value}")
        if self.reading not in READINGS:
            raise unknown("reading of kappa", self.reading, READINGS)
        if self.rule != "kappa" and self.reading != READINGS[0]:
            raise InputError(f"only the stop 'kappa' has a reading; leave '{self.reading}' out of '{self.rule}'")

    def __call__(self, cycles: Sequence[TrainedCycle]) -> bool:
        """Whether the last of these cycles is the last to be trained."""
        if self.rule == "fraction":
            return cycles[-1].fraction_remaining <= self.value
        if self.rule == "cycles":
            return len(cycles) >= self.value
        fallen = self.first_fallen(cycles)
        return fallen is not None and (self.reading != "one_more" or fallen < len(cycles) - 1)

    def first_fallen(self, cycles: Sequence[TrainedCycle]) -> int | None:
        """The first pruned cycle whose validation accuracy is at most kappa times that of cycle 0."""
        bound = self.value * cycles[0].validation_accuracy
        return next((i for i, c in enumerate(cycles) if i and c.validation_accuracy <= bound), None)

    def result(self, cycles: Sequence[TrainedCycle]) -> int:
        """The index of the cycle that a finished run returns."""
        fallen = self.first_fallen(cycles) if self.rule == "kappa" else None
        if fallen is None:
            return len(cycles) - 1
        if self.reading == "last_good":
            return fallen - 1
        return min(fallen + (self.reading == "one_more"), len(cycles) - 1)

    def __str__(self) -> str:
        return f"{self.rule} {self.value}" + (f" {self.reading}" if self.rule == "kappa" else "")

    @classmethod
    def parse(cls, text: str) -> "Stop":
        """The stop written as "fraction 0.1", "kappa 0.95", "kappa 0.95 one_more" or "cycles 4".

        Raises InputError for any other text.
        """
        words = str(text).split()
        try:
            value = float(words[1])
        except (IndexError, ValueError):
            raise InputError(
                f"a stop reads 'fraction 0.1', 'kappa 0.95 last_good' or 'cycles 4', not '{text}'"
            ) from None
        if len(words) > 2 and words[0] in RULES and words[0] != "kappa":
            raise InputError(f"only the stop 'kappa' has a reading; leave '{words[2]}' out of '{words[0]}'")
        if len(words) > 3:
            raise InputError(f"a stop has at most three words, rule, value and reading, not '{text}'")
        return cls(words[0], int(value) if words[0] == "cycles" and value.is_integer() else value, *words[2:])
