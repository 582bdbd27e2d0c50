"""Fill an audit log."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit import entry_document
from app.domain.audit.entry_format import link_hash
from app.domain.audit.events import SiteCalled
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.daily_checks import DailyChecks
from app.models.sites import Site
from app.protocol import canonical


def events(site: Site) -> list[str]:
    """Return the events of a site, oldest first."""
    return [entry.event for entry in reversed(AuditEntry.newest(site_id=site.id, limit=100))]


def facts_of(event: str) -> dict[str, object]:
    """Return the facts of the newest entry of this event."""
    return entry_document(AuditEntry.newest(event=event, limit=1)[0])["facts"]


def fill(count: int) -> None:
    for number in range(count):
        with transaction():
            audit.record(SiteCalled(site_id=7, op="ping", outcome="ok", elapsed_ms=number), SYSTEM)


def fill_with_failed_syncs(site: Site, syncs: int, until: datetime, days: int = 365) -> None:
    """Add two entries for each failed sync, spread over `days`, and the counts of each day.

    Writes to the tables directly, because the domain functions would take minutes.
    """
    seq, prev = AuditEntry.end() or (0, "")
    every = timedelta(days=days) / syncs
    events: list[tuple[str, dict[str, Any]]] = [
        ("site_called", {"op": "report", "outcome": "timeout", "elapsed_ms": 5}),
        ("sync_failed", {"sync_id": 1, "error_code": "timeout", "outcome": "failed"}),
    ]
    moments = [until - every * (syncs - number) for number in range(syncs)]
    with transaction():
        for at in moments:
            for event, facts in events:
                body = canonical(
                    {
                        "v": 1,
                        "at": at.isoformat(),
                        "event": event,
                        "actor": {"kind": "system", "id": None},
                        "site": site.id,
                        "client": site.client_id,
                        "facts": facts,
                        "private": None,
                    }
                ).decode()
                seq += 1
                row = {"seq": seq, "prev": prev, "body": body, "hash": link_hash(seq, prev, body)}
                prev = row["hash"]
                searched = {"at": at, "event": event, "actor": "system", "site_id": site.id}
                searched |= {"client_id": site.client_id, "kind": "", "component": ""}
                AuditEntry.append(**row, **searched, outcome="failed" if "sync_id" in facts else "")
        for day, checks in groupby(moments, key=datetime.date):
            at = list(checks)
            columns = {"site": site, "day": day, "first_at": at[0], "last_at": at[-1]}
            DailyChecks.insert(columns).on_conflict_ignore().execute()
            is_it = (DailyChecks.site == site) & (DailyChecks.day == day)
            DailyChecks.update(made=DailyChecks.made + len(at)).where(is_it).execute()
