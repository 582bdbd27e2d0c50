"""The possible updates of a site, from its stored data, with their eligibility."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from app.domain.inventory.eligibility import ActiveHold, SiteFacts, Verdict, evaluate
from app.domain.inventory.targets import Target, targets_in_document
from app.models.auto_update_rules import UpdateHold
from app.models.changes import Change
from app.models.site_data import SiteData
from app.models.sites import ACTIVE, Site


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


def candidates_on_site(site: Site, now: datetime) -> list[Candidate]:
    """Return all components of the site data, in its order."""
    return candidates_in(site, SiteData.of_site(site), now)


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
