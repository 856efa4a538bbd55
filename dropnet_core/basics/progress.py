"""A bar over a whole experiment."""

import os
from types import TracebackType

# The plain bar: the notebook variant leaves a widget in the output, which is blank in a published book.
from tqdm.std import tqdm

QUIET_VARIABLE = "DROPNET_QUIET"


def quiet() -> bool:
    """Whether nobody wants to be told how far a run is."""
    return os.environ.get(QUIET_VARIABLE, "0") not in ("", "0")


class Bar:
    """One step for each finished run; between them the latest cycle's fraction remaining and accuracy.

    Silent where DROPNET_QUIET is set to anything but 0, as published and tested notebooks do.
    """

    def __init__(self, title: str, runs: int) -> None:
        self._bar = tqdm(total=runs, desc=title, unit="run", disable=quiet(), dynamic_ncols=True, mininterval=0.5)

    def cycle(self, number: int, fraction_remaining: float, test_accuracy: float) -> None:
        """Show what the latest cycle of any run gave."""
        self._bar.set_postfix_str(
            f"cycle {number}: {fraction_remaining:.3f} remaining, test accuracy {test_accuracy:.3f}"
        )

    def finished(self, runs: int) -> None:
        """Say how many runs have reached their stop."""
        self._bar.update(runs - self._bar.n)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
