"""What a user did wrong, said in words that name the cause and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Something the user gave cannot work. The message names the cause and what to do about it.

    What in a name of a file is no text stands in the message as an escape: every output can show it.
    """

    def __init__(self, message: object) -> None:
        super().__init__(str(message).encode("utf-8", "backslashreplace").decode("utf-8"))


def unknown(kind: str, name: object, known: Iterable[str]) -> InputError:
    """The error for a name nobody knows, with the nearest known one first.

    >>> print(unknown("metric", "mim", ["min", "max"]))
    unknown metric 'mim'; did you mean 'min'? Known: max, min
    """
    names = sorted(known)
    near = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return InputError(f"unknown {kind} '{name}'{hint} Known: {', '.join(names) or 'none'}")
