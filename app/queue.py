"""The way into the queue, and the only importer of rq and redis beside jobs/.

A job is the name of a module in jobs/ and the ids it gets, as JSON. Losing one
costs time only: the sweep finds what the database still waits for. So a queue
that is down is logged, and what was decided stays decided.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer

NAME = "aura"
JOB_TIMEOUT_S = 180
OPTIONS: dict[str, Any] = {
    "job_timeout": JOB_TIMEOUT_S,
    # Results say nothing that the database does not say better.
    "result_ttl": 60,
    "failure_ttl": 7 * 24 * 3600,
}
_REDIS_ANSWERS_S = 5

_log = logging.getLogger(__name__)


class Backend(Protocol):
    """Where jobs go."""

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None: ...


class RedisBackend:
    """rq, with JSON instead of pickle: whoever can write to Redis must not run code here."""

    def __init__(self, redis_url: str) -> None:
        self._queue = open_queue(connect(redis_url))

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
        path = f"jobs.{name}.run"
        if delay_s:
            self._queue.enqueue_in(timedelta(seconds=delay_s), path, *ids, **OPTIONS)
        else:
            self._queue.enqueue(path, *ids, **OPTIONS)


_backend: Backend | None = None


def use(backend: Backend) -> None:
    """Bind this process to a queue; once, where the process starts."""
    global _backend
    _backend = backend


def enqueue(name: str, *ids: int, delay_s: int = 0) -> None:
    """Have `jobs.<name>.run(*ids)` called, not before `delay_s` seconds have passed.

    Call it after commit only. Never raises because Redis is down.
    """
    if _backend is None:
        raise RuntimeError("No queue: call queue.use() where the process starts.")
    try:
        _backend.put(name, ids, delay_s)
    except RedisError as why:
        _log.warning("Queue unreachable, %s%s is left to the sweep: %s", name, ids, why)


def connect(redis_url: str) -> Redis:
    """A client for the queue's Redis; opens a connection at first use."""
    return Redis.from_url(
        redis_url, socket_connect_timeout=_REDIS_ANSWERS_S, socket_timeout=_REDIS_ANSWERS_S
    )


def open_queue(connection: Redis) -> Queue:
    return Queue(NAME, connection=connection, serializer=JSONSerializer)
