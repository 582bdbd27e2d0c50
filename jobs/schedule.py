"""The scheduler process: `python -m jobs.schedule` runs what is due by the clock.

It runs the periodic tasks itself, one after the other, and enqueues delayed jobs when their time
has come. Two schedulers on the same data do no harm: each task changes rows conditionally.
"""

from __future__ import annotations

import logging
import signal
import time
from contextlib import AbstractContextManager

from redis import Redis
from redis.exceptions import RedisError
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from app import logs, queue
from app.config import Config
from app.models.base import utcnow
from app.run.inbox import SignalInbox
from jobs import periodic

EVERY_S = 60
# How late a delayed job may be enqueued.
_DELAYED_EVERY_S = 2.0
_RETRY_S = 2.0

# Its own name is __main__ when it is started alone.
_log = logging.getLogger("jobs.schedule")


class Schedule:
    """What a scheduler does, step by step."""

    def __init__(self, connection: Redis) -> None:
        self._connection = connection
        self._delayed = RQScheduler(
            [queue.NAME], connection, logging_level="WARNING", serializer=JSONSerializer
        )
        self._due_at = time.monotonic()
        self._is_away = False

    def step(self) -> float:
        """Do what is due, and return in how many seconds to come back."""
        try:
            if time.monotonic() >= self._due_at:
                # Only who has rq's lock enqueues delayed jobs. It lasts for a minute.
                self._delayed.acquire_locks()
                self._due_at = time.monotonic() + EVERY_S
                self.run_periodic_tasks()
            self._delayed.enqueue_scheduled_jobs()
        except RedisError as why:
            if not self._is_away:
                _log.warning("Redis is unreachable, the schedule waits for it: %s", why)
            self._is_away = True
            return _RETRY_S
        self._is_away = False
        return _DELAYED_EVERY_S

    def run_periodic_tasks(self) -> None:
        """Run every periodic task, and leave the time of it for the page about the system.

        Raises: RedisError.
        """
        try:
            periodic.run(_limit)
        except Exception:  # noqa: BLE001 -- the others have run; this one is tried again
            _log.exception("A periodic task failed.")
        self._connection.set(queue.SCHEDULE_SEEN, utcnow().isoformat())


def _limit() -> AbstractContextManager[None]:
    """Return a block that raises JobTimeoutException when it takes as long as a job may."""
    penalty: AbstractContextManager[None] = UnixSignalDeathPenalty(
        queue.JOB_TIMEOUT_S, JobTimeoutException
    )
    return penalty


def run_schedule() -> None:
    """Do what is due until SIGTERM or Ctrl-C; what has begun is finished first."""
    schedule = Schedule(queue.connect(Config.from_env().redis_url))
    inbox = SignalInbox(signal.SIGINT, signal.SIGTERM)
    while not inbox.received:
        inbox.wait(schedule.step())


def main() -> None:
    """Run the schedule, as a process without a supervisor."""
    logs.configure("scheduler", as_json=Config.from_env().logs_json)
    run_schedule()


if __name__ == "__main__":
    main()
