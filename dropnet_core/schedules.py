"""How many units go next."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.registry import Registry

Schedule = Callable[[int], int]
"""From the units that are left (of the network, or of one layer) to the share of them that goes. It may be 0:
whoever selects drops at least one unit all the same."""


def fraction(p: float | None) -> Schedule:
    """The fraction p of what is left, rounded down (paper, Algorithm 1).

    Raises InputError unless 0 < p <= 1.
    """
    if p is None:
        raise InputError("the schedule 'fraction' needs p, the fraction of the remaining units to drop in each cycle")
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 < p <= 1:
        raise InputError(
            f"p is the fraction of the remaining units to drop, above 0 and at most 1, not {p!r}; the paper has 0.2"
        )
    exact = Fraction(repr(float(p)))  # the decimal number as written, so that 0.2 of 80 is 16 on every machine
    return lambda left: int(exact * left)


def one_unit(p: None = None) -> Schedule:
    """Nothing but the one unit that goes in any case (paper, section 5: the oracle experiments).

    Raises InputError for a p, which would have no say.
    """
    if p is not None:
        raise InputError(f"the schedule 'one_unit' drops one unit a cycle, so it has no p; use p=None, not {p!r}")
    return lambda left: 0


schedules: Registry[Callable[[Any], Schedule]] = Registry("schedule")
"""Each makes a schedule of a run's p."""
schedules.add("fraction", fraction)
schedules.add("one_unit", one_unit)
