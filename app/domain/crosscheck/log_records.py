"""Compare a site's log with the audit log, each time the site's log was read."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from app.domain import alerts
from app.domain.actor import SYSTEM
from app.domain.audit import call_log
from app.domain.crosscheck import reconcile
from app.domain.crosscheck.reconcile import LogPair, LogRecord
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.call_log import SiteCall
from app.models.site_log import SiteLog, SiteLogEntry
from app.models.sites import Site

# How far to go back before the new entries, because an answer's entry is before its head.
OVERLAP = 2 * reconcile.HEAD_TOLERANCE
_MARGIN = timedelta(days=1)
# These events are rare, and their counterparts may be much older.
_RARE = ("pairing_completed", "key_rotation_requested", "keys_rotated")
_OFTEN = ("change_started", "change_ended")


def compare_site_log(site: Site, now: datetime) -> int:
    """Raise an alert for each new contradiction; return the number of new alerts."""
    read = SiteLog.get_or_create_for(site)
    offset = timedelta(seconds=site.clock_offset_s or 0)
    entries = SiteLogEntry.behind(site.id, read.branch, read.reconciled_n - OVERLAP)
    site_records = [_of_site(entry, offset) for entry in entries]
    if not site_records:
        return 0
    # Calls are recorded before they are sent, so Aura's records are never behind the site.
    since = min(record.at for record in site_records) - _MARGIN
    used = SiteCall.known({record.text("nonce") for record in site_records})
    sides = LogPair(
        site_records,
        _of_aura(site, since),
        SiteCall.answered(site.id, since),
        frozenset(used),
        call_log.kept_since(),
    )
    findings = reconcile.compare_logs(sides, now=now)
    settled = [
        record.seq for record in site_records if now - record.at >= reconcile.ROTATION_GRACE_PERIOD
    ]
    raised = 0
    with transaction():
        for finding in findings:
            raised += alerts.raise_alert(
                site, finding.kind, finding.key, finding.evidence, SYSTEM, now
            )
        through = max(read.reconciled_n, *settled, 0)
        read.advance(reconciled_n=through)
    return raised


def _of_site(entry: SiteLogEntry, offset: timedelta) -> LogRecord:
    """Return the facts of a site's entry; values of a wrong type are dropped."""
    body = json.loads(entry.body)
    try:
        at = datetime.fromisoformat(str(body.get("at"))) - offset
    except (ValueError, OverflowError):
        at = entry.received_at
    if at.tzinfo is None:
        at = entry.received_at
    facts = body.get("facts")
    return LogRecord(
        entry.seq, at, str(body.get("event", "")), facts if isinstance(facts, dict) else {}
    )


def _of_aura(site: Site, since: datetime) -> list[LogRecord]:
    about = AuditEntry.site_id == site.id
    often = about & AuditEntry.event.in_(_OFTEN) & (AuditEntry.at >= since)
    rare = about & AuditEntry.event.in_(_RARE)
    rows = AuditEntry.select().where(often | rare).order_by(AuditEntry.seq)
    return [LogRecord(row.seq, row.at, row.event, json.loads(row.body)["facts"]) for row in rows]
