"""The chain itself: how entries are linked, and whether all of them still are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from app.domain.audit import beside
from app.models.audit import Entry
from app.models.base import db, is_postgres
from app.models.installation import Setting
from app.protocol import CHAIN_ENTRY, chain_genesis, chain_hash

LOG_UUID = "log_uuid"
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


def genesis(log_uuid: str) -> str:
    """The hash before the first entry; ties a chain to one log."""
    return chain_genesis(log_uuid).hex()


def link(seq: int, prev: str, body: str) -> str:
    """The hash of one entry over its number, its predecessor and its exact body."""
    return chain_hash(seq, bytes.fromhex(prev), body.encode("utf-8")).hex()


def verify_chain(
    anchors: Iterable[Anchor] = (), *, seen: Callable[[int], object] = lambda count: None
) -> ChainReport:
    """Read every entry and recompute every link; stops at the first that does not fit.

    Each of `anchors` has to stand where its holder saw it: that, and only that, shows a tail
    that was cut off, or a whole chain that was written anew. `seen` is told now and then how
    many entries fit so far.
    """
    end = Entry.end()
    last = end[0] if end else 0
    comparison = beside.Comparison(last)
    reading = _Reading(log_uuid(), sorted(anchors, key=lambda one: one.n))
    for rows in _batches(last):
        if not reading.take(rows):
            break
        seen(reading.count)
    return reading.report(comparison.found())


class _Reading:
    """How far the chain has been followed, and the first entry that does not fit into it."""

    def __init__(self, log: str, awaited: list[Anchor]) -> None:
        self.count = 0
        self._head = chain_genesis(log)
        self._awaited = awaited
        self._passed = 0
        self._misfit: tuple[int, str] | None = None

    def take(self, rows: Iterable[tuple[int, str, str, bytes]]) -> bool:
        """Follow the chain over `rows`; False once it does not go on."""
        head, awaited = self._head, self._awaited
        for seq, prev, named, body in rows:
            if seq != self.count + 1:
                return self._broken(seq, f"entry {self.count + 1} is missing")
            if prev != head.hex():
                return self._broken(seq, "does not follow the entry before it")
            # As chain_hash has it; a call for each of millions would double what this takes.
            head = sha256(CHAIN_ENTRY + seq.to_bytes(8, "big") + head + body).digest()
            if named != head.hex():
                return self._broken(seq, "its text was changed")
            self.count, self._head = seq, head
            while self._passed < len(awaited) and awaited[self._passed].n <= seq:
                if not self._meet(awaited[self._passed]):
                    return False
        return True

    def report(self, found: beside.Beside) -> ChainReport:
        """What both show together: the first entry that does not fit, whichever way."""
        missing = self._awaited[self._passed :]
        if missing and self._misfit is None:
            why = f"entries up to {missing[-1].n} are missing, of which {missing[-1].holder}"
            self._broken(self.count + 1, f"{why} holds proof")
        untold = [seq for seq in found.absent if seq > found.erased_at]
        if untold:
            why = "its private part is gone, and no entry tells that anybody was erased"
            found.note(min(untold), why)
        misfits = [one for one in (self._misfit, found.misfit) if one is not None]
        broken_at, reason = min(misfits, default=(None, ""), key=lambda one: one[0])
        count = self.count if broken_at is None else min(self.count, broken_at - 1)
        absent = tuple(sorted(found.absent))
        return ChainReport(count, self._head.hex(), broken_at, reason, self._passed, absent)

    def _broken(self, seq: int, reason: str) -> bool:
        self._misfit = (seq, reason)
        return False

    def _meet(self, anchor: Anchor) -> bool:
        if anchor.hash != self._head.hex() or anchor.n != self.count:
            fits = self._awaited[self._passed - 1].n if self._passed else 0
            why = f"it, or one after {fits}, is not what {anchor.holder} was shown"
            return self._broken(anchor.n, why)
        self._passed += 1
        return True


def _batches(last: int) -> Iterator[list[tuple[int, str, str, bytes]]]:
    """All rows up to `last` in order, in portions: no transaction stays open over the whole."""
    body = "convert_to(body, 'UTF8')" if is_postgres() else "CAST(body AS BLOB)"
    after, p = 0, db.param
    while rows := db.execute_sql(
        f"SELECT seq, prev, hash, {body} FROM audit"  # noqa: S608
        f" WHERE seq > {p} AND seq <= {p} ORDER BY seq LIMIT {_BATCH}",
        (after, last),
    ).fetchall():
        yield rows
        after = rows[-1][0]


def log_uuid() -> str:
    value = Setting.read(LOG_UUID)
    if value is None:
        raise RuntimeError("This database has no log; run the migrations.")
    return value
