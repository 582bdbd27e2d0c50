"""`python -m jobs.worker`: several workers, so that a long job delays only one.

They survive an outage of Redis, where rq's own workers would exit or return after a minute.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import Worker
from rq.serializers import JSONSerializer
from rq.worker_pool import WorkerPool

from app import queue
from app.config import Config
from app.http.certificates import read_authorities
from app.run import supervisor

# Imported before the first fork, so that no job has to.
from jobs import periodic, tasks  # noqa: F401 -- see above

WORKERS = 3
_MAINTENANCE_EVERY_S = 60


class ReconnectingWorker(Worker):
    """Reconnects to Redis within seconds, and exits when its pool exits."""

    max_connection_wait_time = 4.0

    def __init__(self, *args: Any, **options: Any) -> None:
        # Maintenance also restarts the process for delayed jobs if it died with Redis.
        super().__init__(*args, **{**options, "maintenance_interval": _MAINTENANCE_EVERY_S})

    def bootstrap(self, *args: Any, **more: Any) -> None:
        supervisor.end_with(os.getppid())
        super().bootstrap(*args, **more)


class ReconnectingPool(WorkerPool):
    """rq's pool; a worker that ended is replaced once the queue answers."""

    _is_away = False

    def check_workers(self, respawn: bool = True) -> None:
        super().check_workers(respawn=respawn and self._queue_answers())

    def start_worker(self, *args: Any, **more: Any) -> None:
        # RQ starts replacement workers with verbose logging.
        super().start_worker(*args, **{**more, "logging_level": "WARNING"})

    def _queue_answers(self) -> bool:
        was_away = self._is_away
        try:
            self.connection.ping()
            self._is_away = False
        except RedisError as why:
            self._is_away = True
            if not was_away:
                self.log.warning("Redis does not answer, jobs wait: %s", why)
            return False
        if was_away:
            self.log.warning("Redis answers again, jobs continue.")
        return True


def make_pool(connection: Redis, workers: int = WORKERS) -> ReconnectingPool:
    """Return the workers, which run only the jobs listed in app/queue.py."""
    return ReconnectingPool(
        [queue.NAME],
        connection=connection,
        num_workers=workers,
        worker_class=ReconnectingWorker,
        job_class=queue.KnownJob,
        queue_class=queue.KnownQueue,
        serializer=JSONSerializer,
    )


def main() -> None:
    """Work until asked to stop; running jobs are finished first."""
    config = Config.from_env()
    supervisor.end_with(config.supervisor_pid)
    logging.getLogger("rq").setLevel(logging.WARNING)
    # Read before the first fork, too.
    read_authorities()
    make_pool(queue.connect(config.redis_url)).start(logging_level="WARNING")


if __name__ == "__main__":
    main()
