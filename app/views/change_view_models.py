"""Data of the pages about changes, read from the models for the templates."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.audit.documents import entry_document
from app.domain.changes import approvals, auto_update_rules, candidates
from app.domain.changes.candidates import Candidate
from app.domain.errors import NotFound
from app.domain.inventory.versions import MAJOR
from app.domain.reporting.computation import STORY_EVENTS
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule, UpdateHold
from app.models.base import utcnow
from app.models.changes import (
    APPROVED,
    BAD_ENDS,
    CANCELLED,
    CHECKING,
    ENDED,
    EXPIRED,
    MAY_CANCEL,
    PROPOSED,
    REFUSED,
    REJECTED,
    RUNNING,
    STATES,
    SUCCEEDED,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.clients import SECOND
from app.models.reports import Component, report_list
from app.models.sites import ACTIVE, Site
from app.protocol import from_b64u

WORDPRESS_ORG = "downloads.wordpress.org"
RELEASE_NOTES = "https://wordpress.org/documentation/wordpress-version/version-{}/"
# Updates that are reviewed and proposed separately.
APART = ("core_minor", "core_major", "siteagent")
_PAGE = 30
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
# The result filter of the list of ended changes.
OUTCOMES = {
    "succeeded": (SUCCEEDED,),
    "bad": BAD_ENDS,
    "not_done": (REFUSED, REJECTED, EXPIRED, CANCELLED),
}
_SEPARATOR = "|"


@dataclass(frozen=True)
class Queue:
    """Changes by what they need, and one page of ended ones.

    `older` is the id below which the next page starts.
    """

    to_check: list[Change]
    to_approve: list[Change]
    under_way: list[Change]
    ended: list[Change]
    outcome: str
    older: int | None
    is_first_page: bool


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

    @property
    def may_be_approved(self) -> bool:
        is_second = not (self.is_own and self.site.approvals == SECOND)
        may_go_on = self.change.state == PROPOSED and self.hold is None
        return may_go_on and self.decides and is_second

    @property
    def attempt(self) -> int:
        """Return the number of this attempt of a rule at this version."""
        upto = [one for one in self.attempts if one.id <= self.change.id]
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
        return self.change.state in ENDED

    @property
    def running(self) -> str:
        """Return the state that is worth polling, or an empty text."""
        return self.change.state if self.change.is_live else ""

    @property
    def risks(self) -> list[str]:
        """Return the names of the risks that an approver should consider."""
        change, facts = self.change, self.change.facts
        found = {
            "core_major": change.permission == "core_major",
            "core": change.kind == "core",
            "siteagent": change.kind == "siteagent",
            "major": change.kind != "core" and change.release_type == MAJOR,
            "no_rollback": change.kind != "core" and facts.get("rollback") is False,
            "active": facts.get("active") is True and change.kind in ("plugin", "theme"),
            "approval_on_site": facts.get("approval_on_site") is True,
            "elsewhere": bool(self.package_host) and self.package_host != WORDPRESS_ORG,
        }
        return [name for name, is_so in found.items() if is_so]

    @property
    def package_host(self) -> str:
        if not self.change.document:
            return ""
        return str(json.loads(self.change.document)["item"]["package_host"])

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
class AvailableOnSite:
    """A site with the updates that can be proposed, and those that cannot."""

    site: Site
    candidates: list[Candidate]

    @property
    def eligible(self) -> list[Candidate]:
        return [one for one in self.candidates if one.may_be_proposed]

    @property
    def others(self) -> list[Candidate]:
        return [one for one in self.candidates if not one.may_be_proposed]


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


def queue(client_id: int | None, outcome: str = "", before: int | None = None) -> Queue:
    """Return the lists of the page; for client users only those of their client.

    `outcome` filters the ended changes. `before` is the id of the last change on the previous page.
    """
    outcome = outcome if outcome in OUTCOMES else ""
    states = OUTCOMES.get(outcome, ENDED)
    ended = Change.listing(*states, limit=_PAGE + 1, before=before, client_id=client_id)
    under_way = Change.listing(
        CHECKING, APPROVED, RUNNING, WAITING, UNKNOWN, limit=None, client_id=client_id
    )
    return Queue(
        to_check=Change.to_check(client_id),
        to_approve=Change.listing(PROPOSED, limit=None, client_id=client_id),
        under_way=[one for one in under_way if not one.needs_checking],
        ended=ended[:_PAGE],
        outcome=outcome,
        older=ended[_PAGE - 1].id if len(ended) > _PAGE else None,
        is_first_page=before is None,
    )


def change_page(change: Change, me: Actor, confirmed_at: datetime) -> ChangePage:
    """Return the data of a change's page."""
    now = utcnow()
    site = change.site
    return ChangePage(
        change=change,
        site=site,
        siblings=[
            one
            for one in Change.in_batch(change.batch, permissions.restricted_client_id(me))
            if one.id != change.id
        ],
        document=_pretty(change.document),
        approval=_approval(change),
        is_own=change.proposed_by_id is not None and change.proposed_by_id == me.id,
        decides=approvals.can_decide(me, site),
        may_confirm_now=now - confirmed_at < permissions.REAUTH_MAX_AGE - timedelta(seconds=30),
        entries=_entries(change),
        now=now,
        hold=UpdateHold.in_force(site.id, change.kind, change.ident, now)
        if change.is_open
        else None,
        rule=auto_update_rules.would_release(change, site, now),
        attempts=Change.attempts_at(site.id, change.kind, change.ident, change.to_version),
    )


