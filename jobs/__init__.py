"""Background jobs. Each gets ids, opens the database and calls the domain once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app import queue
from app.config import Config
from app.models.base import db, use_database


@contextmanager
def job_context(*, is_shared: bool = False) -> Iterator[Config]:
    """Yield the configuration, with a database connection of this job alone.

    rq forks for every job, and a connection opened before that would be shared. If `is_shared`,
    all threads of this job use the one connection (app/models/base.use_database).
    """
    config = Config.from_env()
    use_database(config.database_url, is_shared=is_shared)
    queue.use(queue.RedisBackend(config.redis_url))
    with db.connection_context():
        yield config
