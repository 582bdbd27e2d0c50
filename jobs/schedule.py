"""The scheduler process: `python -m jobs.schedule`. rq's own cron, speaking JSON.

rq 3.0 puts cron jobs into the queue with pickle, whatever the workers read, and ends
when the queue is away; the two classes here change that and nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq.cron import CronJob, CronScheduler
from rq.exceptions import StopRequested
from rq.job import Job

from app import queue
from app.config import Config
from app.run import supervised
from jobs import periodic

EVERY_S = 60
_TRIES_AGAIN_S = 2.0


class JsonCronJob(CronJob):
    def enqueue(self, connection: Redis) -> Job:
        return queue.open_queue(connection).enqueue(self.func_name, **self.job_options)


class JsonCronScheduler(CronScheduler):
    def register(self, func: Callable, queue_name: str, **options: Any) -> CronJob:  # type: ignore[override]
        job = JsonCronJob(queue_name=queue_name, func=func, **options)
        self.get_jobs().append(job)
        return job

    def start(self) -> None:
        """Go round until told to stop; while the queue is away, wait for it."""
        self._is_over = is_away = False
        while not self._is_over:
            try:
                super().start()
            except RedisError as why:
                if not is_away and not self._is_over:
                    self.log.warning("The queue does not answer, the schedule waits: %s", why)
                is_away = True
                self._wait()

    def _wait(self) -> None:
        try:
            if not self._is_over:
                time.sleep(_TRIES_AGAIN_S)
        except StopRequested:
            self.log.info("Stopped while the queue was away.")

    def _request_stop(self, signum: int, frame: Any) -> None:
        self._is_over = True
        super()._request_stop(signum, frame)


def scheduler(connection: Redis) -> CronScheduler:
    """Everything that comes round every minute."""
    made = JsonCronScheduler(connection=connection, logging_level=logging.WARNING)
    for func in (
        periodic.due_syncs,
        periodic.due_goodbyes,
        periodic.lost_pairings,
        periodic.lost_syncs,
        periodic.lost_rotations,
        periodic.lost_examinations,
        periodic.lost_changes,
        periodic.due_policies,
        periodic.due_verification,
        periodic.due_exports,
    ):
        # A round nobody began within its minute is replaced by the next one.
        options = {**queue.OPTIONS, "ttl": EVERY_S}
        made.register(func, queue.NAME, interval=EVERY_S, **options)
    return made


def main() -> None:
    """Put due work into the queue until told to stop."""
    config = Config.from_env()
    supervised.end_with(config.supervisor_pid)
    scheduler(queue.connect(config.redis_url)).start()


if __name__ == "__main__":
    main()
