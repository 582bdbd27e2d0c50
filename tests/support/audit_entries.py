"""Fill an audit log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.entry_format import link_hash
from app.domain.audit.events import SiteCalled
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.sites import Site
from app.protocol import canonical


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
    seq, prev = AuditEntry.end() or (0, "")
    every = timedelta(days=days) / syncs
    events: list[tuple[str, dict[str, Any]]] = [
        ("sync_requested", {"sync_id": 1}),
        ("site_called", {"op": "report", "outcome": "ok", "elapsed_ms": 5}),
        ("site_called", {"op": "log.read", "outcome": "ok", "elapsed_ms": 5}),
    ]
    with transaction():
        for number in range(syncs):
            at = until - every * (syncs - number)
            for event, facts in events:
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
                searched |= {"client_id": site.client_id, "kind": "", "component": ""}
                AuditEntry.append(**row, **searched, outcome="")
