"""The call log: committed to by the audit log once a day, verified, and pruned.

A summary is an audit entry with the number of calls and the Merkle root of their rows (RFC 9162,
section 2.1). So a call can be proved while its row is kept, and the numbers permanently. See
docs/AUDIT.md.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from hashlib import sha256

from app.config import Config
from app.domain.actor import SYSTEM
from app.domain.audit.append import record
from app.domain.audit.events import CallLogSummarized
from app.domain.audit.merkle import Frontier
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.call_log import SiteCall
from app.protocol import CALL_ROW, ProtocolError, canonical

EVENT = CallLogSummarized.event_name()
# No call takes this long, so its worker has died.
_GIVEN_UP_AFTER = timedelta(hours=1)
# After a row is stored, it is visible to every transaction within this time.
_MARGIN = timedelta(minutes=1)
_CHANGED = "a call that it summarizes was changed in the call log"


@dataclass(frozen=True)
class Summary:
    """A summary in entry `seq`: calls `first` to `last`, `calls` of them, by their outcomes.

    Calls before `kept_from` were deleted at that time.
    """

    seq: int
    at: datetime
    first: int
    last: int
    calls: int
    counts: dict[str, int]
    root: str
    kept_from: int


def summarize(now: datetime, *, before: datetime | None = None, kept_days: int) -> bool:
    """Record a summary of the calls since the last one; return whether there were any.

    It ends before the first call that may still get a result. `before` limits it to calls before a
    moment. Calls of summaries older than `kept_days` are deleted.
    """
    newest = newest_summary()
    after = newest.last if newest else 0
    SiteCall.give_up(after, SiteCall.last_before(now - _GIVEN_UP_AFTER))
    last = SiteCall.last_before(min(before or now, now - _MARGIN))
    under_way = SiteCall.first_open(after)
    last = last if under_way is None else min(last, under_way - 1)
    if last <= after:
        return False
    # Rows with a result never change, so this needs no transaction.
    content = _content_of(SiteCall.stream(after + 1, last))
    kept_from = _kept_from(now - timedelta(days=kept_days))
    with transaction():
        latest = newest_summary()
        if (latest.seq if latest else 0) != (newest.seq if newest else 0):
            return False  # another process was faster
        event = CallLogSummarized(
            first=after + 1,
            last=last,
            calls=content.size,
            counts=dict(sorted(content.counts.items())),
            root=content.root,
            kept_from=kept_from,
        )
        record(event, SYSTEM, now=now)
    # Nothing counts on what is left if this is cut short, and the next summary deletes it.
    SiteCall.forget(kept_from - 1)
    return True


def summarize_due(config: Config, now: datetime) -> int:
    """Summarize the calls of the past days (UTC) once a day; return the number of summaries."""
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    newest = newest_summary()
    if newest is not None and newest.at >= midnight:
        return 0
    return int(summarize(now, before=midnight, kept_days=config.call_log_days))


def newest_summary() -> Summary | None:
    """Return the newest summary; None if there is none yet."""
    query = AuditEntry.select().where(AuditEntry.event == EVENT)
    entry = query.order_by(AuditEntry.seq.desc()).first()
    return None if entry is None else _summary(entry)


def kept_summaries(last_seq: int | None = None) -> list[Summary]:
    """Return the summaries whose calls are kept, oldest first; only entries up to `last_seq`."""
    query = AuditEntry.select().where(AuditEntry.event == EVENT).order_by(AuditEntry.seq)
    if last_seq is not None:
        query = query.where(AuditEntry.seq <= last_seq)
    found = [_summary(entry) for entry in query]
    return [summary for summary in found if summary.first >= found[-1].kept_from]


def kept_since() -> datetime | None:
    """Return the time from which all calls are kept; None if none was ever deleted."""
    newest = newest_summary()
    return None if newest is None or newest.kept_from == 1 else SiteCall.oldest_at()


def find_mismatch(seen: Callable[[], object] = lambda: None) -> tuple[int, str] | None:
    """Compare each kept call with its summary; call `seen` after each summary.

    Return the number of the first entry whose calls do not match, and why; None if all do.
    """
    expected = None
    for summary in kept_summaries():
        if expected is not None and summary.first != expected:
            return summary.seq, "it does not continue the summary before it"
        expected = summary.last + 1
        try:
            found = _content_of(SiteCall.stream(summary.first, summary.last))
        except (ValueError, TypeError, AttributeError, ProtocolError):
            # Who changed a row may have put anything there, such as a time that is none.
            return summary.seq, _CHANGED
        if found.size != summary.calls:
            return summary.seq, f"the call log has {found.size} of its {summary.calls} calls"
        if found.root != summary.root or dict(found.counts) != summary.counts:
            return summary.seq, _CHANGED
        seen()
    return None


def row_of(call: SiteCall) -> list[str | int | None]:
    """Return the values of a call that its hash covers."""
    at = call.at.isoformat()
    about = [call.id, at, call.site_id, call.op, call.nonce]
    return [*about, call.elapsed_ms, call.outcome, call.head_n]


def leaf_hash(call: SiteCall) -> bytes:
    """Return the hash of a call's row, a leaf of the tree (docs/AUDIT.md)."""
    return sha256(CALL_ROW + canonical(row_of(call))).digest()


@dataclass
class _Content:
    """The calls of a summary, counted."""

    size: int
    counts: Counter[str]
    root: str


def _content_of(calls: Iterator[SiteCall]) -> _Content:
    counts: Counter[str] = Counter()

    def leaves() -> Iterator[bytes]:
        for call in calls:
            counts[call.outcome] += 1
            yield leaf_hash(call)

    tree = Frontier().grown(leaves())
    return _Content(tree.size, counts, tree.root().hex())


def _kept_from(before: datetime) -> int:
    """Return the number of the first call that is not in a summary from before that time."""
    query = AuditEntry.select().where(AuditEntry.event == EVENT, AuditEntry.at < before)
    entry = query.order_by(AuditEntry.seq.desc()).first()
    return 1 if entry is None else _summary(entry).last + 1


def _summary(entry: AuditEntry) -> Summary:
    return Summary(entry.seq, entry.at, **json.loads(entry.body)["facts"])
