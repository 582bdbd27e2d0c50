"""Processes that continuously write to a test's database, as a web process and workers do."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import SiteCalled
from app.models.base import db, transaction, use_database

_PAUSE_S = 0.01
_TIMEOUT_S = 60
_SPAWN = multiprocessing.get_context("spawn")


class BusyWriter:
    """A process that writes to one database after another, each for as long as a block lasts.

    Starting one costs seconds, so several tests share it.
    """

    def __init__(self) -> None:
        self._pipe, other_end = _SPAWN.Pipe()
        self._is_over = _SPAWN.Event()
        self._process = _SPAWN.Process(target=_serve, args=(other_end, self._is_over), daemon=True)
        self._process.start()

    @contextmanager
    def writing_to(self, config: Config) -> Iterator[None]:
        """Write until the block ends. Fails where a write failed, or none was made."""
        self._is_over.clear()
        self._pipe.send(config.database_url)
        self._expect("started")
        try:
            yield
        finally:
            self._is_over.set()
            self._expect("stopped")

    def stop(self) -> None:
        self._pipe.send("")
        self._process.join(_TIMEOUT_S)
        assert self._process.exitcode == 0

    def _expect(self, word: str) -> None:
        assert self._pipe.poll(_TIMEOUT_S), f"The writer has not {word}."
        answer = self._pipe.recv()
        assert answer == word, answer


@contextmanager
def busy_writers(config: Config, count: int = 3) -> Iterator[None]:
    """Have `count` processes write until the block ends; none of them may fail."""
    writers = [BusyWriter() for _ in range(count)]
    try:
        with ExitStack() as stack:
            for writer in writers:
                stack.enter_context(writer.writing_to(config))
            yield
    finally:
        for writer in writers:
            writer.stop()


def _serve(pipe: Any, is_over: Any) -> None:
    """Write to the database at each URL that arrives; an empty one ends the process."""
    while url := pipe.recv():
        try:
            _write(url, pipe, is_over)
            pipe.send("stopped")
        except Exception as why:  # noqa: BLE001 -- the test that waits has to see it
            pipe.send(repr(why))


def _write(url: str, pipe: Any, is_over: Any) -> None:
    use_database(url)
    with db.connection_context():
        _record_call()
        pipe.send("started")
        while not is_over.is_set():
            _record_call()
            time.sleep(random.uniform(0, 2 * _PAUSE_S))


def _record_call() -> None:
    event = SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=1)
    with transaction():
        audit.record(event, SYSTEM)
