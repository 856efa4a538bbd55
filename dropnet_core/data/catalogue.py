"""Data sets by name."""

import inspect
import os
from collections.abc import Callable

from dropnet_core.basics.errors import InputError
from dropnet_core.basics.registry import Registry
from dropnet_core.data.cifar import cifar10
from dropnet_core.data.dataset import DataSet
from dropnet_core.data.glyphs import glyphs
from dropnet_core.data.imagefolder import imagefolder
from dropnet_core.data.mnist import mnist, mnist5k
from dropnet_core.data.tinyimagenet import tinyimagenet

Loader = Callable[..., DataSet]

LARGEST_SIZE = 4_096  # pixels a side; one image in colour has 50 MB

DATA_SETS: Registry[Loader] = Registry("data set")


def register(name: str, loader: Loader, *, replace: bool = False) -> None:
    """Make a data set loadable under a name of its own.

    The loader returns a `DataSet`. It takes none, some or all of the parameters `path` (str, what follows
    "name:"), `size` (int) and `colour` (bool); `load` hands over those that the user gave. Raises InputError
    if the name is taken, unless replace is True, or if it holds a colon.
    """
    if ":" in name:
        raise InputError(f"a data set's name cannot hold ':' ('{name}'); a path or a number of classes follows it")
    DATA_SETS.add(name, loader, replace=replace)


def load(name: str, *, size: int | None = None, colour: bool | None = None) -> DataSet:
    """The data set with this name: mnist5k, mnist, cifar10, tinyimagenet, glyphs, imagefolder:PATH, or one registered.

    A number behind a name without a path, as in "tinyimagenet:20", keeps the first classes only: the same images in
    the same splits and order, as far as they are of these classes.

    size    height and width of the images in pixels, where the data set leaves a choice
    colour  three channels (True) or one (False), where the data set leaves a choice

    Raises InputError for an unknown name, a path, size or colour that this data set does not take, a size
    below 1 or above LARGEST_SIZE, images that do not fit into the memory, less than two or more than all
    classes, and whatever is wrong with the files.
    """
    kind, _, path = name.partition(":")
    if kind not in DATA_SETS and name and os.path.exists(os.path.expanduser(name)):
        raise InputError(f"'{name}' is the name of no data set; for images in a folder or zip: 'imagefolder:{name}'")
    loader = DATA_SETS[kind]
    takes = inspect.signature(loader).parameters
    classes, path = (path, "") if path.isdecimal() and "path" not in takes else ("", path)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= LARGEST_SIZE):
        raise InputError(
            f"size must be a whole number of pixels, at least 1 and at most {LARGEST_SIZE:,}, not {size!r}"
        )
    given = {"path": path or None, "size": size, "colour": colour}
    for option, value in given.items():
        if value is not None and option not in takes:
            raise InputError(f"the data set '{kind}' takes no {option} (got {value!r}); leave it out")
    if "path" in takes and not path:
        raise InputError(f"the data set '{kind}' needs a path: write {kind}:PATH")
    try:
        data = loader(**{option: value for option, value in given.items() if value is not None})
    except MemoryError:
        raise InputError(f"the images of '{name}' do not fit into the memory; give a smaller size, or less") from None
    return data.first(int(classes)) if classes else data


register("mnist5k", mnist5k)
register("mnist", mnist)
register("cifar10", cifar10)
register("tinyimagenet", tinyimagenet)
register("glyphs", glyphs)
register("imagefolder", imagefolder)
