"""Work on many sites at once: waiting for sites overlaps, everything else takes turns.

Each site has a thread of its own. It has the turn while it runs Aura's code, and gives it up while
it waits for its site. So all threads share one database connection, and no other module has to know
of threads. Sites that share a server are asked a few at a time.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import wraps
from typing import Any, Protocol, TypeVar

from app.models.base import in_transaction

T = TypeVar("T")

# How many sites are asked at once.
PLACES = 64
# A site that takes longer gives its place to another, so that slow ones delay no others. Most sites
# answer sooner.
SLOW_AFTER_S = 0.5
# More threads than this never run, however many sites are slow.
MOST_THREADS = 256
# How many sites of one server are asked at once. A slow one keeps its place here.
PLACES_AT_A_SERVER = 4


class Overlapping(Protocol):
    """What the work applies to each function that waits for a site."""

    def __call__(self, ask: Callable[..., T], /) -> Callable[..., T]: ...


class _Waiting:
    """The ids that are not begun, by server. The servers get their next one in turn."""

    def __init__(self, ids: Iterable[int], servers: Mapping[int, str], most: int) -> None:
        self._most = most
        self._by_server: dict[Hashable, deque[int]] = {}
        for number in ids:
            # One whose server is not known waits for no other.
            self._by_server.setdefault(servers.get(number) or number, deque()).append(number)
        # Those with something left and a free place, each once.
        self._turns = deque(self._by_server)
        self._begun: Counter[Hashable] = Counter()

    def take(self) -> tuple[Hashable, int] | None:
        """Return a server and an id that begins there; None while all servers are busy."""
        if not self._turns:
            return None
        server = self._turns.popleft()
        left = self._by_server[server]
        number = left.popleft()
        self._begun[server] += 1
        if not left:
            del self._by_server[server]
        elif self._begun[server] < self._most:
            self._turns.append(server)
        return server, number

    def end(self, server: Hashable) -> None:
        """Take note that something which `take` returned has ended."""
        if self._begun[server] == self._most and server in self._by_server:
            self._turns.append(server)
        self._begun[server] -= 1

    def ids(self) -> list[int]:
        """Return the ids that are not begun."""
        return [number for left in self._by_server.values() for number in left]


class Concurrently:
    """Calls `work` for each of some ids, in threads that take turns.

    `servers` names the server of each id, as far as it is known. After `begin_within_s` nothing
    more begins, and `left` has the ids that did not.
    """

    def __init__(
        self,
        work: Callable[[int, Overlapping], object],
        *,
        servers: Mapping[int, str] | None = None,
        places: int = PLACES,
        slow_after_s: float = SLOW_AFTER_S,
        begin_within_s: float = math.inf,
    ) -> None:
        self._work, self._places, self._slow_after_s = work, places, slow_after_s
        self._servers, self._begin_within_s = servers or {}, begin_within_s
        self._turn = threading.Lock()
        # When each began, and at which server.
        self._running: dict[Future[object], tuple[float, Hashable]] = {}
        self._ended: queue.SimpleQueue[Future[object]] = queue.SimpleQueue()
        self.left: list[int] = []

    def run(self, ids: Iterable[int]) -> None:
        """Return when the work on all ids that began has ended.

        Raises: ExceptionGroup of what `work` raised. It does not keep the others from ending.
        """
        waiting, errors = _Waiting(ids, self._servers, PLACES_AT_A_SERVER), list[BaseException]()
        stops_at = time.monotonic() + self._begin_within_s
        threads = ThreadPoolExecutor(MOST_THREADS)
        try:
            while True:
                if time.monotonic() < stops_at:
                    self._begin(waiting, threads)
                if not self._running:
                    break
                for future in self._wait():
                    waiting.end(self._running.pop(future)[1])
                    errors += [error] if (error := future.exception()) else []
        finally:
            self.left = waiting.ids()
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

    def _begin(self, waiting: _Waiting, threads: ThreadPoolExecutor) -> None:
        while self._has_place() and (taken := waiting.take()) is not None:
            server, number = taken
            future = threads.submit(self._run, number)
            self._running[future] = (time.monotonic(), server)
            future.add_done_callback(self._ended.put)

    def _wait(self) -> Iterator[Future[object]]:
        """Yield what has ended; wait a little for the first, because a slow one gives up its place.

        `concurrent.futures.wait` would look at all that run each time that one ends.
        """
        with suppress(queue.Empty):
            yield self._ended.get(timeout=self._slow_after_s / 4)
            while True:
                yield self._ended.get_nowait()

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
        fast = sum(began > slow_since for began, _ in self._running.values())
        return fast < self._places and len(self._running) < MOST_THREADS
