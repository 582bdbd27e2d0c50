"""What an error of the database, or of its driver, means."""

from __future__ import annotations

import sqlite3
from typing import Any

from peewee import DatabaseError, IntegrityError, InterfaceError

# Exceptions of an unavailable database; `trouble_of` distinguishes them from other errors.
OUTAGES = (DatabaseError, InterfaceError)
# The kinds of database trouble.
AWAY = "away"
READ_ONLY = "read_only"
DAMAGED = "damaged"
_SQLITE_TROUBLES = {
    sqlite3.SQLITE_BUSY: AWAY,
    sqlite3.SQLITE_CANTOPEN: AWAY,
    sqlite3.SQLITE_FULL: AWAY,
    sqlite3.SQLITE_IOERR: AWAY,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
# Classes of SQLSTATE: connection, resources, operator intervention.
_POSTGRES_AWAY = ("08", "53", "57")
_POSTGRES_READ_ONLY = "25006"
_POSTGRES_DAMAGED = "XX001"
# Only violations of a unique index or a primary key.
_SQLITE_DUPLICATES = (
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
)
_POSTGRES_DUPLICATE = "23505"


def trouble_of(error: Exception) -> str:
    """Return what is wrong with the database: AWAY (also locked or full), READ_ONLY or DAMAGED.

    Empty if the query itself was wrong.
    """
    cause = _driver_error(error)
    if isinstance(cause, sqlite3.Error):
        return _SQLITE_TROUBLES.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF, "")
    return "" if cause is None else _postgres_trouble(cause.sqlstate)


def _driver_error(error: Exception) -> Any:
    """Return what the driver raised, which may be wrapped more than once; None for other errors."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlite3.Error) or hasattr(cause, "sqlstate"):
            return cause
        cause = cause.__context__
    return None


def _postgres_trouble(sqlstate: str | None) -> str:
    # The driver has no code for a connection that broke or could not be opened.
    if sqlstate is None or sqlstate[:2] in _POSTGRES_AWAY:
        return AWAY
    if sqlstate == _POSTGRES_READ_ONLY:
        return READ_ONLY
    return DAMAGED if sqlstate == _POSTGRES_DAMAGED else ""


def is_duplicate(error: IntegrityError) -> bool:
    """Whether a row broke a unique index or a primary key, and no other constraint."""
    cause = _driver_error(error)
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode in _SQLITE_DUPLICATES
    return getattr(cause, "sqlstate", None) == _POSTGRES_DUPLICATE
