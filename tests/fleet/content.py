"""Read the content of a fleet without ids, keys and times. Equal seeds give equal content."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from app.models.accounts import User
from app.models.alerts import Alert
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule, UpdateHold
from app.models.changes import Change
from app.models.reports import Component, Report
from app.models.sites import Site
from app.models.tags import SiteTag
from app.protocol import canonical


def content_digest() -> str:
    """Return the digest of the fleet in the database."""
    return digest_of(content())


def digest_of(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(values)).hexdigest()


def content() -> dict[str, Any]:
    """Return the content of the fleet in the database as plain values, sorted."""
    names = {site.id: site.name for site in Site.select()}
    versions, tags = Report.versions(), SiteTag.by_site()
    return {
        "users": sorted([one.name, one.email, one.role] for one in User.select()),
        "sites": [
            [
                one.name,
                one.client.name,
                one.approvals,
                one.connection,
                one.quarantine,
                one.update_count,
                list(versions.get(one.id, ())),
                tags.get(one.id, []),
            ]
            for one in Site.select().order_by(Site.name)
        ],
        "components": sorted(
            [names[one.site_id], one.kind, one.ident, one.version, one.update_version or ""]
            for one in Component.select()
        ),
        "changes": sorted(
            [
                names[one.site_id],
                one.ident,
                one.from_version,
                one.to_version,
                one.state,
                one.outcome_reason,
                one.how,
                one.reason,
                one.closing_note,
            ]
            for one in Change.select()
        ),
        "alerts": sorted([names[one.site_id], one.kind, one.is_open] for one in Alert.select()),
        "ignored": sorted(
            [names[one.site_id], one.ident, one.reason] for one in UpdateHold.select()
        ),
        "rules": sorted([one.name, one.ended_at is not None] for one in AutoUpdateRule.select()),
        "events": dict(Counter(one.event for one in AuditEntry.select(AuditEntry.event))),
    }
