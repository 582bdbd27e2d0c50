"""Data of the pages about sites, read from the models for the templates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.domain import attention, permissions
from app.domain.actor import Actor
from app.domain.attention import Item
from app.domain.changes import candidates, rule_coverage
from app.domain.changes.candidates import Candidate
from app.domain.inventory import php_eol
from app.domain.inventory.versions import available_updates
from app.domain.sites import tag_names
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import utcnow
from app.models.reports import KINDS, Component, Report, Sync, report_list
from app.models.rotations import Rotation
from app.models.sites import (
    CANCELLED,
    EXPIRED,
    FAILED,
    MAY_FORGET,
    MAY_PAIR,
    PAIRING,
    REVOKING,
    SORTS,
    Pairing,
    Site,
)
from app.models.tags import SiteTag
from app.views.pagination import Page, page_of
from app.views.report_document import whole_document

# How long after pairing the fingerprint is shown large.
_FRESH = timedelta(minutes=30)
# How long the page mentions a token that closed unused.
_NEWS = timedelta(days=1)
_RECENT_ENTRIES = 8

_ENDED = frozenset(
    {
        "revoking",
        "revoked",
        "revoked_unproven",
        "revoked_unreached",
        "disconnected",
        "disconnected_unconfirmed",
    }
)
_ENDS = (
    "revocation_confirmed",
    "revocation_unproven",
    "revocation_undelivered",
    "revocation_abandoned",
    "site_disconnected",
)
# The options of the state filter, each with its values of Site.connection.
_GROUPS = {
    "healthy": frozenset({"healthy"}),
    "unpaired": frozenset({"new", "pairing"}),
    "ended": _ENDED,
}


@dataclass(frozen=True)
class SiteRow:
    """A row of the list. `available_updates` is None before the first sync."""

    site: Site
    client: str
    wordpress: str
    php: str
    available_updates: int | None
    tags: list[str]
    attention: list[Item]

    @property
    def problems(self) -> list[Item]:
        """Return the problems for the row, without duplicates and without the connection."""
        found = {(one.about, one.word, one.name): one for one in reversed(self.attention)}
        return [one for one in reversed(found.values()) if one.about != "connection"]


@dataclass(frozen=True)
class Totals:
    """The totals above the list. They count all sites, without the filter."""

    sites: int
    with_updates: int
    need_attention: int
    wait_for_you: int


@dataclass(frozen=True)
class Listing:
    """One page of the list of sites, with its filters."""

    rows: list[SiteRow]
    page: Page[Site]
    totals: Totals
    q: str
    state: str
    sort: str
    tag: str
    tags: list[str]

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.state or self.tag)


@dataclass(frozen=True)
class RevocationStatus:
    """What is proven about the end of a connection."""

    by: str = ""
    left: str = ""
    left_at: datetime | None = None
    acknowledged_at: datetime | None = None
    refused_at: datetime | None = None
    probe: str = ""
    attempts: int = 0
    last_attempt_at: datetime | None = None
    last_error: str = ""
    gave_up_at: datetime | None = None
    entry: AuditEntry | None = None


@dataclass(frozen=True)
class SitePage:
    """The data of a site's page and of its fragment."""

    site: Site
    client: str
    pairing: Pairing | None
    sync: Sync | None
    rotation: Rotation | None
    report: Report | None
    document: dict[str, Any]
    components: dict[str, list[Component]]
    entries: list[AuditEntry]
    parting: RevocationStatus
    candidates: list[Candidate]
    tags: dict[str, str]
    by_tag: list[AutoUpdateRule]
    attention: list[Item]
    now: datetime

    @property
    def running(self) -> str:
        """Return the running operation: 'pairing', 'rotation', 'sync', 'revoking' or ''."""
        if self.site.state in (PAIRING, REVOKING):
            return self.site.state
        if self.site.is_paired and self.rotation and self.rotation.is_open:
            return "rotation"
        return "sync" if self.site.is_paired and self.sync and self.sync.is_open else ""

    @property
    def watched(self) -> str:
        """Return what an open page follows: the running operation, or the connection state."""
        return self.running or self.site.connection

    @property
    def is_paired(self) -> bool:
        return self.site.is_paired

    @property
    def is_fresh_pairing(self) -> bool:
        paired_at = self.site.paired_at
        return self.is_paired and paired_at is not None and self.now - paired_at < _FRESH

    @property
    def may_be_paired(self) -> bool:
        return self.site.state in MAY_PAIR

    @property
    def may_be_forgotten(self) -> bool:
        return self.site.state in MAY_FORGET

    @property
    def has_ended(self) -> bool:
        return self.site.state in _ENDED

    @property
    def closed_token(self) -> Pairing | None:
        """Return the last token if it closed unused recently and nothing happened since."""
        token, ended_at = self.pairing, self.site.revoked_at
        if token is None or token.state not in (EXPIRED, CANCELLED, FAILED) or not token.closed_at:
            return None
        is_news = self.now - token.closed_at < _NEWS
        return token if is_news and (ended_at is None or token.closed_at > ended_at) else None

    @property
    def by_component(self) -> dict[tuple[str, str], Candidate]:
        """Return the candidates by list and component.

        WordPress, available in several versions, is in `core`.
        """
        return {(report_list(one.target.kind), one.target.ident): one for one in self.candidates}

    @property
    def core(self) -> dict[str | None, Candidate]:
        return {one.target.available: one for one in self.candidates if one.target.kind == "core"}

    @property
    def may_propose_anything(self) -> bool:
        return any(one.may_be_proposed for one in self.candidates)

    @property
    def available(self) -> dict[str, int]:
        """Return the number of available updates by kind."""
        return available_updates(one.target for one in self.candidates)


