"""Read the audit log row by row, as verification needs it: fast, and without building models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.models.base import db, is_postgres

_BATCH = 5000
_INDEXED = "seq, body, at, event, actor, site_id, client_id, kind, component, outcome"
_DETAILS = (
    "(SELECT d.seq, d.salt, d.body, a.body AS said FROM audit_detail d"
    " LEFT JOIN audit a ON a.seq = d.seq) AS kept"
)


def links(after: int, until: int) -> list[tuple[str, str, bytes]]:
    """Return `prev`, `hash` and body of the entries after one number and up to another."""
    body = "convert_to(body, 'UTF8')" if is_postgres() else "CAST(body AS BLOB)"
    statement = f"SELECT prev, hash, {body} {_span()}"
    rows: list[tuple[str, str, bytes]] = db.execute_sql(statement, (after, until)).fetchall()
    return rows


def numbers(after: int, until: int) -> list[int]:
    """Return the numbers of the entries after one number and up to another."""
    return [seq for (seq,) in db.execute_sql(f"SELECT seq {_span()}", (after, until)).fetchall()]


def indexed_rows(last: int) -> Iterator[tuple[Any, ...]]:
    """Return number, body and index columns of each entry up to `last`, in order."""
    return _rows(_INDEXED, "audit", last)


def detail_rows(last: int) -> Iterator[tuple[Any, ...]]:
    """Yield the private details up to `last`: number, salt, text and the entry's body.

    The body is None if the entry is missing.
    """
    return _rows("seq, salt, body, said", _DETAILS, last)


def last_erasure() -> int:
    """Return the number of the newest entry that records an erasure; 0 where there is none."""
    found = db.execute_sql("SELECT MAX(seq) FROM audit WHERE event = 'personal_data_erased'")
    return found.fetchone()[0] or 0


def table_definition() -> str:
    """Return the SQL of the table in SQLite, from its first parenthesis on.

    Empty if a view has taken the table's name.
    """
    cursor = db.execute_sql("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'audit'")
    row = cursor.fetchone()
    return "" if row is None else str(row[0]).partition("(")[2]


def _span() -> str:
    return f"FROM audit WHERE seq > {db.param} AND seq <= {db.param} ORDER BY seq"


def _rows(names: str, source: str, last: int) -> Iterator[tuple[Any, ...]]:
    """Read in batches; the first column is the number of the row."""
    after, p = 0, db.param
    while rows := db.execute_sql(
        f"SELECT {names} FROM {source} WHERE seq > {p} AND seq <= {p} ORDER BY seq LIMIT {_BATCH}",  # noqa: S608 -- our names of columns
        (after, last),
    ).fetchall():
        yield from rows
        after = rows[-1][0]
