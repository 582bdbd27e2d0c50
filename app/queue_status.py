"""The state of the queue, for people: what waits, what failed, and which processes live."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job
from rq.worker_registration import get_keys

from app import queue

_ISO_SECONDS = "%Y-%m-%dT%H:%M:%S"


class QueueUnreachable(Exception):
    """Redis does not answer; the text is its own, without the address of Redis."""


@dataclass(frozen=True)
class QueueStatus:
    """What Redis says about the queue. A time is None where there is nothing to name one of."""

    waiting: int
    delayed: int
    failed: int
    workers: int
    oldest_at: datetime | None
    worker_seen_at: datetime | None
    scheduler_seen_at: datetime | None


def read_status(redis_url: str) -> QueueStatus:
    """Ask Redis for the state of the queue.

    Raises: QueueUnreachable.
    """
    connection = queue.connect(redis_url)
    try:
        return _read(connection)
    except RedisError as why:
        raise QueueUnreachable(type(why).__name__) from why
    finally:
        connection.close()


def answers(redis_url: str) -> bool:
    """Whether Redis answers."""
    connection = queue.connect(redis_url)
    try:
        return bool(connection.ping())
    except RedisError:
        return False
    finally:
        connection.close()


def _read(connection: Redis) -> QueueStatus:
    found = queue.open_queue(connection)
    first = found.get_job_ids(0, 1)
    workers = get_keys(queue=found)
    # A worker that was killed may still be in the set, without anything about it.
    beats = (_time_in(connection, key, "last_heartbeat") for key in workers)
    seen = [beat for beat in beats if beat is not None]
    return QueueStatus(
        waiting=found.count,
        delayed=found.scheduled_job_registry.get_job_count(cleanup=False),
        failed=found.failed_job_registry.get_job_count(cleanup=False),
        workers=len(seen),
        oldest_at=_time_in(connection, Job.key_for(first[0]), "enqueued_at") if first else None,
        worker_seen_at=max(seen, default=None),
        scheduler_seen_at=_time(connection.get(queue.SCHEDULE_SEEN)),
    )


def _time_in(connection: Redis, key: object, field: str) -> datetime | None:
    """Return a time that rq keeps as a field of a hash."""
    return _time(connection.hget(str(_text(key)), field))


def _time(value: object) -> datetime | None:
    """Return a time that rq wrote; None for anything else, since others may write to Redis."""
    try:
        return datetime.strptime(_text(value)[:19], _ISO_SECONDS).replace(tzinfo=UTC)
    except ValueError:
        return None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
