"""The chain itself: how entries are linked, and whether all of them still are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from app.domain.audit import columns
from app.models.audit import Detail, Entry
from app.models.base import db, is_postgres
from app.models.installation import Setting
from app.protocol import chain_genesis, chain_hash

LOG_UUID = "log_uuid"
PRIVATE = b"siteagent/audit-private/1\n"
_BATCH = 5000


@dataclass(frozen=True)
class Anchor:
    """What somebody beside this database holds of the chain: the hash of entry `n`."""

    n: int
    hash: str
    holder: str


@dataclass(frozen=True)
class ChainReport:
    """What reading the whole chain found; `broken_at` is the first entry that does not fit.

    `anchors` is how many fit. `erased` are the entries whose private part is gone, all of them
    followed by an entry that tells of it.
    """

    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""
    anchors: int = 0
    erased: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        return self.broken_at is None


class _Misfit(Exception):
    """This entry is not as it was written."""


def genesis(log_uuid: str) -> str:
    """The hash before the first entry; ties a chain to one log."""
    return chain_genesis(log_uuid).hex()


def link(seq: int, prev: str, body: str) -> str:
    """The hash of one entry over its number, its predecessor and its exact body."""
    return chain_hash(seq, bytes.fromhex(prev), body.encode("utf-8")).hex()


def private_hash(salt: bytes, detail: str) -> str:
    """What the chain holds of private details: nothing that could be guessed from it."""
    return sha256(PRIVATE + salt + detail.encode("utf-8")).hexdigest()


def verify_chain(
    anchors: Iterable[Anchor] = (), *, seen: Callable[[int], object] = lambda count: None
) -> ChainReport:
    """Read every entry and recompute every link; stops at the first that does not fit.

    Each of `anchors` has to stand where its holder saw it: that, and only that, shows a tail
    that was cut off, or a whole chain that was written anew. `seen` is told now and then how
    many entries fit so far.
    """
    awaited = sorted(anchors, key=lambda one: one.n)
    chain = _Reading(log_uuid(), awaited)
    try:
        for rows in _batches():
            chain.take(rows)
            seen(chain.count)
        chain.end()
    except _Misfit as why:
        return chain.report(broken_at=chain.at, reason=str(why))
    return chain.report()


class _Reading:
    """How far the chain has been followed."""

    def __init__(self, log: str, awaited: list[Anchor]) -> None:
        self.head = genesis(log)
        self.count = 0
        self.at = 1
        self._awaited = awaited
        self._passed = 0
        self._absent: list[int] = []
        self._erased_at = 0

    def take(self, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            seq, prev, body, hash_ = row[:4]
            expected = self.count + 1
            self.at = seq
            if seq != expected:
                raise _Misfit(f"entry {expected} is missing")
            if prev != self.head:
                raise _Misfit("does not follow the entry before it")
            if hash_ != link(seq, prev, body):
                raise _Misfit("its text was changed")
            self._compare(seq, body, row)
            self.head, self.count = hash_, seq
            while self._passed < len(self._awaited) and self._awaited[self._passed].n <= seq:
                self._meet(self._awaited[self._passed])

    def end(self) -> None:
        """Raises _Misfit where the chain ends too early, or hides what was private."""
        missing = self._awaited[self._passed :]
        if missing:
            self.at = self.count + 1
            last = missing[-1]
            raise _Misfit(f"entries up to {last.n} are missing, of which {last.holder} holds proof")
        untold = [seq for seq in self._absent if seq > self._erased_at]
        if untold:
            self.at = untold[0]
            raise _Misfit("its private part is gone, and no entry tells that anybody was erased")

    def report(self, **found: Any) -> ChainReport:
        told = ChainReport(self.count, self.head, anchors=self._passed, erased=tuple(self._absent))
        return replace(told, **found)

    def _meet(self, anchor: Anchor) -> None:
        if anchor.hash != self.head or anchor.n != self.count:
            fits = self._awaited[self._passed - 1].n if self._passed else 0
            raise _Misfit(f"it, or one after {fits}, is not what {anchor.holder} was shown")
        self._passed += 1

    def _compare(self, seq: int, body: str, row: tuple[Any, ...]) -> None:
        said = json.loads(body)
        at, event, actor, site, client, kind, component, outcome, salt, detail = row[4:]
        if (
            said["event"] != event
            or said["site"] != site
            or said.get("client") != client
            or _moment(said["at"]) != at
            or columns.of_actor(said["actor"]) != actor
            or columns.of_facts(said["facts"]) != (kind, component, outcome)
        ):
            raise _Misfit("its index columns contradict its text")
        private = said.get("private")
        if detail is not None:
            if private != private_hash(bytes.fromhex(salt), detail):
                raise _Misfit("its private part was changed")
        elif private is not None:
            self._absent.append(seq)
        if event == "person_erased":
            self._erased_at = seq


def _batches() -> Iterator[list[tuple[Any, ...]]]:
    """All rows in order, in portions: no transaction stays open over the whole."""
    columns_ = [
        *("seq", "prev", "body", "hash", "at", "event", "actor", "site_id", "client_id"),
        *("kind", "component", "outcome"),
    ]
    audit, detail = Entry._meta.table_name, Detail._meta.table_name
    named = ", ".join([*(f"a.{name}" for name in columns_), "d.salt", "d.body"])
    after = 0
    while rows := db.execute_sql(
        f"SELECT {named} FROM {audit} a LEFT JOIN {detail} d ON d.seq = a.seq"  # noqa: S608
        f" WHERE a.seq > {db.param} ORDER BY a.seq LIMIT {_BATCH}",
        (after,),
    ).fetchall():
        yield rows
        after = rows[-1][0]


def _moment(said: str) -> str | datetime:
    """A moment of a body as the database's driver hands out the column."""
    if is_postgres():
        return datetime.fromisoformat(said).astimezone(UTC)
    return said.replace("T", " ", 1)


def log_uuid() -> str:
    value = Setting.read(LOG_UUID)
    if value is None:
        raise RuntimeError("This database has no log; run the migrations.")
    return value
