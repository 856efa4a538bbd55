"""How many units go next."""

from collections.abc import Callable
from fractions import Fraction

from dropnet_core.basics.errors import InputError, unknown

Schedule = Callable[[int], int]
"""From the units that are left (of the network, or of one layer) to the share of them that goes. It may be 0:
whoever selects drops at least one unit all the same."""

SCHEDULES = ("fraction", "one_unit")


def fraction(p: float) -> Schedule:
    """The fraction p of what is left, rounded down (paper, Algorithm 1).

    Raises InputError unless 0 < p <= 1.
    """
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 < p <= 1:
        raise InputError(
            f"p is the fraction of the remaining units to drop, above 0 and at most 1, not {p!r}; the paper has 0.2"
        )
    exact = Fraction(repr(float(p)))  # the decimal number as written, so that 0.2 of 80 is 16 on every machine
    return lambda left: int(exact * left)


def one_unit() -> Schedule:
    """Nothing but the one unit that goes in any case (paper, section 5: the oracle experiments)."""
    return lambda left: 0


def schedule(name: str, p: float | None) -> Schedule:
    """The schedule called "fraction" (of p) or "one_unit". Raises InputError for another name or a bad p."""
    if name == "one_unit":
        return one_unit()
    if name != "fraction":
        raise unknown("schedule", name, SCHEDULES)
    if p is None:
        raise InputError("the schedule 'fraction' needs p, the fraction of the remaining units to drop in each cycle")
    return fraction(p)
