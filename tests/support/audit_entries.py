"""Fill an audit log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.entry_format import link_hash
from app.domain.audit.events import SiteCalled
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.sites import Site
from app.protocol import canonical

_ENTRIES_AT_ONCE = 1000
_OF_A_SYNC: list[tuple[str, dict[str, Any]]] = [
    ("sync_requested", {"sync_id": 1}),
    ("site_called", {"op": "report", "outcome": "ok", "elapsed_ms": 5}),
    ("site_called", {"op": "log.read", "outcome": "ok", "elapsed_ms": 5}),
]


def events(site: Site) -> list[str]:
    """Return the events of a site, oldest first."""
    return [entry.event for entry in reversed(AuditEntry.newest(site_id=site.id, limit=100))]


def fill(count: int) -> None:
    for number in range(count):
        with transaction():
            audit.record(SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=number), SYSTEM)


def fill_with_syncs(site: Site, syncs: int, until: datetime, days: int = 365) -> None:
    """Three entries for each of so many syncs, spread over `days`, as an unchanged site leaves
    them. Written past the domain, which would take minutes."""
    every = timedelta(days=days) / syncs
    rows = _sync_entries(site, [until - every * (syncs - number) for number in range(syncs)])
    # One transaction for all of them would outgrow the cache of the database.
    while part := list(islice(rows, _ENTRIES_AT_ONCE)):
        with transaction():
            for row in part:
                AuditEntry.append(**row)


def _sync_entries(site: Site, times: list[datetime]) -> Iterator[dict[str, Any]]:
    """The entries that syncs at these times leave, as the next ones of the log."""
    seq, prev = AuditEntry.end() or (0, "")
    for at in times:
        for event, facts in _OF_A_SYNC:
            body = canonical(
                {
                    "v": 1,
                    "at": at.isoformat(),
                    "event": event,
                    "actor": {"kind": "schedule", "id": None},
                    "site": site.id,
                    "client": site.client_id,
                    "facts": facts,
                    "private": None,
                }
            ).decode()
            seq += 1
            row = {"seq": seq, "prev": prev, "body": body, "hash": link_hash(seq, prev, body)}
            prev = row["hash"]
            searched = {"at": at, "event": event, "actor": "schedule", "site_id": site.id}
            searched |= {"client_id": site.client_id, "kind": "", "component": "", "outcome": ""}
            yield row | searched
