"""Write an audit log of many entries into a SQLite file, as `audit.record` does but in bulk."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

from peewee import chunked

from app.models.search_terms import words_of
from app.protocol import canonical, chain_genesis, chain_hash

_BATCH = 20_000


@dataclass(frozen=True)
class StoredEntry:
    """An entry without its number; salt and detail are empty if it has no private details."""

    at: str
    body: str
    words: str
    salt: str = ""
    detail: str = ""

    @classmethod
    def of(cls, body: dict[str, Any], salt: str = "", detail: str = "") -> Self:
        words = words_of(body, json.loads(detail) if detail else None)
        return cls(body["at"], canonical(body).decode(), words, salt, detail)


class BulkLog:
    """The audit log with this UUID, which its first link depends on."""

    def __init__(self, raw: sqlite3.Connection, log_uuid: str) -> None:
        self._raw, self._genesis = raw, chain_genesis(log_uuid)

    def take_out(self) -> list[StoredEntry]:
        """Remove all entries, and return them in order."""
        with self._without_guards():
            return self._take_out()

    def write(self, entries: Iterable[StoredEntry]) -> None:
        """Fill the empty log."""
        with self._without_guards():
            self._write(entries)

    @contextmanager
    def _without_guards(self) -> Iterator[None]:
        """Lift the triggers that allow one next entry at a time."""
        find = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'"
        guards = self._raw.execute(find).fetchall()
        for name, _ in guards:
            self._raw.execute(f"DROP TRIGGER {name}")
        yield
        for _, sql in guards:
            self._raw.execute(sql)

    def _take_out(self) -> list[StoredEntry]:
        rows = self._raw.execute(
            "SELECT a.body, w.words, d.salt, d.body FROM audit a"
            " JOIN audit_words w ON w.rowid = a.seq"
            " LEFT JOIN audit_detail d ON d.seq = a.seq ORDER BY a.seq"
        ).fetchall()
        for table in ("audit", "audit_detail", "audit_words", "audit_day", "merkle_frontier"):
            self._raw.execute(f"DELETE FROM {table}")
        return [
            StoredEntry(json.loads(body)["at"], body, words, salt or "", detail or "")
            for body, words, salt, detail in rows
        ]

    def _write(self, entries: Iterable[StoredEntry]) -> None:
        prev: bytes = self._genesis
        days: dict[str, list[int]] = {}
        for some in chunked(enumerate(entries, 1), _BATCH):
            rows = []
            for seq, entry in some:
                after = chain_hash(seq, prev, entry.body.encode())
                rows.append((seq, prev.hex(), entry.body, after.hex()))
                prev = after
            insert = self._raw.executemany
            insert("INSERT INTO audit (seq, prev, body, hash) VALUES (?, ?, ?, ?)", rows)
            words = [(seq, entry.words) for seq, entry in some]
            insert("INSERT INTO audit_words (rowid, words) VALUES (?, ?)", words)
            details = [(seq, entry.salt, entry.detail) for seq, entry in some if entry.detail]
            insert("INSERT INTO audit_detail (seq, salt, body) VALUES (?, ?, ?)", details)
            for seq, entry in some:
                days.setdefault(entry.at[:10], [seq, seq])[1] = seq
        rows = [(day, first, last) for day, (first, last) in days.items()]
        add = "INSERT INTO audit_day (day, first_seq, last_seq) VALUES (?, ?, ?)"
        self._raw.executemany(add, rows)
