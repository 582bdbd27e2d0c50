"""The chain itself: how entries are linked, and whether all of them still are."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from struct import Struct

from app.domain.audit import integrity, parallel
from app.domain.audit.entry_format import genesis_hash
from app.models import audit_chain
from app.models.audit import Entry
from app.models.audit_chain import Execute
from app.models.installation import Setting
from app.protocol import CHAIN_ENTRY

LOG_UUID = "log_uuid"
_BATCH = 5000
# Below this many entries, beginning other processes takes longer than they save.
_WORTH_SHARING = 50_000
# Small parts end at about the same time, however fast each processor is.
_PARTS_EACH = 8
_EIGHT_BYTES = Struct(">Q").pack
_HASH = re.compile("[0-9a-f]{64}")
_BROKEN_LINK = "does not follow the previous entry"


@dataclass(frozen=True)
class Anchor:
    """What a party outside of this database knows about the chain: the hash of entry `n`."""

    n: int
    hash: str
    holder: str


@dataclass(frozen=True)
class ChainReport:
    """The result of verifying the whole chain; `broken_at` is the first entry that does not fit.

    `anchors` is how many fit. `erased` are the entries whose private part is gone, each of them
    followed by an entry that records the erasure.
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


def verify_chain(
    anchors: Iterable[Anchor] = (), *, seen: Callable[[int], object] = lambda count: None
) -> ChainReport:
    """Verify every link of the chain; stop at the first entry that does not fit.

    Each of `anchors` has to be where its holder saw it. Nothing else shows that the end of the
    chain was cut off or the whole chain rewritten. `seen` is called now and then with the number of
    entries that fit so far.
    """
    end = Entry.end()
    last = end[0] if end else 0
    whole = _Segment(0, last, genesis_hash(log_uuid()))
    if last >= _WORTH_SHARING and parallel.is_possible():
        _read_together(whole, seen)
    else:
        whole.read(audit_chain.execute_here, seen)
    return _report(whole, sorted(anchors, key=lambda one: one.n))


def _read_together(whole: _Segment, seen: Callable[[int], object]) -> None:
    try:
        for part in parallel.run_parts(_read_apart, _parts(whole.upto)):
            if not whole.join(part):
                return
            seen(whole.count)
    except (BrokenExecutor, sqlite3.Error):
        # Whatever befell the others: what they have not told is read here, or fails here.
        whole.read(audit_chain.execute_here, seen)


def _parts(last: int) -> list[tuple[int, int]]:
    each = -(-last // (parallel.processor_count() * _PARTS_EACH))
    return [(after, min(after + each, last)) for after in range(0, last, each)]


def _read_apart(execute: Execute, span: tuple[int, int]) -> _Segment:
    """Read a part of the chain independently; `join` checks what its first entry follows."""
    stretch = _Segment(*span, audit_chain.previous_hash(execute, span[0] + 1))
    if _HASH.fullmatch(stretch.follows):
        stretch.read(execute)
    return stretch


@dataclass
class _Segment:
    """The entries after `after` up to `upto`.

    `follows` is the previous hash that the first entry names; empty if that entry is missing.
    `count` is the number of the last entry that fits and `head` its hash. `misfit` is the first
    that does not fit. `private` are the entries whose text names private details.
    """

    after: int
    upto: int
    follows: str
    count: int = field(init=False)
    head: str = field(init=False)
    misfit: tuple[int, str] | None = None
    private: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.count, self.head = self.after, self.follows

    def read(self, execute: Execute, seen: Callable[[int], object] = lambda count: None) -> None:
        """Follow it to its end, or to the first entry that is missing or does not fit."""
        # In portions: no transaction stays open over the whole.
        while self.count < self.upto and self.misfit is None:
            until = min(self.count + _BATCH, self.upto)
            rows = audit_chain.links(execute, self.count, until)
            # Numbers are unique: as many rows as numbers are all of them.
            if len(rows) < until - self.count:
                seqs = audit_chain.numbers(execute, self.count, until)
                there = sum(seq == self.count + place for place, seq in enumerate(seqs, 1))
                self._follow(rows[:there])
                return
            self._follow(rows)
            seen(self.count)

    def join(self, other: _Segment) -> bool:
        """Take over what was read behind this one; False once the chain does not go on."""
        if not other.follows:
            return False
        if other.follows != self.head:
            self.misfit = (self.count + 1, _BROKEN_LINK)
            return False
        self.count, self.head, self.misfit = other.count, other.head, other.misfit
        self.private += other.private
        return self.count == other.upto

    def _follow(self, rows: list[tuple[str, str, bytes]]) -> None:
        seq, was, head = self.count, self.head, bytes.fromhex(self.head)
        # As chain_hash has it; a call for each of millions would double what this takes.
        prefix, sha, eight, private = CHAIN_ENTRY, sha256, _EIGHT_BYTES, integrity.NAMES_PRIVATE
        for prev, named, body in rows:
            if prev != was:
                self.misfit = (seq + 1, _BROKEN_LINK)
                break
            digest = sha(prefix + eight(seq + 1) + head + body).digest()
            if named != (after := digest.hex()):
                self.misfit = (seq + 1, "its text was changed")
                break
            seq, head, was = seq + 1, digest, after
            if private in body:
                self.private.append(seq)
        self.count, self.head = seq, was


def _report(whole: _Segment, anchors: list[Anchor]) -> ChainReport:
    """Combine the segments into one report, with the first entry that does not fit."""
    found = integrity.SideTableCheck()
    if whole.misfit is not None:
        found.note(*whole.misfit)
    elif whole.count < whole.upto:
        after = Entry.first_after(whole.count)
        found.note(after, f"entry {whole.count + 1} is missing")
    integrity.check_side_tables(whole.upto, whole.private, found)
    untold = [seq for seq in found.absent if seq > found.erased_at]
    if untold:
        why = "its personal data is missing, and no entry records an erasure"
        found.note(min(untold), why)
    met = _check_anchors(whole, anchors, found)
    broken_at, reason = found.misfit or (None, "")
    count = whole.count if broken_at is None else min(whole.count, broken_at - 1)
    absent = tuple(sorted(found.absent))
    return ChainReport(count, whole.head, broken_at, reason, met, absent)


def _check_anchors(whole: _Segment, anchors: list[Anchor], found: integrity.SideTableCheck) -> int:
    """Hold the chain to what others were shown of it; how many of them it fits."""
    met = 0
    for anchor in anchors:
        if anchor.n > whole.count:
            if whole.misfit is None and whole.count == whole.upto:
                why = f"entries up to {anchors[-1].n} are missing, and {anchors[-1].holder}"
                found.note(whole.count + 1, f"{why} has proof of them")
            break
        # As stored: up to here it was found to be what follows from the text.
        stands = Entry.select(Entry.hash).where(Entry.seq == anchor.n).scalar()
        if anchor.hash != (stands or genesis_hash(log_uuid())):
            fits = anchors[met - 1].n if met else 0
            found.note(
                anchor.n,
                f"it, or an entry after {fits}, differs from the checkpoint of {anchor.holder}",
            )
            break
        met += 1
    return met


def log_uuid() -> str:
    """Return the id of the audit log, which its first hash contains."""
    value = Setting.read(LOG_UUID)
    if value is None:
        raise RuntimeError("This database has no audit log. Run the migrations.")
    return value
