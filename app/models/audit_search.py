"""The full-text and day indexes of the audit log, in the SQL of either database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from peewee import SQL, fn

from app.models.audit import AuditEntry, Day
from app.models.base import db, is_postgres

_FOUND_BY_SQLITE = "(SELECT rowid FROM audit_words WHERE audit_words MATCH ?)"
_FOUND_BY_POSTGRES = (
    "(SELECT seq FROM audit_words"
    " WHERE array_to_tsvector(string_to_array(words, ' ')) @@ %s::tsquery)"
)


def add_words(seq: int, words: str) -> None:
    """Index the words of an entry, and replace words of a removed entry with this number."""
    p = db.param
    if is_postgres():
        insert = f"INSERT INTO audit_words (seq, words) VALUES ({p}, {p})"  # noqa: S608 -- {p} is a placeholder
        insert += " ON CONFLICT (seq) DO UPDATE SET words = EXCLUDED.words"
    else:
        insert = f"INSERT OR REPLACE INTO audit_words (rowid, words) VALUES ({p}, {p})"  # noqa: S608 -- {p} is a placeholder
    db.execute_sql(insert, (seq, words))


def add_day(day: str, first: int, last: int) -> None:
    """Record that the entries of a day (UTC) reach from `first` to `last`."""
    p = db.param
    insert = f"INSERT INTO audit_day (day, first_seq, last_seq) VALUES ({p}, {p}, {p})"  # noqa: S608 -- {p} is a placeholder
    insert += " ON CONFLICT (day) DO UPDATE SET last_seq = EXCLUDED.last_seq"
    db.execute_sql(insert, (day, first, last))


def clear_index() -> None:
    """Delete all words and days."""
    db.execute_sql("DELETE FROM audit_words")
    Day.delete().execute()


def span_of_days(first_day: str | None, last_day: str | None) -> tuple[int, int] | None:
    """Return the first and last number of the entries between two days (both inclusive).

    Return None if no day between them has entries.
    """
    days = Day.select(fn.MIN(Day.first_seq), fn.MAX(Day.last_seq))
    if first_day is not None:
        days = days.where(Day.day >= first_day)
    if last_day is not None:
        days = days.where(Day.day <= last_day)
    first, last = days.scalar(as_tuple=True)
    return None if first is None else (first, last)


def has_words(words: Sequence[str]) -> Any:
    """Return the condition that an entry contains a word beginning with each of these."""
    if is_postgres():
        match = " & ".join(f"'{word}':*" for word in words)
        return AuditEntry.seq.in_(SQL(_FOUND_BY_POSTGRES, (match,)))
    match = " ".join(f'"{word}"*' for word in words)
    return AuditEntry.seq.in_(SQL(_FOUND_BY_SQLITE, (match,)))


def never() -> Any:
    """Return a condition that no entry meets."""
    return SQL("1 = 0")
