"""What a function of a user's does, as plain values: equal for equal functions, in any process."""

from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from uuid import uuid4

LIBRARIES = frozenset(("builtins", "collections", "dropnet_core", "functools", "itertools", "math", "numpy", "torch"))
"""Whose functions count as known by their names."""


class Opaque(Exception):
    """Something whose behaviour cannot be read off."""


def fingerprint(function: FunctionType) -> object:
    """The instructions of a function, its defaults, what it closes over and the globals it names, those of functions of
    the user's too.

    Where something among them cannot be read, such as an object of a class of his own, it is a word that no other
    function has, nor the same one in another process: better to compute again than to take one for another.
    """
    try:
        return plain(function, ())
    except Opaque:
        return function.__dict__.setdefault("_fingerprint", uuid4().hex)


def plain(value: object, around: tuple[object, ...]) -> object:
    """A value as text and lists. `around` are the functions that it was reached through. Raises Opaque."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return repr(value)
    if isinstance(value, tuple | list):
        return [plain(item, around) for item in value]
    if isinstance(value, frozenset | set):
        return sorted(str(plain(item, around)) for item in value)  # their order is another in each process
    if isinstance(value, dict):
        return sorted([str(plain(name, around)), plain(item, around)] for name, item in value.items())
    if isinstance(value, ModuleType):
        return value.__name__
    module = getattr(value, "__module__", None) or ""
    if module.partition(".")[0] in LIBRARIES and hasattr(value, "__qualname__"):
        return f"{module}.{value.__qualname__}"
    if isinstance(value, CodeType):
        return [value.co_code.hex(), value.co_names, [plain(constant, around) for constant in value.co_consts]]
    if not isinstance(value, FunctionType):
        raise Opaque
    if value in around:
        return "itself"
    inside = (*around, value)
    named = {name: value.__globals__[name] for name in names(value.__code__) if name in value.__globals__}
    closed = [cell.cell_contents for cell in value.__closure__ or ()]
    return [plain(part, inside) for part in (value.__code__, value.__defaults__, value.__kwdefaults__, closed, named)]


def names(code: CodeType) -> Iterator[str]:
    """The names that a function and those written within it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names(constant)
