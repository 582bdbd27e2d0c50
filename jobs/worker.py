"""`python -m jobs.worker`: several workers at once, so that a slow site holds up only one."""

from __future__ import annotations

import logging

from rq.serializers import JSONSerializer
from rq.worker_pool import WorkerPool

# Imported before the first fork, so that no job has to.
import jobs.check_change
import jobs.examine_site
import jobs.export_trail
import jobs.pair_site
import jobs.read_log
import jobs.rotate_keys
import jobs.run_change
import jobs.say_goodbye
import jobs.settle_change
import jobs.sweep
import jobs.sync_site
import jobs.verify_trail  # noqa: F401
from app import queue
from app.config import Config

WORKERS = 3


def main() -> None:
    """Work until told to stop; jobs under way are finished first."""
    config = Config.from_env()
    logging.getLogger("rq").setLevel(logging.WARNING)
    pool = WorkerPool(
        [queue.NAME],
        connection=queue.connect(config.redis_url),
        num_workers=WORKERS,
        serializer=JSONSerializer,
    )
    pool.start(logging_level="WARNING")


if __name__ == "__main__":
    main()
