"""Work on many sites at once: waiting for sites overlaps, everything else takes turns.

Each site has a thread of its own. It has the turn while it runs Aura's code, and gives it up while
it waits for its site. So all threads share one database connection, and no other module has to know
of threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import wraps
from typing import Any, Protocol, TypeVar

from app.models.base import in_transaction

T = TypeVar("T")

# How many sites are asked at once.
PLACES = 64
# A site that takes longer gives its place to another, so that slow ones delay no others.
SLOW_AFTER_S = 2.0
# More threads than this never run, however many sites are slow.
MOST_THREADS = 256


class Overlapping(Protocol):
    """What the work applies to each function that waits for a site."""

    def __call__(self, ask: Callable[..., T], /) -> Callable[..., T]: ...


class Concurrently:
    """Calls `work` for each of some ids, in threads that take turns."""

    def __init__(
        self,
        work: Callable[[int, Overlapping], object],
        *,
        places: int = PLACES,
        slow_after_s: float = SLOW_AFTER_S,
    ) -> None:
        self._work, self._places, self._slow_after_s = work, places, slow_after_s
        self._turn = threading.Lock()
        self._running: dict[Future[object], float] = {}

    def run(self, ids: Iterable[int]) -> None:
        """Return when the work on all ids has ended.

        Raises: ExceptionGroup of what `work` raised. It does not keep the others from ending.
        """
        left, errors = deque(ids), []
        threads = ThreadPoolExecutor(MOST_THREADS)
        try:
            while left or self._running:
                while left and self._has_place():
                    self._running[threads.submit(self._run, left.popleft())] = time.monotonic()
                ended, _ = wait(self._running, self._slow_after_s / 4, FIRST_COMPLETED)
                for future in ended:
                    del self._running[future]
                    errors += [error] if (error := future.exception()) else []
        finally:
            # A job that is ended from outside does not wait for slow sites.
            threads.shutdown(wait=False, cancel_futures=True)
        if errors:
            raise BaseExceptionGroup("not all work was done", errors)

    def overlapping(self, ask: Callable[..., T], /) -> Callable[..., T]:
        """Return `ask` so that others have their turn meanwhile; its `nonce` is called in turn."""

        @wraps(ask)
        def overlapped(*args: Any, **options: Any) -> T:
            if in_transaction():
                raise RuntimeError("A transaction must not wait for a site.")
            if "nonce" in options:
                options["nonce"] = self._in_turn(options["nonce"])
            self._turn.release()
            try:
                return ask(*args, **options)
            finally:
                self._turn.acquire()

        return overlapped

    def _run(self, number: int) -> object:
        with self._turn:
            return self._work(number, self.overlapping)

    def _in_turn(self, call: Callable[[], T]) -> Callable[[], T]:
        def in_turn() -> T:
            with self._turn:
                return call()

        return in_turn

    def _has_place(self) -> bool:
        slow_since = time.monotonic() - self._slow_after_s
        fast = sum(began > slow_since for began in self._running.values())
        return fast < self._places and len(self._running) < MOST_THREADS
