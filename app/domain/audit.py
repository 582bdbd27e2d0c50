"""The trail: one hash chain of everything that happened, extended only together with it.

docs/PROTOCOL.md section 5 is the norm. The body is stored as it was hashed and
never serialised again in order to verify.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.actor import Actor
from app.domain.events import Event
from app.models.audit import Entry
from app.models.base import in_transaction, transaction, utcnow
from app.models.installation import Setting
from app.protocol import canonical, chain_genesis, chain_hash

LOG_UUID = "log_uuid"


@dataclass(frozen=True)
class ChainReport:
    """What reading the whole chain found; `broken_at` is the first entry that does not fit."""

    entries: int
    head: str
    broken_at: int | None = None
    reason: str = ""

    @property
    def is_whole(self) -> bool:
        return self.broken_at is None


def genesis(log_uuid: str) -> str:
    """The hash before the first entry; ties a chain to one log."""
    return chain_genesis(log_uuid).hex()


def link(seq: int, prev: str, body: str) -> str:
    """The hash of one entry over its number, its predecessor and its exact body."""
    return chain_hash(seq, bytes.fromhex(prev), body.encode("utf-8")).hex()


def record(event: Event, by: Actor, *, now: datetime | None = None) -> Entry:
    """Append `event` to the chain, inside the transaction of the change it tells of.

    Raises RuntimeError outside a transaction: an entry that could survive a
    rolled-back change, or be lost beside a committed one, would be worthless.
    """
    if not in_transaction():
        raise RuntimeError("An audit entry needs the transaction of its change.")
    at = now or utcnow()
    head = Entry.head()
    seq, prev = (head.seq + 1, head.hash) if head else (1, genesis(_log_uuid()))
    body = canonical(_document(event, by, at)).decode("utf-8")
    return Entry.create(
        seq=seq,
        prev=prev,
        body=body,
        hash=link(seq, prev, body),
        at=at,
        event=event.event_name(),
        actor=by.label,
        site_id=event.site_id,
    )


def record_refusal(event: Event, by: Actor, *, now: datetime, per_hour: int = 20) -> None:
    """Append an event that strangers can cause at will, in a transaction of its own.

    Beyond `per_hour` of its kind it is dropped: whoever knocks all day must not fill
    the trail.
    """
    since = now - timedelta(hours=1)
    if len(Entry.newest(event=event.event_name(), since=since, limit=per_hour)) < per_hour:
        with transaction():
            record(event, by, now=now)


def _document(event: Event, by: Actor, at: datetime) -> dict[str, object]:
    return {
        "v": 1,
        "at": at.isoformat(),
        "event": event.event_name(),
        "actor": {"kind": by.kind, "id": by.id, "name": by.name, "ip": by.ip},
        "site": event.site_id,
        "facts": event.facts(),
    }


def page(
    site_id: int | None = None, event: str | None = None, before: int | None = None, limit: int = 50
) -> list[Entry]:
    """Entries, newest first; continue a list with `before` = the last seq shown."""
    return Entry.newest(site_id=site_id, event=event, before=before, limit=limit)


def verify_chain() -> ChainReport:
    """Read every entry and recompute every link; stops at the first that does not fit."""
    expected, count = genesis(_log_uuid()), 0
    rows = Entry.select().order_by(Entry.seq).tuples().iterator()
    names = [field.name for field in Entry._meta.sorted_fields]
    for row in rows:
        entry = dict(zip(names, row, strict=True))
        count += 1
        reason = _misfit(entry, count, expected)
        if reason:
            return ChainReport(count - 1, expected, broken_at=entry["seq"], reason=reason)
        expected = entry["hash"]
    return ChainReport(count, expected)


def _misfit(entry: dict, seq: int, prev: str) -> str:
    if entry["seq"] != seq:
        return f"entry {seq} is missing"
    if entry["prev"] != prev:
        return "does not follow the entry before it"
    if entry["hash"] != link(seq, prev, entry["body"]):
        return "its text was changed"
    body = json.loads(entry["body"])
    actor = body["actor"]
    label = actor["kind"] if actor["id"] is None else f"{actor['kind']}:{actor['id']}"
    said = (body["at"], body["event"], label, body["site"])
    indexed = (entry["at"].isoformat(), entry["event"], entry["actor"], entry["site_id"])
    return "" if said == indexed else "its index columns contradict its text"


def _log_uuid() -> str:
    value = Setting.read(LOG_UUID)
    if value is None:
        raise RuntimeError("This database has no log; run the migrations.")
    return value
