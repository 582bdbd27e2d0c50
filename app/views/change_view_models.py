"""Data of the pages about changes, read from the models for the templates."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flask import current_app

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.changes import (
    approvals,
    auto_update_rules,
    candidates,
    fleet_experience,
    packages,
    proposals,
    release_findings,
)
from app.domain.changes.candidates import Candidate
from app.domain.changes.fleet_experience import FleetExperience
from app.domain.changes.release_comparisons import COMPARED_KINDS
from app.domain.changes.release_findings import ReleaseFindings
from app.domain.changes.vulnerability_updates import UpdateEffect, effect_of
from app.domain.errors import NotFound
from app.domain.inventory.versions import MAJOR
from app.domain.page_checks import addresses, screenshots
from app.domain.page_checks.screenshots import Pictures
from app.domain.reporting.computation import STORY_EVENTS
from app.models import change_results
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule, UpdateHold
from app.models.base import utcnow
from app.models.changes import (
    MAY_CANCEL,
    Change,
)
from app.models.reports import report_list
from app.models.site_data import SiteData
from app.models.site_pages import ChangePages
from app.models.site_vulnerabilities import SiteVulnerability
from app.models.sites import Site
from app.protocol import from_b64u
from app.views import release_age_view_models
from app.views.release_age_view_models import ReleaseCard
from app.views.window_view_models import ChangeTimes, change_times_of

WORDPRESS_ORG = "downloads.wordpress.org"
# What a site names for the upgrade of a database, which needs no package.
NO_PACKAGE = "none"
RELEASE_NOTES = "https://wordpress.org/documentation/wordpress-version/version-{}/"
# The words for each state in a summary of several changes.
IN_SUMMARY = {
    "checking": "in pre-check",
    "proposed": "waiting for approval",
    "approved": "queued",
    "running": "running",
    "waiting_for_site": "waiting for the site",
    "unknown": "with unknown result",
    "succeeded": "succeeded",
    "failed": "failed",
    "rolled_back": "rolled back",
    "refused": "refused",
    "rejected": "rejected",
    "expired": "expired",
    "cancelled": "cancelled",
}


@dataclass(frozen=True)
class ChangePage:
    """The data of a change's page and of its fragment."""

    change: Change
    site: Site
    siblings: list[Change]
    document: str
    approval: dict[str, Any]
    is_own: bool
    decides: bool
    may_confirm_now: bool
    entries: list[AuditEntry]
    now: datetime
    hold: UpdateHold | None
    rule: AutoUpdateRule | None
    attempts: list[Change]
    can_approve: bool
    needs_request: bool
    times: ChangeTimes
    security: UpdateEffect
    release: ReleaseCard | None
    findings: ReleaseFindings | None
    experience: FleetExperience
    pages: ChangePages | None
    pictures: Pictures

    def address_of(self, path: str) -> str:
        """Return the address of a page of the site."""
        return addresses.address_of(path, self.site.url)

    @property
    def asks_about_pages(self) -> bool:
        """Whether a person has to judge what differs on the site's pages."""
        return self.pages is not None and self.pages.asks

    @property
    def may_be_restored(self) -> bool:
        """Whether the site may have kept the version before, for an administrator to restore."""
        return (
            self.change.kind in ("plugin", "theme")
            and self.change.evidence.get("kept_copy") is True
        )

    @property
    def may_be_approved(self) -> bool:
        return self.can_approve and self.hold is None and self.times.is_open

    @property
    def attempt(self) -> int:
        """Return the number of this attempt of a rule at this version."""
        upto = [attempt for attempt in self.attempts if attempt.id <= self.change.id]
        return auto_update_rules.tries_of_rules(upto)

    @property
    def was_last_attempt(self) -> bool:
        """Whether a rule has used up its attempts at this version without touching the site."""
        is_over = self.has_ended and self.change.left_site_untouched
        return is_over and self.attempt >= auto_update_rules.MOST_TRIES

    @property
    def tries_again_at(self) -> datetime | None:
        """Return the time when the rule proposes this again, or None if it does not."""
        change = self.change
        is_last = bool(self.attempts) and self.attempts[-1].id == change.id
        if not (change.rule_id and change.ended_at and is_last and change.left_site_untouched):
            return None
        if self.attempt >= auto_update_rules.MOST_TRIES or self.rule is None:
            return None
        again_at: datetime = change.ended_at + auto_update_rules.TRIES_AGAIN_AFTER
        return again_at

    @property
    def may_be_cancelled(self) -> bool:
        return self.change.state in MAY_CANCEL

    @property
    def has_ended(self) -> bool:
        return not self.change.is_open

    @property
    def running(self) -> str:
        """Return the state that is worth polling, or an empty text."""
        return self.change.state if self.change.is_live else ""

    @property
    def risks(self) -> list[str]:
        """Return the names of the risks that an approver should consider."""
        return risks_of(self.change, has_warnings=bool(self.findings and self.findings.warnings))

    @property
    def package_host(self) -> str:
        return package_host(self.change)

    @property
    def pins(self) -> dict[str, Any]:
        """Return what the plan says about the package; empty before the pre-check."""
        return _planned_item(self.change)

    @property
    def package_check(self) -> str:
        """Return who has seen the package, as KnownPackage.state; empty without one."""
        if self.change.kind in COMPARED_KINDS:
            return self.findings.package_check if self.findings else ""
        return packages.check_state(self.change)

    @property
    def changelog(self) -> str:
        """Return the address of the changelog, for updates from WordPress.org."""
        change, slug = self.change, self.change.ident.partition("/")[0]
        if change.kind == "core":
            return RELEASE_NOTES.format(re.sub(r"[^0-9a-z]+", "-", change.to_version.lower()))
        if self.package_host != WORDPRESS_ORG:
            return ""
        places = {
            "siteagent": f"https://wordpress.org/plugins/{slug}/#developers",
            "plugin": f"https://wordpress.org/plugins/{slug}/#developers",
            "theme": f"https://wordpress.org/themes/{slug}/",
        }
        return places.get(change.kind, "")


