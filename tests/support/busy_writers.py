"""Processes that write to a test's database all the time, as a web process and workers do."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.events import SiteCalled
from app.models.base import db, transaction, use_database

_PAUSE_S = 0.01


@contextmanager
def busy_writers(config: Config, count: int = 3) -> Iterator[None]:
    """Have `count` processes write until the block ends; none of them may fail."""
    spawn = multiprocessing.get_context("spawn")
    is_over, started = spawn.Event(), spawn.Barrier(count + 1)
    writers = [spawn.Process(target=_write, args=(config, started, is_over)) for _ in range(count)]
    for writer in writers:
        writer.start()
    started.wait(60)
    try:
        yield
    finally:
        is_over.set()
        for writer in writers:
            writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * count


def _write(config: Config, started: Any, is_over: Any) -> None:
    use_database(config.database_url)
    with db.connection_context():
        started.wait(60)
        while not is_over.is_set():
            with transaction():
                event = SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=1)
                audit.record(event, SYSTEM)
            time.sleep(random.uniform(0, 2 * _PAUSE_S))
