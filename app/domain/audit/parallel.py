"""Read a large SQLite file with several processes.

They are forked, which takes milliseconds instead of seconds for imports. Each child opens its own
connection and never uses the inherited one.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from app.models import audit_chain
from app.models.audit_chain import Execute
from app.models.base import db, in_transaction, is_postgres

Part = TypeVar("Part")
Found = TypeVar("Found")

_execute: Execute


def processor_count() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_possible() -> bool:
    """Whether several processes would help and are safe.

    A child of a process with threads may inherit a lock that no thread releases. A child also sees
    only what is in the file.
    """
    return (
        not is_postgres()
        and not in_transaction()
        and Path(db.obj.database).is_file()
        and processor_count() > 1
        and "fork" in multiprocessing.get_all_start_methods()
        and threading.active_count() == 1
        and not multiprocessing.current_process().daemon
    )


def run_parts(read: Callable[[Execute, Part], Found], parts: Iterable[Part]) -> Iterator[Found]:
    """Yield the results of `read` for each part, in order; `read` receives a query executor.

    `read`, its arguments and its results have to be picklable. Raises what `read` raises, or
    BrokenExecutor if a child was killed.
    """
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(
        processor_count(), context, initializer=_start_reader, initargs=(db.obj.database,)
    ) as pool:
        yield from pool.map(_Reader(read), parts)


class _Reader:
    def __init__(self, read: Callable[[Execute, Any], Any]) -> None:
        self._read = read

    def __call__(self, part: Any) -> Any:
        return self._read(_execute, part)


def _start_reader(path: str) -> None:
    global _execute
    _execute = audit_chain.open_reader(path)