@dataclass(frozen=True)
class HistoryPage:
    """The history of one component of a site."""

    site: Site
    kind: str
    ident: str
    name: str
    version: str
    candidates: list[Candidate]
    changes: list[Change]
    held: UpdateHold | None
    vulnerabilities: list[SiteVulnerability]
    releases: list[ReleaseCard]


def risks_of(change: Change, *, has_warnings: bool) -> list[str]:
    """Return the names of the risks of an update that its pre-check has passed.

    `has_warnings` is whether its release has some.
    """
    facts, host = change.facts, package_host(change)
    found = {
        "release": has_warnings,
        "core_major": change.permission == "core_major",
        "core": change.kind == "core",
        "database": change.kind == "database",
        "siteagent": change.kind == "siteagent",
        "major": change.kind != "core" and change.release_type == MAJOR,
        "no_rollback": change.kind not in ("core", "database") and facts.get("rollback") is False,
        "active": facts.get("active") is True and change.kind in ("plugin", "theme"),
        "approval_on_site": facts.get("approval_on_site") is True,
        "elsewhere": host not in ("", WORDPRESS_ORG, NO_PACKAGE),
    }
    return [name for name, is_so in found.items() if is_so]


def package_host(change: Change) -> str:
    """Return the server that the package comes from; empty before the pre-check."""
    return str(_planned_item(change).get("package_host", ""))


def _planned_item(change: Change) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(change.document)["item"] if change.document else {}
    return item


def change_page(change: Change, actor: Actor, confirmed_at: datetime) -> ChangePage:
    """Return the data of a change's page."""
    now = utcnow()
    site, hold = change.site, change.hold
    # An update that has ended either is of interest to a rule, or has shown something on pages.
    has_run = change.sent_at is not None and not change.is_open and not change.left_site_untouched
    rule = None if has_run else auto_update_rules.would_release(change, site, now)
    security = effect_of(change.kind, change.ident, change.from_version, change.to_version)
    of_version, siblings = change_results.changes_around(change, permissions.visibility_of(actor))
    return ChangePage(
        change=change,
        site=site,
        siblings=siblings,
        document=_pretty(change.document),
        approval=_approval(change),
        is_own=change.proposed_by_id is not None and change.proposed_by_id == actor.id,
        decides=approvals.can_decide(actor, site),
        may_confirm_now=now - confirmed_at < permissions.REAUTH_MAX_AGE - timedelta(seconds=30),
        entries=_entries(change),
        now=now,
        hold=hold if hold and change.is_open and hold.is_in_force(now) else None,
        rule=rule,
        attempts=[one for one in of_version if one.site_id == site.id],
        can_approve=approvals.may_approve(change, actor),
        needs_request=proposals.needs_request(change),
        times=change_times_of(change, now),
        security=security,
        release=release_age_view_models.card_of_change(change, site, rule, actor, security),
        findings=release_findings.findings_of(change),
        experience=fleet_experience.sum_up(of_version),
        pages=ChangePages.of(change.id) if has_run else None,
        pictures=screenshots.kept(change.id, current_app.config["AURA"]) if has_run else {},
    )


def _pretty(document: str) -> str:
    if not document:
        return ""
    return json.dumps(json.loads(document), ensure_ascii=False, indent=2, sort_keys=True)


def _approval(change: Change) -> dict[str, Any]:
    if not change.plan:
        return {}
    approval: dict[str, Any] = json.loads(from_b64u(change.plan))["approval"]
    return approval


def _entries(change: Change) -> list[AuditEntry]:
    """Return the audit entries of this change, oldest first."""
    found = AuditEntry.about_component(
        change.site_id, change.ident, events=STORY_EVENTS, since=change.proposed_at
    )
    return [
        entry for entry in found if entry_document(entry)["facts"].get("change_id") == change.id
    ]


def history_page(site: Site, kind: str, ident: str, actor: Actor) -> HistoryPage:
    visible, now = permissions.visibility_of(actor), utcnow()
    stored = SiteData.of_site(site)
    stored = replace(stored, changes=[one for one in stored.changes if visible.has_update(one)])
    found = [
        candidate
        for candidate in candidates.candidates_in(site, stored, now)
        if (candidate.target.kind, candidate.target.ident) == (kind, ident)
    ]
    listed = Change.history(site, kind, ident, visible)
    in_report = (report_list(kind), ident)
    known = next((one for one in stored.components if (one.kind, one.ident) == in_report), None)
    held = next((hold for hold in stored.holds if (hold.kind, hold.ident) == (kind, ident)), None)
    if not (found or listed or known):
        raise NotFound("This site has no such plugin, theme or translation.")
    vulnerabilities = SiteVulnerability.on_sites(kind, ident, [site.id]).get(site.id, [])
    name = found[0].target.name if found else (listed[0].name if listed else ident)
    return HistoryPage(
        site=site,
        kind=kind,
        ident=ident,
        name=name,
        version=known.version if known else (found[0].target.version if found else ""),
        candidates=found,
        changes=listed,
        held=held,
        vulnerabilities=vulnerabilities,
        releases=release_age_view_models.cards_of_candidates(
            site, found, vulnerabilities, actor, now
        ),
    )
