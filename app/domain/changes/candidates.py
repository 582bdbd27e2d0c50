"""The possible updates of a site, from its stored data, with their eligibility."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from app.domain.inventory.eligibility import ActiveHold, SiteFacts, Verdict, evaluate
from app.domain.inventory.targets import Target, targets_in_document
from app.models.auto_update_rules import UpdateHold
from app.models.changes import Change
from app.models.reports import Component, Report
from app.models.sites import ACTIVE, Site

Row = TypeVar("Row", Component, UpdateHold, Change)


@dataclass(frozen=True)
class Candidate:
    """A component, its eligibility, and its open change."""

    target: Target
    verdict: Verdict
    open_change: Change | None
    held: UpdateHold | None

    def is_named(self, kind: str, ident: str, to: str) -> bool:
        return (self.target.kind, self.target.ident, self.target.available) == (kind, ident, to)

    @property
    def may_be_proposed(self) -> bool:
        return self.verdict.may and self.open_change is None


@dataclass(frozen=True)
class SiteData:
    """What is stored about a site's components. `changes` are the open ones and incidents."""

    report: Report | None
    components: Sequence[Component]
    holds: Sequence[UpdateHold]
    changes: Sequence[Change]


def read_site_data(sites: Sequence[Site]) -> dict[int, SiteData]:
    """Return what is stored about these sites by site id, in four queries for any number."""
    site_ids = [site.id for site in sites]
    reports = {report.site_id: report for report in Report.of_sites(site_ids)}
    components = _by_site(Component.of_sites(site_ids))
    holds = _by_site(UpdateHold.of_sites(site_ids))
    changes = _by_site(Change.open_or_incident_on(site_ids))
    return {
        site_id: SiteData(
            reports.get(site_id),
            components.get(site_id, []),
            holds.get(site_id, []),
            changes.get(site_id, []),
        )
        for site_id in site_ids
    }


def _by_site(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in rows:
        found.setdefault(row.site_id, []).append(row)
    return found


def candidates_on_site(site: Site, now: datetime) -> list[Candidate]:
    """Return all components of the site data, in its order."""
    return candidates_in(site, read_site_data([site])[site.id], now)


def candidates_in(site: Site, stored: SiteData, now: datetime) -> list[Candidate]:
    """Return all components of the site data that the caller has read, in its order."""
    report = stored.report
    document = json.loads(report.body) if report else {}
    around = SiteFacts.of_document(
        document,
        is_connected=site.state == ACTIVE,
        is_quarantined=bool(site.quarantine),
        has_incident=any(change.is_incident for change in stored.changes),
        # Also unchanged data is fresh: the site signed that at the last sync.
        report_at=report.received_at if report else None,
    )
    holds = {(hold.kind, hold.ident): hold for hold in stored.holds}
    under_way = {(change.kind, change.ident): change for change in stored.changes if change.is_open}
    found = []
    for target in targets_in_document(document, stored.components):
        key = (target.kind, target.ident)
        held = holds.get(key)
        hold = ActiveHold(held.reason, held.until) if held else None
        verdict = evaluate(target, around, hold, now)
        found.append(Candidate(target, verdict, under_way.get(key), held))
    return found
