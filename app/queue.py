"""The queue, and the only importer of rq and redis besides jobs/.

A job is the name of a function in jobs/tasks.py with ids as arguments, as JSON. A lost job costs
time only: the schedule finds what the database still waits for. So if the queue is down, this
is logged, and decisions stay in the database.

Write access to Redis must not be enough to run code here. rq imports any name it finds in a job, so
the existing jobs are listed here and any other is refused.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol

from redis import Redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app import logs

NAME = "aura"
JOB_TIMEOUT_S = 180
OPTIONS: dict[str, Any] = {
    "job_timeout": JOB_TIMEOUT_S,
    # Results are not needed, because the database has them.
    "result_ttl": 60,
    "failure_ttl": 7 * 24 * 3600,
}
# Longer limits for jobs that read the whole audit log, which report their progress, and for those
# that download large files.
_LONG_JOBS_S = {
    "compare_release": 8 * 60,
    "export_audit_log": 6 * 3600,
    "update_vulnerabilities": 30 * 60,
    "verify_audit_log": 6 * 3600,
}
_REDIS_ANSWERS_S = 5
# How long nothing is enqueued after Redis has not answered in that time.
_SPARED_S = 10
# A job that waits this long is enqueued again by the schedule, in case it was lost.
_WAITS_FOR_S = 300

# The key with the time when the scheduler last ran, for the page about the system.
SCHEDULE_SEEN = "aura:schedule-seen"

# The functions of jobs/tasks.py, which are all that a worker runs.
JOBS = frozenset(
    {
        "advance_rollout",
        "ask_wordpress_org",
        "check_change",
        "check_domains",
        "check_package",
        "check_uptime",
        "compare_release",
        "deliver_revocation",
        "run_diagnostics_on_site",
        "export_audit_log",
        "look_at_canary",
        "look_at_rollout",
        "look_at_pages",
        "pair_site",
        "prepare_report",
        "read_log",
        "recheck_site",
        "rotate_keys",
        "run_change",
        "send_email",
        "send_report",
        "send_webhook",
        "settle_change",
        "sync_site",
        "sync_sites",
        "update_vulnerabilities",
        "verify_audit_log",
    }
)
FUNCTIONS = frozenset(f"jobs.tasks.{name}" for name in JOBS)
# Each of these makes rq import another name, or send a request to any address.
_FOLLOW_UPS = (
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "webhooks",
)

_log = logging.getLogger(__name__)


class JobRefused(Exception):
    """The queue contains a job that Aura never enqueues."""


class KnownJob(Job):
    """A job of a closed list of functions, with ids as arguments and without callbacks."""

    @property
    def func(self) -> Callable[..., object]:
        """The function to call. Raises JobRefused for anything Aura does not enqueue."""
        if self.func_name not in FUNCTIONS or self.instance is not None:
            raise JobRefused(f"{self.func_name!r} is not one of Aura's jobs")
        if self.kwargs or not all(type(argument) is int for argument in self.args):
            raise JobRefused(f"{self.func_name} takes ids only")
        fields = self.to_dict(include_meta=False, include_result=False)
        if named := [name for name in _FOLLOW_UPS if fields.get(name)]:
            raise JobRefused(f"{self.func_name} comes with {', '.join(named)}")
        found: Callable[..., object] = super().func
        return found

    def perform(self) -> Any:
        """Run the job and log how it ended. The same job may be enqueued again from now on."""
        self.connection.delete(_waiting_key(self.func_name or "", self.args))
        began = time.monotonic()
        with log_context(self):
            try:
                result = super().perform()
            except Exception:
                _log.exception("The job failed.", extra=_duration(began))
                raise
            _log.info("The job ended: %s", result, extra=_duration(began))
        return result

    # A refused job fails, and rq would then import the callback that its payload names.

    @property
    def success_callback(self) -> None:
        return None

    @property
    def failure_callback(self) -> None:
        return None

    @property
    def stopped_callback(self) -> None:
        return None

    def send_webhooks(self, *args: Any, **more: Any) -> None:
        """Send nothing: every request of Aura's goes through app/http/egress.py."""


def log_context(job: Job) -> AbstractContextManager[None]:
    """Return a block whose log lines name a job and the ids of its rows."""
    ids = [argument for argument in job.args if type(argument) is int]
    return logs.context(job=str(job.func_name).removeprefix("jobs.tasks."), job_ids=ids)


def _duration(began: float) -> dict[str, int]:
    return {"duration_ms": round((time.monotonic() - began) * 1000)}


class KnownQueue(Queue):
    """A queue of jobs from the closed list."""

    job_class = KnownJob


class Backend(Protocol):
    """Where jobs go."""

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None: ...


class RedisBackend:
    """Enqueue with rq, as JSON instead of pickle; what waits already is not enqueued twice."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url)
        self._queue = open_queue(self._redis)
        self._silent_until = 0.0

    def put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
        """Enqueue a job. Raises: RedisError.

        A person may wait for hundreds of jobs, so a Redis that hangs is waited for only now and
        then.
        """
        if time.monotonic() < self._silent_until:
            raise RedisTimeout("It did not answer a moment ago.")
        try:
            self._put(name, ids, delay_s)
        except RedisTimeout:
            self._silent_until = time.monotonic() + _SPARED_S
            raise

    def _put(self, name: str, ids: tuple[int, ...], delay_s: int) -> None:
        path = f"jobs.tasks.{name}"
        options = {**OPTIONS, "job_timeout": _LONG_JOBS_S.get(name, JOB_TIMEOUT_S)}
        if delay_s:
            self._queue.enqueue_in(timedelta(seconds=delay_s), path, *ids, **options)
        elif self._redis.set(_waiting_key(path, ids), 1, nx=True, ex=_WAITS_FOR_S):
            self._queue.enqueue(path, *ids, **options)


def _waiting_key(path: str, ids: Iterable[object]) -> str:
    return f"aura:waiting:{path}:{','.join(map(str, ids))}"


_backend: Backend | None = None


def use(backend: Backend) -> None:
    """Bind this process to a queue; once, where the process starts."""
    global _backend
    _backend = backend


def enqueue(name: str, *ids: int, delay_s: int = 0) -> None:
    """Have `jobs.tasks.<name>(*ids)` called, not before `delay_s` seconds have passed.

    Call it after commit only. Never raises because Redis is down; raises ValueError for a
    job that is not listed, because no worker would run it.
    """
    if name not in JOBS:
        raise ValueError(f"{name} is missing from JOBS")
    if _backend is None:
        raise RuntimeError("No queue: call queue.use() where the process starts.")
    try:
        _backend.put(name, ids, delay_s)
    except RedisError as why:
        _log.warning("Queue unreachable, %s%s is left to the schedule: %s", name, ids, why)


def enqueue_rows(name: str, ids: Iterable[int]) -> int:
    """Enqueue a job for each of these rows, and return their number."""
    listed = list(ids)
    for row_id in listed:
        enqueue(name, row_id)
    return len(listed)


def connect(redis_url: str) -> Redis:
    """Return a client for the queue's Redis, which connects on first use."""
    return Redis.from_url(
        redis_url, socket_connect_timeout=_REDIS_ANSWERS_S, socket_timeout=_REDIS_ANSWERS_S
    )


def open_queue(connection: Redis) -> Queue:
    """Return the queue, whose jobs are stored as JSON."""
    return KnownQueue(NAME, connection=connection, serializer=JSONSerializer)
