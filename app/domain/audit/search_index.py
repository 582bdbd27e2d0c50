"""What follows from the chain and serves searching alone: the words of full text, and between
which entries a day lies. Kept as entries are written; can be made anew at any time."""

from __future__ import annotations

import json
from typing import Any

from app.models.audit import Day, Detail, Entry
from app.models.base import db, is_postgres, transaction
from app.models.search_terms import words_of

_BATCH = 5000


def index_entry(entry: Entry, body: dict[str, Any], detail: dict[str, Any] | None) -> None:
    """Make a new entry findable, inside its transaction."""
    add_words(entry.seq, words_of(body, detail))
    add_day(body["at"][:10], entry.seq, entry.seq)


def add_words(seq: int, words: str) -> None:
    """In place of those there are: where somebody cut the trail off, it goes on all the same."""
    p = db.param
    if is_postgres():
        insert = f"INSERT INTO audit_words (seq, words) VALUES ({p}, {p})"  # noqa: S608 -- {p} is a placeholder
        insert += " ON CONFLICT (seq) DO UPDATE SET words = EXCLUDED.words"
    else:
        insert = f"INSERT OR REPLACE INTO audit_words (rowid, words) VALUES ({p}, {p})"  # noqa: S608 -- {p} is a placeholder
    db.execute_sql(insert, (seq, words))


def add_day(day: str, first: int, last: int) -> None:
    p = db.param
    insert = f"INSERT INTO audit_day (day, first_seq, last_seq) VALUES ({p}, {p}, {p})"  # noqa: S608 -- {p} is a placeholder
    insert += " ON CONFLICT (day) DO UPDATE SET last_seq = EXCLUDED.last_seq"
    db.execute_sql(insert, (day, first, last))


def rebuild_index() -> int:
    """Make full text and days anew from the chain and what is private beside it; how many
    entries there are. One transaction: nobody searches half of it."""
    count = 0
    days: dict[str, tuple[int, int]] = {}
    with transaction():
        db.execute_sql("DELETE FROM audit_words")
        Day.delete().execute()
        while entries := _after(count):
            details = Detail.of(one.seq for one in entries)
            for one in entries:
                body = json.loads(one.body)
                kept = details.get(one.seq)
                add_words(one.seq, words_of(body, json.loads(kept.body) if kept else None))
                day = body["at"][:10]
                days[day] = (days.get(day, (one.seq, one.seq))[0], one.seq)
            count = entries[-1].seq
        for day, (first, last) in days.items():
            add_day(day, first, last)
    return count


def _after(seq: int) -> list[Entry]:
    return list(Entry.select().where(Entry.seq > seq).order_by(Entry.seq).limit(_BATCH))
