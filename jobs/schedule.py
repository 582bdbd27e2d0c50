"""The scheduler process: `python -m jobs.schedule`. rq's own cron, speaking JSON.

rq 3.0 puts cron jobs into the queue with pickle, whatever the workers read; the
two classes here change that and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from redis import Redis
from rq.cron import CronJob, CronScheduler
from rq.job import Job

from app import queue
from app.config import Config
from jobs import sweep

EVERY_S = 60


class JsonCronJob(CronJob):
    def enqueue(self, connection: Redis) -> Job:
        return queue.open_queue(connection).enqueue(self.func_name, **self.job_options)


class JsonCronScheduler(CronScheduler):
    def register(self, func: Callable, queue_name: str, **options: Any) -> CronJob:  # type: ignore[override]
        job = JsonCronJob(queue_name=queue_name, func=func, **options)
        self.get_jobs().append(job)
        return job


def scheduler(connection: Redis) -> CronScheduler:
    """Everything that comes round every minute."""
    made = JsonCronScheduler(connection=connection, logging_level=logging.WARNING)
    for func in (
        sweep.due_syncs,
        sweep.due_goodbyes,
        sweep.lost_pairings,
        sweep.lost_syncs,
        sweep.lost_rotations,
        sweep.lost_examinations,
        sweep.lost_changes,
        sweep.due_policies,
        sweep.due_verification,
        sweep.due_exports,
    ):
        # A round nobody began within its minute is replaced by the next one.
        options = {**queue.OPTIONS, "ttl": EVERY_S}
        made.register(func, queue.NAME, interval=EVERY_S, **options)
    return made


def main() -> None:
    """Put due work into the queue until told to stop."""
    config = Config.from_env()
    scheduler(queue.connect(config.redis_url)).start()


if __name__ == "__main__":
    main()
