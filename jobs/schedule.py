"""The scheduler process: `python -m jobs.schedule` enqueues the periodic job every minute."""

from __future__ import annotations

import logging
import signal
import time
from contextlib import suppress

from redis import Redis
from redis.exceptions import RedisError

from app import queue
from app.config import Config
from app.models.base import utcnow
from app.run import supervisor

EVERY_S = 60
_RETRY_S = 2.0

_log = logging.getLogger(__name__)


def enqueue_periodic(connection: Redis) -> None:
    """Enqueue the periodic job. If no worker starts it within its minute, the next replaces it."""
    queue.open_queue(connection).enqueue(queue.PERIODIC, **queue.OPTIONS, ttl=EVERY_S)
    connection.set(queue.SCHEDULE_SEEN, utcnow().isoformat())


def run_schedule(connection: Redis) -> None:
    """Enqueue the periodic job every minute, without end; wait while Redis is unreachable."""
    is_away = False
    while True:
        try:
            enqueue_periodic(connection)
        except RedisError as why:
            if not is_away:
                _log.warning("Redis is unreachable, the schedule waits for it: %s", why)
            is_away = True
            time.sleep(_RETRY_S)
        else:
            is_away = False
            time.sleep(EVERY_S)


def main() -> None:
    """Enqueue the periodic job until SIGTERM or Ctrl-C."""
    config = Config.from_env()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    supervisor.end_with(config.supervisor_pid)
    with suppress(KeyboardInterrupt):
        run_schedule(queue.connect(config.redis_url))


if __name__ == "__main__":
    main()
