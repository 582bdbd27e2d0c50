"""Count the statements that peewee sends to the database."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """Collect the statements that peewee sends to the database."""
    statements: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            statements.append(str(record.args or record.msg))

    logger, collector = logging.getLogger("peewee"), Collector()
    before = logger.level
    logger.addHandler(collector)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield statements
    finally:
        logger.removeHandler(collector)
        logger.setLevel(before)
        logger.propagate = True