def signature(batch: Sequence[Change]) -> str:
    """Return a text of the states that a page shows, so that it is rendered only after a change."""
    shown = "|".join(f"{one.id}:{one.state}:{one.digest}:{one.is_live}" for one in batch)
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def summary(batch: Sequence[Change]) -> str:
    """Return the number of changes in each state: `3 succeeded, 2 waiting for approval`."""
    counts = Counter(one.state for one in batch)
    return ", ".join(f"{counts[state]} {IN_SUMMARY[state]}" for state in STATES if counts[state])


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
    return [one for one in found if entry_document(one)["facts"].get("change_id") == change.id]


def available(sites: Sequence[Site], apart: str) -> list[AvailableOnSite]:
    """Return the available updates of these sites, of the usual kinds or of one separate kind."""
    now = utcnow()
    return [
        AvailableOnSite(site, _chosen(candidates.candidates_on_site(site, now), apart))
        for site in sites
    ]


def _chosen(found: list[Candidate], apart: str) -> list[Candidate]:
    offering = [one for one in found if one.target.available]
    if apart:
        return [one for one in offering if one.target.permission == apart]
    return [one for one in offering if one.target.permission not in APART]


def paired_sites() -> list[Site]:
    """Return the sites for which changes can be proposed."""
    return [site for site in Site.listing() if site.state == ACTIVE]


def as_choice(site: Site, candidate: Candidate) -> str:
    """Return the form value of an update, which includes the version that was shown."""
    target = candidate.target
    parts = (str(site.id), target.kind, target.available or "", target.ident)
    return _SEPARATOR.join(parts)


def from_choice(text: str) -> tuple[int, str, str, str]:
    """Return site id, kind, version and ident of a form value.

    Raises: ValueError for other values.
    """
    site_id, kind, to_version, ident = text.split(_SEPARATOR, 3)
    if not (site_id.isascii() and site_id.isdigit() and len(site_id) <= 9):
        raise ValueError(text)
    return int(site_id), kind, to_version, ident


def history_page(site: Site, kind: str, ident: str) -> HistoryPage:
    found = [
        one
        for one in candidates.candidates_on_site(site, utcnow())
        if (one.target.kind, one.target.ident) == (kind, ident)
    ]
    listed = Change.history(site, kind, ident)
    known = Component.get_or_none(
        Component.site == site, Component.kind == report_list(kind), Component.ident == ident
    )
    if not (found or listed or known):
        raise NotFound("This site has no such plugin, theme or translation.")
    name = found[0].target.name if found else (listed[0].name if listed else ident)
    return HistoryPage(
        site=site,
        kind=kind,
        ident=ident,
        name=name,
        version=known.version if known else (found[0].target.version if found else ""),
        candidates=found,
        changes=listed,
        held=UpdateHold.of(site, kind, ident),
    )
