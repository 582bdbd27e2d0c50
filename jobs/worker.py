"""`python -m jobs.worker`: several workers, so that a long job delays only one.

Each worker is rq's own, which forks for each job. A worker that ends, as rq's do when Redis is away
at the wrong moment, is replaced and waits until Redis answers.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from redis import Redis
from redis.exceptions import RedisError
from rq import Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from app import logs, queue
from app.config import Config
from app.http.certificates import read_authorities
from app.run import parts
from app.run.supervisor import Supervisor, describe_exit

# Imported before the first fork, so that no job has to.
from jobs import tasks  # noqa: F401 -- see above

_RETRY_S = 2.0
# The longest pause between attempts to reach Redis; rq's default is a minute.
_LONGEST_RETRY_S = 4.0

# Its own name is __main__ when it is started alone.
_log = logging.getLogger("jobs.worker")


def make_worker(connection: Redis) -> Worker:
    """Return a worker that runs only the jobs listed in app/queue.py."""
    worker = Worker(
        [queue.NAME],
        connection=connection,
        job_class=queue.KnownJob,
        queue_class=queue.KnownQueue,
        serializer=JSONSerializer,
        work_horse_killed_handler=_log_killed_job,
    )
    worker.max_connection_wait_time = _LONGEST_RETRY_S
    return worker


def work(*, is_burst: bool = False) -> None:
    """Run jobs until asked to stop, or until none waits; a running job is finished first."""
    connection = queue.connect(Config.from_env().redis_url)
    _wait_for_redis(connection)
    logging.getLogger("rq.worker").addFilter(_is_new)
    make_worker(connection).work(burst=is_burst, logging_level="WARNING")


def _wait_for_redis(connection: Redis) -> None:
    is_away = False
    while True:
        try:
            connection.ping()
        except RedisError as why:
            if not is_away:
                _log.warning("Redis does not answer, jobs wait: %s", why)
            is_away = True
            time.sleep(_RETRY_S)
        else:
            break
    if is_away:
        _log.warning("Redis answers again, jobs continue.")


def _is_new(record: logging.LogRecord) -> bool:
    """Whether rq's record is no repetition of the failure that KnownJob has logged."""
    return not hasattr(record, "arguments")


def _log_killed_job(job: Job, _pid: int, status: int, _usage: object) -> None:
    ending = describe_exit(os.waitstatus_to_exitcode(status))
    with queue.log_context(job):
        _log.error("The job failed: its process %s.", ending)


def main() -> int:
    """Run several workers, as a process without web and scheduler."""
    config = Config.from_env()
    logs.configure("worker", as_json=config.logs_json)
    # Read before the first fork, too.
    read_authorities()
    supervisor = Supervisor(config)
    supervisor.run([parts.WORKER] * config.workers)
    return 1 if supervisor.why else 0


if __name__ == "__main__":
    sys.exit(main())
