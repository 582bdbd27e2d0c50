"""Run the same function in several processes at the same moment, on one database."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from typing import Any

from app import queue
from app.config import Config
from app.models.base import db, use_database
from tests.support.fakes import RecordingQueue

RACERS = 3
# The barrier at which all racing processes wait for each other.
_start: Any = None


def race(act: Callable[..., object], config: Config, *args: Any) -> list[object]:
    """Run `act(config, *args)` in several processes at once; return the result of each."""
    racers = [_racers().submit(_run, act, config, args) for _ in range(RACERS)]
    return [racer.result(60) for racer in racers]


def end_racers() -> None:
    """End the processes; a module that races does so after its last test."""
    _racers().shutdown()
    _racers.cache_clear()


@cache
def _racers() -> ProcessPoolExecutor:
    """Return the racing processes, which several tests share because they start slowly."""
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(RACERS)
    return ProcessPoolExecutor(RACERS, spawn, initializer=_take_place, initargs=(start,))


def _take_place(start: Any) -> None:
    global _start
    _start = start


def _run(act: Callable[..., object], config: Config, args: Any) -> object:
    use_database(config.database_url)
    queue.use(RecordingQueue())
    with db.connection_context():
        # No process passes the barrier twice before all have passed once, so each races once.
        _start.wait(30)
        return act(config, *args)
