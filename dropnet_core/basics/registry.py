"""Names for the things a user may add: metrics, data sets, engines."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from dropnet_core.basics.errors import InputError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """A table from name to entry whose look-up error names the nearest known entry."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T, *, replace: bool = False) -> None:
        """Add an entry. A notebook cell that is run twice passes replace=True.

        Raises InputError if the name is taken and replace is False.
        """
        if name in self._entries and not replace:
            raise InputError(f"the {self.kind} '{name}' exists already; choose another name or pass replace=True")
        self._entries[name] = entry

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise unknown(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)
