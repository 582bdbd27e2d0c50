"""Have commits survive a power cut, before something outside of Aura depends on them."""

from __future__ import annotations

import os

from app.models.base import db, is_postgres


def make_durable() -> None:
    """Return once all that was committed is on the disk.

    PostgreSQL sees to it at each commit. In SQLite's WAL mode with `synchronous = normal`, the last
    commits may be in the memory of the operating system only
    (https://www.sqlite.org/pragma.html#pragma_synchronous).
    """
    if is_postgres():
        return
    try:
        wal = os.open(f"{db.database}-wal", os.O_RDONLY)
    except FileNotFoundError:
        # All of it is in the database file, which SQLite has synced.
        return
    try:
        os.fsync(wal)
    finally:
        os.close(wal)
