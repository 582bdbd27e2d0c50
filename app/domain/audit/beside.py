"""Whether what lies beside the chain says what the chain says: index columns and private details.

SQLite sorts out most entries by itself, in threads that need nothing of Python; whatever it finds
odd, and on PostgreSQL every entry, is judged by the rule in columns.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from app.domain.audit import columns
from app.models.base import db, is_postgres

PRIVATE = b"siteagent/audit-private/1\n"
CONTRADICTS = "its index columns contradict its text"
CHANGED = "its private part was changed"
_BATCH = 5000
_THREADS = 2

_JUDGED = (
    "a.seq, a.body, a.at, a.event, a.actor, a.site_id, a.client_id, a.kind, a.component, a.outcome,"
    " d.seq IS NOT NULL"
)
# What happens most often, and names neither a component nor, but for calls, an outcome.
_FREQUENT = ("site_called", "sync_asked", "report_received", "session_ended", "signed_in")
# Canonical text has one spelling, so what the columns say stands at its beginning and its end, or
# it is odd. Odd is more than wrong: every entry that is not frequent is, and those of version 1.
_HEAD = """
    '{"actor":{"id":' || iif(instr(a.actor, ':'), substr(a.actor, instr(a.actor, ':') + 1), 'null')
    || ',"kind":"' || iif(instr(a.actor, ':'), substr(a.actor, 1, instr(a.actor, ':') - 1), a.actor)
    || '"},"at":"' || replace(a.at, ' ', 'T') || '","client":' || ifnull(a.client_id, 'null')
    || ',"event":"' || a.event || '","facts":{'
"""
_TAIL = """',"site":' || ifnull(a.site_id, 'null') || ',"v":2}'"""
_ODD = f"""
    a.event NOT IN {_FREQUENT}
    OR a.event = 'site_called' AND NOT instr(a.body, '"outcome":"ok"')
    OR a.kind <> '' OR a.component <> '' OR a.outcome <> ''
    OR instr(a.body, {_HEAD}) <> 1
    OR substr(a.body, -length({_TAIL})) <> {_TAIL}
    OR d.seq IS NULL AND NOT instr(a.body, '"private":null,')
"""


@dataclass
class Beside:
    """What was found: the first entry that does not fit, and those without their private part."""

    misfit: tuple[int, str] | None = None
    absent: list[int] = field(default_factory=list)
    erased_at: int = 0

    def note(self, seq: int, reason: str) -> None:
        if self.misfit is None or seq < self.misfit[0]:
            self.misfit = (seq, reason)


def private_hash(salt: bytes, detail: str) -> str:
    """What the chain holds of private details: nothing that could be guessed from it."""
    return sha256(PRIVATE + salt + detail.encode("utf-8")).hexdigest()


class Comparison:
    """All entries up to `last`, compared while the caller follows the chain."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._pool = ThreadPoolExecutor(_THREADS)
        each = -(-last // _THREADS)
        self._spans = [(first, min(first + each, last)) for first in range(0, last, each or 1)]
        self._odd = [self._pool.submit(_odd_in, *span) for span in self._spans if not is_postgres()]

    def found(self) -> Beside:
        """Waits for it."""
        beside = Beside()
        for row in _all_in(0, self._last) if is_postgres() else self._sorted_out():
            _judge(row, beside)
        self._pool.shutdown()
        _judge_details(self._last, beside)
        told = db.execute_sql("SELECT MAX(seq) FROM audit WHERE event = 'person_erased'")
        beside.erased_at = told.fetchone()[0] or 0
        return beside

    def _sorted_out(self) -> Iterator[tuple[Any, ...]]:
        for odd in self._odd:
            seqs = [seq for seq in odd.result() if seq]
            for first in range(0, len(seqs), _BATCH):
                some = ", ".join(seqs[first : first + _BATCH])
                yield from db.execute_sql(
                    f"SELECT {_JUDGED} FROM audit a LEFT JOIN audit_detail d ON d.seq = a.seq"  # noqa: S608
                    f" WHERE a.seq IN ({some})"
                ).fetchall()


def _odd_in(after: int, last: int) -> list[str]:
    """Their numbers, over a connection of this thread's own. As one row: for each row the thread
    would wait until the one that follows the chain lets it go on."""
    with db.connection_context():
        cursor = db.execute_sql(
            "SELECT group_concat(a.seq) FROM audit a LEFT JOIN audit_detail d ON d.seq = a.seq"  # noqa: S608
            f" WHERE a.seq > ? AND a.seq <= ? AND ({_ODD})",
            (after, last),
        )
        return (cursor.fetchone()[0] or "").split(",") if last else []


def _all_in(after: int, last: int) -> Iterator[tuple[Any, ...]]:
    while rows := db.execute_sql(
        f"SELECT {_JUDGED} FROM audit a LEFT JOIN audit_detail d ON d.seq = a.seq"  # noqa: S608
        f" WHERE a.seq > %s AND a.seq <= %s ORDER BY a.seq LIMIT {_BATCH}",
        (after, last),
    ).fetchall():
        yield from rows
        after = rows[-1][0]


def _judge(row: tuple[Any, ...], beside: Beside) -> None:
    seq, body, at, event, actor, site, client, kind, component, outcome, has_detail = row
    try:
        said = json.loads(body)
        fits = (
            said["event"] == event
            and said["site"] == site
            and said.get("client") == client
            and _moment(said["at"]) == at
            and columns.of_actor(said["actor"]) == actor
            and columns.of_facts(said["facts"]) == (kind, component, outcome)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        fits, said = False, {}
    if not fits:
        beside.note(seq, CONTRADICTS)
    if said.get("private") is not None and not has_detail:
        beside.absent.append(seq)


def _judge_details(last: int, beside: Beside) -> None:
    after, p = 0, db.param
    while rows := db.execute_sql(
        "SELECT d.seq, d.salt, d.body, a.body FROM audit_detail d JOIN audit a ON a.seq = d.seq"  # noqa: S608
        f" WHERE d.seq > {p} AND d.seq <= {p} ORDER BY d.seq LIMIT {_BATCH}",
        (after, last),
    ).fetchall():
        for seq, salt, detail, body in rows:
            # Exact: within a JSON text no quotation mark stands without a backslash before it.
            if f'"private":"{private_hash(bytes.fromhex(salt), detail)}"' not in body:
                beside.note(seq, CHANGED)
        after = rows[-1][0]


def _moment(said: str) -> str | datetime:
    """A moment of a body as the database's driver hands out the column."""
    if is_postgres():
        return datetime.fromisoformat(said).astimezone(UTC)
    return said.replace("T", " ", 1)
