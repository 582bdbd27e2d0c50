"""Keep a row for each available update, which pages about the whole fleet count and filter."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from app.domain.inventory.eligibility import lasting_reasons
from app.domain.inventory.release_sightings import record_sightings
from app.domain.inventory.targets import Target, targets_on_site
from app.domain.inventory.versions import available_updates
from app.models.available_updates import AvailableUpdate
from app.models.reports import Report
from app.models.sites import Site


def store_available_updates(site: Site, now: datetime) -> int:
    """Replace the rows of this site by what its stored data says; return the number of updates.

    The first sight of each release is recorded.
    """
    report = Report.of(site)
    document = json.loads(report.body) if report else {}
    targets = targets_on_site(site, document)
    # A report may list a version twice, for two languages.
    rows = {
        (target.kind, target.ident, target.available): _row(target, document, now)
        for target in targets
        if target.available
    }
    AvailableUpdate.replace_all(site, list(rows.values()))
    record_sightings(rows.values(), now)
    return sum(available_updates(targets).values())


def _row(target: Target, document: dict[str, Any], now: datetime) -> dict[str, Any]:
    available = target.available or ""
    reasons = lasting_reasons(target, document, now)
    return {
        "kind": target.kind,
        "ident": target.ident,
        "name": target.name,
        "from_version": target.version,
        "to_version": available,
        "release_type": target.release_type_to(available),
        "permission": target.permission,
        "is_fit": not reasons,
        "reasons": [[reason.code, reason.facts] for reason in reasons],
    }
