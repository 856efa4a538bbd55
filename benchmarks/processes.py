"""Processes that stand by and do the same at once, so that every core is busy while a way is measured."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")

_barrier: Any = None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _enter(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _together(task: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    _barrier.wait()
    return task(*arguments)


class Crew:
    """So many fresh processes that carry out a task at the same time."""

    def __init__(self, count: int) -> None:
        context = get_context("spawn")
        self.count = count
        self._pool = ProcessPoolExecutor(count, context, initializer=_enter, initargs=(context.Barrier(count),))

    def do(self, task: Callable[..., T], *arguments: Any) -> list[T]:
        """What each process returns. The barrier keeps one process from taking two tasks."""
        futures = [self._pool.submit(_together, task, arguments) for _ in range(self.count)]
        return [future.result() for future in futures]

    def share(self, task: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> list[T]:
        """What the task returns for each of these arguments; a process that is free takes the next."""
        return [future.result() for future in [self._pool.submit(task, *one) for one in arguments]]

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown()