def list_sites(actor: Actor, *, q: str, state: str, sort: str, tag: str = "") -> Listing:
    """Return the filtered list, with totals over all sites that were not removed.

    Client users see only their client's sites, and no tags.
    """
    client_id, needs = permissions.restricted_client_id(actor), attention.by_site(actor)
    everything = Site.listing(client_id=client_id)
    sort = sort if sort.removeprefix("-") in SORTS else "name"
    tagged, known = ({}, {}) if client_id is not None else (SiteTag.by_site(), SiteTag.in_use())
    # Users who do not see tags must not find sites by them either.
    wanted = tag_names.fold(tag[: tag_names.MAX_CHARS + 1]) if client_id is None else ""
    versions = Report.versions()
    chosen = [
        site
        for site in Site.listing(q=q, sort=sort, client_id=client_id)
        if (_has_old_php(site, versions) if state == "old_php" else _is_in(site, state, needs))
        and (not wanted or wanted in map(tag_names.fold, tagged.get(site.id, ())))
    ]
    page = page_of(chosen)
    return Listing(
        rows=[
            _row(site, versions, tagged.get(site.id, []), needs.get(site.id, []))
            for site in page.items
        ],
        page=page,
        totals=Totals(
            sites=len(everything),
            with_updates=sum(_has_updates(site) for site in everything),
            need_attention=len(needs),
            wait_for_you=attention.waiting_for(actor),
        ),
        q=q,
        state=state,
        sort=sort,
        tag=known.get(wanted, tag.strip()[: tag_names.MAX_CHARS]) if wanted else "",
        tags=list(known.values()),
    )


def _is_in(site: Site, group: str, needs: dict[int, list[Item]]) -> bool:
    """Whether the site matches the state filter; an unknown filter matches all."""
    if group == "attention":
        return site.id in needs
    if group == "updates":
        return _has_updates(site)
    words = _GROUPS.get(group)
    return words is None or site.connection in words


def _has_updates(site: Site) -> bool:
    """Whether updates are available. Sites that are no longer connected do not count."""
    return site.is_paired and site.update_count > 0


def _has_old_php(site: Site, versions: dict[int, tuple[str, str]]) -> bool:
    """Whether PHP of a connected site no longer gets security fixes."""
    last_day = php_eol.ends_on(versions[site.id][1]) if site.id in versions else None
    return site.is_paired and last_day is not None and last_day < utcnow().date()


def site_page(site: Site, actor: Actor) -> SitePage:
    """Return the data of a site that this actor may see, with about a dozen queries."""
    now = utcnow()
    report = Report.of(site)
    listed = Component.for_site(site)
    tagged = SiteTag.of_site(site)
    return SitePage(
        site=site,
        client=_client_name(site),
        pairing=site.latest_token(),
        sync=Sync.latest_for(site),
        rotation=Rotation.latest_for(site),
        report=report,
        document=whole_document(json.loads(report.body)) if report else {},
        components={kind: [one for one in listed if one.kind == kind] for kind in KINDS},
        entries=AuditEntry.newest(site_id=site.id, limit=_RECENT_ENTRIES),
        parting=_revocation_status(site),
        candidates=candidates.candidates_on_site(site, now) if report else [],
        tags=tagged,
        attention=attention.by_site(actor, site).get(site.id, []),
        by_tag=[
            rule
            for rule in AutoUpdateRule.in_force(now)
            if rule.tags and rule_coverage.matches_site(rule, site, tagged)
        ],
        now=now,
    )


def _row(
    site: Site, versions: dict[int, tuple[str, str]], tagged: list[str], needs: list[Item]
) -> SiteRow:
    known = versions.get(site.id)
    wordpress, php = known or ("", "")
    return SiteRow(
        site=site,
        client=_client_name(site),
        wordpress=wordpress,
        php=php,
        available_updates=site.update_count if known else None,
        tags=tagged,
        attention=needs,
    )


def _client_name(site: Site) -> str:
    return site.client.name if site.client else "No client"


def _revocation_status(site: Site) -> RevocationStatus:
    if site.state not in _ENDED:
        return RevocationStatus()
    seen = site.revoke_evidence or {}
    return RevocationStatus(
        by=seen.get("by", ""),
        left=seen.get("left", ""),
        left_at=_moment(seen.get("left_at")),
        acknowledged_at=_moment(seen.get("ack_at")) if seen.get("ack") == "yes" else None,
        refused_at=_moment(seen.get("probe_at")) if seen.get("probe") == "refused" else None,
        probe=seen.get("probe", ""),
        attempts=seen.get("attempts", 0),
        last_attempt_at=_moment(seen.get("last_attempt_at")),
        last_error=seen.get("last_error", ""),
        gave_up_at=_moment(seen.get("gave_up_at")),
        entry=_newest_entry(site, _ENDS),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _newest_entry(site: Site, events: tuple[str, ...]) -> AuditEntry | None:
    found = [
        one for name in events for one in AuditEntry.newest(site_id=site.id, event=name, limit=1)
    ]
    return max(found, key=lambda entry: entry.seq, default=None)
