"""Find changes of the database that leave no entry in the audit log."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from app.models.base import db

_WRITES = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)"?', re.IGNORECASE)
# Tables whose rows change without an action worth recording.
QUIET = {
    "user_session": "when a browser was last seen; its begin and end are entries",
    "refusal_count": "a counter; what was only counted becomes an entry",
    "login_failure": "a counter that slows guessing; a refusal is an entry",
    "passkey_challenge": "what a browser was given; its use, or its refusal, is an entry",
    "second_factor": "the handle that a browser is given with it; each factor is an entry",
    "pairing": "when a site is tried next; each call is an entry",
    "audit_log_export": "what was asked for; written and handed out are entries",
}


class Writes(threading.local):
    """The tables in which this thread has changed rows since `forget`; each thread has its own."""

    def __init__(self) -> None:
        self._kept: set[str] = set()
        self._open: set[str] = set()

    def forget(self) -> None:
        self._kept, self._open = set(), set()

    def note(self, table: str) -> None:
        (self._open if db.in_transaction() else self._kept).add(table)

    def commit(self) -> None:
        self._kept |= self._open
        self._open = set()

    def roll_back(self) -> None:
        self._open = set()

    @property
    def unrecorded(self) -> set[str]:
        """Return the tables that were changed without an entry."""
        return set() if "audit" in self._kept else self._kept - QUIET.keys()


@contextmanager
def watched() -> Iterator[Writes]:
    """Record every write to the bound database until the block ends."""
    writes, bound = Writes(), db.obj
    execute, commit, roll_back = bound.execute_sql, bound.commit, bound.rollback

    def noted(sql: str, *values: Any, **more: Any) -> Any:
        cursor = execute(sql, *values, **more)
        table = _WRITES.match(sql)
        if table and cursor.rowcount != 0:
            writes.note(table[1])
        return cursor

    def committed() -> Any:
        done = commit()
        writes.commit()
        return done

    def rolled_back() -> Any:
        writes.roll_back()
        return roll_back()

    with patch.multiple(bound, execute_sql=noted, commit=committed, rollback=rolled_back):
        yield writes
