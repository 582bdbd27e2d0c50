"""Verify the hash chain of the audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from struct import Struct

from app.domain.audit import integrity
from app.domain.audit.entry_format import genesis_hash
from app.models import audit_chain
from app.models.audit import AuditEntry
from app.models.installation import Setting
from app.protocol import CHAIN_ENTRY

LOG_UUID = "log_uuid"
_BATCH = 5000
_ANCHORS_AT_ONCE = 500
_EIGHT_BYTES = Struct(">Q").pack


@dataclass(frozen=True, slots=True)
class Anchor:
    """What a holder outside this database knows of the chain: the hash of entry `n`."""

    n: int
    hash: str
    holder: str


@dataclass(frozen=True)
class ChainReport:
    """The result of verifying the chain; `broken_at` is the first entry that does not match.

    `anchors` is the number of matching ones. `erased` are the entries without their personal data,
    each followed by an entry about the erasure.
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
    """Read every entry and recompute every hash, up to the first mismatch.

    Each of `anchors` must match its entry. Only that detects a removed end or a rewritten chain.
    `seen` is called now and then with the number of verified entries.
    """
    found = _Reading(AuditEntry.last_seq(), genesis_hash(log_uuid()))
    found.read(seen)
    return _report(found, sorted(anchors, key=lambda anchor: anchor.n))


@dataclass
class _Reading:
    """The chain up to entry `upto`, as far as it was read.

    `count` is the number of the last matching entry and `head` its hash. `mismatch` is the first
    mismatch. `private` are the entries with personal data.
    """

    upto: int
    head: str
    count: int = 0
    mismatch: tuple[int, str] | None = None
    private: list[int] = field(default_factory=list)

    def read(self, seen: Callable[[int], object]) -> None:
        """Verify the chain up to its end, or to the first missing or wrong entry."""
        # Read in batches, so that no transaction stays open for long.
        while self.count < self.upto and self.mismatch is None:
            until = min(self.count + _BATCH, self.upto)
            rows = audit_chain.links(self.count, until)
            # Numbers are unique, so the number of rows shows whether all are present.
            if len(rows) < until - self.count:
                seqs = audit_chain.numbers(self.count, until)
                there = sum(seq == self.count + place for place, seq in enumerate(seqs, 1))
                self._follow(rows[:there])
                return
            self._follow(rows)
            seen(self.count)

    def _follow(self, rows: list[tuple[str, str, bytes]]) -> None:
        seq, was, head = self.count, self.head, bytes.fromhex(self.head)
        # The same as chain_hash, inlined: a call for each of millions of entries doubles the time.
        prefix, sha, eight, private = CHAIN_ENTRY, sha256, _EIGHT_BYTES, integrity.NAMES_PRIVATE
        for prev, named, body in rows:
            if prev != was:
                self.mismatch = (seq + 1, "does not follow the previous entry")
                break
            digest = sha(prefix + eight(seq + 1) + head + body).digest()
            if named != (after := digest.hex()):
                self.mismatch = (seq + 1, "its text was changed")
                break
            seq, head, was = seq + 1, digest, after
            if private in body:
                self.private.append(seq)
        self.count, self.head = seq, was


def _report(whole: _Reading, anchors: list[Anchor]) -> ChainReport:
    """Return the report, with the first entry that does not fit."""
    found = integrity.SideTableCheck()
    if whole.mismatch is not None:
        found.note(*whole.mismatch)
    elif whole.count < whole.upto:
        after = AuditEntry.first_after(whole.count)
        found.note(after, f"entry {whole.count + 1} is missing")
    integrity.check_side_tables(whole.upto, whole.private, found)
    untold = [seq for seq in found.absent if seq > found.erased_at]
    if untold:
        why = "its personal data is missing, and no entry records an erasure"
        found.note(min(untold), why)
    met = _check_anchors(whole, anchors, found)
    broken_at, reason = found.mismatch or (None, "")
    count = whole.count if broken_at is None else min(whole.count, broken_at - 1)
    absent = tuple(sorted(found.absent))
    return ChainReport(count, whole.head, broken_at, reason, met, absent)


def _check_anchors(whole: _Reading, anchors: list[Anchor], found: integrity.SideTableCheck) -> int:
    """Compare the chain with the anchors; return the number of matching ones."""
    met = 0
    for begin in range(0, len(anchors), _ANCHORS_AT_ONCE):
        some = anchors[begin : begin + _ANCHORS_AT_ONCE]
        # The stored hashes are used: up to here they were verified against the text.
        hashes = AuditEntry.hashes_of([anchor.n for anchor in some])
        for anchor in some:
            if anchor.n > whole.count:
                if whole.mismatch is None and whole.count == whole.upto:
                    why = f"entries up to {anchors[-1].n} are missing, and {anchors[-1].holder}"
                    found.note(whole.count + 1, f"{why} has proof of them")
                return met
            if anchor.hash != (hashes.get(anchor.n) or genesis_hash(log_uuid())):
                fits = anchors[met - 1].n if met else 0
                found.note(
                    anchor.n,
                    f"it, or an entry after {fits}, differs from the checkpoint of {anchor.holder}",
                )
                return met
            met += 1
    return met


def log_uuid() -> str:
    """Return the id of the audit log, which its first hash contains."""
    value = Setting.read(LOG_UUID)
    if value is None:
        raise RuntimeError("This database has no audit log. Run the migrations.")
    return value
