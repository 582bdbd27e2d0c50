"""The database connection of a request: opened by its first query, kept for its thread's next.

A new connection costs PostgreSQL a process, and this process has to learn every table again: 20 to
30 ms a page. A new one of SQLite begins without the parts of the file that the last one had read.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from peewee import DatabaseError, InterfaceError

from app.models.base import db, is_postgres

# After this time without a request, a firewall may have dropped it without a word.
_MOST_IDLE_S = 60


class _Kept(threading.local):
    """The connection that a request of this thread left open, when, and to which file."""

    connection: object = None
    at = 0.0
    file: object = None


_kept = _Kept()


def begin() -> bool:
    """Close what this thread kept if it is of no use any more.

    Return whether an open connection is the caller's own, as that of a command, to be left alone.
    """
    kept, _kept.connection = _kept.connection, None
    if db.is_closed():
        return False
    if db.connection() is not kept:
        return True
    if not _is_usable():
        db.close()
    return False


def end(*, has_failed: bool) -> None:
    """Keep the connection that the request opened or used, unless something is wrong with it."""
    if db.is_closed():
        return
    if has_failed or db.in_transaction():
        db.close()
        return
    _kept.connection, _kept.at, _kept.file = db.connection(), time.monotonic(), _file()


def _is_usable() -> bool:
    if time.monotonic() - _kept.at > _MOST_IDLE_S:
        return False
    if not is_postgres():
        return _kept.file == _file()
    try:
        db.execute_sql("SELECT 1")
    except (DatabaseError, InterfaceError):
        return False
    return True


def _file() -> tuple[int, int] | None:
    """Return which file SQLite's database is: another may have been put in its place."""
    if is_postgres():
        return None
    try:
        found = Path(db.database).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
