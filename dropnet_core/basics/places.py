"""Where the project keeps things: the folder of results, the user's cache."""

import os
import sys
from pathlib import Path

from dropnet_core.basics.errors import InputError

RESULTS_VARIABLE = "DROPNET_RESULTS"


def expand_home(path: str | Path) -> Path:
    """A path with a leading "~" replaced by the home folder. Raises InputError where the system names none."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # a container's user may have neither HOME nor an entry among the users
        raise InputError(
            f"this user has no home folder, so '{path}' leads nowhere; set HOME, or XDG_CACHE_HOME for the cache "
            "alone, to a folder that can be written to"
        ) from error


def cache_folder() -> Path:
    """The user's cache folder for this project; it need not exist. Raises InputError without a home folder."""
    if sys.platform == "darwin":
        return expand_home("~/Library/Caches") / "dropnet"
    return Path(os.environ.get("XDG_CACHE_HOME") or expand_home("~/.cache")) / "dropnet"


def results_folder() -> Path:
    """The folder of committed results: DROPNET_RESULTS, else `results/` in the nearest parent folder.

    Parents of the working directory come first, then those of this package. A folder counts if it also holds
    the paper's numbers, `published/`, so that nobody else's results are touched.

    Raises InputError without one.
    """
    if named := os.environ.get(RESULTS_VARIABLE):
        folder = expand_home(named)
        if folder.is_dir():
            return folder
        raise InputError(f"{RESULTS_VARIABLE} names '{named}', which is no folder; correct or unset it")
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if (folder / "results" / "published").is_dir():
                return folder / "results"
    raise InputError(
        "found no folder 'results' with the published numbers above the working directory; "
        f"work inside a clone of the project or set {RESULTS_VARIABLE} to its folder 'results'"
    )
