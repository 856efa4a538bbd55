"""Compiles this package's functions, once for each processor, and keeps what came out.

Numba's own cache watches the file in which a function stands, not the kernels that it calls from others, and it lies
beside the source, where an installation may not be written to. So these functions are kept in the user's cache folder,
in a folder named after all sources of the package.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from llvmlite import binding
from numba.core.codegen import get_host_cpu_features

from dropnet_core.basics.places import cache_folder

config: Any = numba.config  # its names are made when it is read, so type checkers know none
CPU_NAME = config.CPU_NAME or binding.get_host_cpu_name()
FEATURES = get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
WIDE = "+avx512f" in FEATURES
"""Whether there are registers of 16 floats, and 32 of them. Blocks are cut to fit; no number depends on it."""


@cache
def folder() -> Path:
    """Where compiled code is kept: below NUMBA_CACHE_DIR if that is set, else in the user's cache folder."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    text = b"".join(source.read_bytes() for source in sources) + numba.__version__.encode()
    base = Path(config.CACHE_DIR) if config.CACHE_DIR else cache_folder() / "compiled"
    return base / hashlib.sha256(text).hexdigest()[:12]


@contextmanager
def own_cache_folder() -> Iterator[None]:
    """Numba looks at its setting when a function is decorated, and nobody else's functions are to follow ours."""
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder())
    try:
        yield
    finally:
        config.CACHE_DIR = before


@cache
def writable() -> bool:
    """Whether what is compiled can be kept; where not, every process compiles anew."""
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
    if os.access(folder(), os.W_OK):
        return True
    warnings.warn(
        f"compiled kernels cannot be kept in {folder()}, so every process compiles them anew, which takes half a "
        "minute; name a folder that can be written to with NUMBA_CACHE_DIR",
        stacklevel=2,
    )
    return False


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call. Division by zero gives what floats give, as in NumPy."""
    with own_cache_folder():
        return numba.njit(cache=writable(), error_model="numpy", nogil=True)(function)
