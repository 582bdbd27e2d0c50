"""Data of the pages of one site, read from the models for the templates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from app.domain import attention, audit, permissions
from app.domain.attention import Item
from app.domain.audit.subjects import HIGHLIGHTS
from app.domain.changes import candidates, rule_coverage
from app.domain.changes.candidates import Candidate
from app.domain.inventory import update_limits
from app.domain.inventory.eligibility import Reason
from app.domain.inventory.update_limits import Pause
from app.domain.inventory.versions import available_updates
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule, UpdateHold
from app.models.base import utcnow
from app.models.changes import Change
from app.models.file_checks import SAME, ComparedComponent, SiteFileCheck
from app.models.reports import KINDS, Component, report_list
from app.models.site_data import SiteData
from app.models.site_record import SiteRecord
from app.models.site_vulnerabilities import SiteVulnerability
from app.models.sites import (
    ACTIVE,
    CANCELLED,
    ENDING_OR_OVER,
    EXPIRED,
    FAILED,
    MAY_FORGET,
    MAY_PAIR,
    PAIRING,
    REVOKING,
    Pairing,
    Site,
)
from app.models.tags import SiteTag
from app.views import page_context
from app.views.authorization import current_actor, current_visibility, no_such_site
from app.views.report_document import whole_document
from app.views.window_view_models import SiteTimes, site_times

# How long after pairing the fingerprint is shown large.
_FRESH = timedelta(minutes=30)
# How long the page mentions a token that closed unused.
_NEWS = timedelta(days=1)
# A site compares its files daily. After this time without a result, something prevents it.
_FILE_CHECK_LATE = timedelta(days=2)
_RECENT_ENTRIES = 8
_RECENT_CHANGES = 10

_ENDS = (
    "revocation_confirmed",
    "revocation_unproven",
    "revocation_undelivered",
    "revocation_abandoned",
    "site_disconnected",
)


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


class SitePage:
    """The data of a site's pages and of their fragment.

    What every tab shows is in the record of the site. Everything else is read when a template
    first uses it.
    """

    def __init__(self, record: SiteRecord, now: datetime) -> None:
        self.site = record.site
        self.sync = record.sync
        self.rotation = record.rotation
        self.pairing = record.token
        self.report = record.report
        self.watch = record.watch
        self._fit_updates = record.fit_updates
        self.now = now

    # ---- what is read ----

    @cached_property
    def client(self) -> str:
        return self.site.client.name if self.site.client else "No client"

    @cached_property
    def times(self) -> SiteTimes:
        return site_times(self.site, self.now)

    @cached_property
    def document(self) -> dict[str, Any]:
        return whole_document(json.loads(self.report.body)) if self.report else {}

    @cached_property
    def components(self) -> dict[str, list[Component]]:
        listed = Component.for_site(self.site)
        return {
            kind: [component for component in listed if component.kind == kind] for kind in KINDS
        }

    @cached_property
    def candidates(self) -> list[Candidate]:
        if self.report is None:
            return []
        visible = current_visibility()
        stored = SiteData(
            report=self.report,
            components=[component for kind in KINDS for component in self.components[kind]],
            holds=UpdateHold.of_sites([self.site.id]),
            changes=[one for one in page_context.changes_on(self.site) if visible.has_update(one)],
        )
        return candidates.candidates_in(self.site, stored, self.now)

    @cached_property
    def entries(self) -> list[AuditEntry]:
        which = audit.EntryFilter(
            site=self.site.id, subject=HIGHLIGHTS, visible=current_visibility()
        )
        return audit.find_entries(which, _RECENT_ENTRIES)

    @cached_property
    def recent_changes(self) -> list[Change]:
        return Change.of_site(self.site, _RECENT_CHANGES, current_visibility())

    @cached_property
    def revocation(self) -> RevocationStatus:
        return _revocation_status(self.site)

    @cached_property
    def tags(self) -> dict[str, str]:
        return SiteTag.of_site(self.site)

    @cached_property
    def by_tag(self) -> list[AutoUpdateRule]:
        """Return the rules that apply because of the site's tags."""
        return [rule for rule in self.rules if rule.tags]

    @cached_property
    def rules(self) -> list[AutoUpdateRule]:
        """Return the rules in force that cover the site."""
        return rule_coverage.rules_for(self.site, self.tags, self.now)

    @cached_property
    def vulnerabilities(self) -> list[SiteVulnerability]:
        """Return what is known about the software of a connected site, the worst first."""
        return SiteVulnerability.of_site(self.site.id) if self.is_paired else []

    @cached_property
    def file_check(self) -> SiteFileCheck | None:
        """Return when the files of a connected site were compared; None before the first time."""
        return SiteFileCheck.of_site(self.site.id) if self.is_paired else None

    @cached_property
    def compared(self) -> list[ComparedComponent]:
        """Return how its files compare with their releases, open differences first."""
        return ComparedComponent.of_site(self.site.id) if self.file_check else []

    # ---- what follows from it ----

    @property
    def is_file_check_late(self) -> bool:
        """Whether the files should have been compared again by now."""
        check = self.file_check
        return check is not None and self.now - check.checked_at > _FILE_CHECK_LATE

    @property
    def files_match(self) -> int:
        """Return how many components are as they were released."""
        return sum(one.state == SAME for one in self.compared)

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
        return self.site.state in ENDING_OR_OVER

    @property
    def home(self) -> str:
        """Return the address that the site itself names, or the one it was added with."""
        return self.site.home or self.site.url

    @property
    def closed_token(self) -> Pairing | None:
        """Return the last token if it closed unused recently and nothing happened since."""
        token, ended_at = self.pairing, self.site.revoked_at
        if token is None or token.state not in (EXPIRED, CANCELLED, FAILED) or not token.closed_at:
            return None
        is_news = self.now - token.closed_at < _NEWS
        return token if is_news and (ended_at is None or token.closed_at > ended_at) else None

    @property
    def problems(self) -> list[Item]:
        """Return what needs attention, without the connection, which the page shows anyway."""
        found = attention.grouped_by_site(page_context.urgent_items()).get(self.site.id, [])
        return [item for item in found if item.about != "connection"]

    @cached_property
    def by_component(self) -> dict[tuple[str, str], Candidate]:
        """Return the candidates by list and component.

        WordPress, available in several versions, is in `core`.
        """
        return {
            (report_list(candidate.target.kind), candidate.target.ident): candidate
            for candidate in self.candidates
        }

    @property
    def core(self) -> dict[str | None, Candidate]:
        return {
            candidate.target.available: candidate
            for candidate in self.candidates
            if candidate.target.kind == "core"
        }

    @cached_property
    def waiting(self) -> list[Candidate]:
        """Return the available updates: WordPress first, then by kind and name."""
        order = ("database", "core", "siteagent", "plugin", "theme", "translation")
        found = [candidate for candidate in self.candidates if candidate.target.available]
        return sorted(
            found,
            key=lambda candidate: (
                order.index(candidate.target.kind),
                candidate.target.name.casefold(),
            ),
        )

    @cached_property
    def site_wide_reasons(self) -> list[Reason]:
        """Return what blocks updates of the whole site, each once.

        Missing permissions and a pause by the owner have notices of their own.
        """
        found: list[Reason] = []
        for candidate in self.waiting:
            for reason in candidate.verdict.reasons:
                has_notice = reason.code in ("permission_off", "paused_by_owner")
                is_shown = has_notice or reason in found
                if reason.is_site_wide and not is_shown:
                    found.append(reason)
        return found

    @property
    def pause(self) -> Pause | None:
        """Return the pause of updates by the site's owner."""
        return update_limits.pause_of(self.site) if self.is_paired else None

    @property
    def next_attempt_at(self) -> datetime | None:
        """Return when the schedule syncs a failing site again; None if no wait is left."""
        at = self.site.next_sync_at
        return at if at is not None and at > self.now else None

    @property
    def update_count(self) -> int:
        """Return the number of available updates, as the list of sites shows it."""
        return self.site.update_count if self.is_paired and self.report else 0

    @property
    def available(self) -> dict[str, int]:
        """Return the number of available updates by kind."""
        return available_updates(candidate.target for candidate in self.candidates)

    @property
    def ready(self) -> int:
        """Return the number of updates against which the site's data says nothing."""
        if self.site.state != ACTIVE or self.site.quarantine:
            return 0
        return self._fit_updates

    @property
    def active_theme(self) -> str:
        """Return name and version of the active theme."""
        themes = self.document.get("themes", [])
        return next(
            (f"{theme['name']} {theme['version']}" for theme in themes if theme["active"]), ""
        )

    @property
    def plugins(self) -> tuple[int, int]:
        """Return the number of plugins, and how many of them are active."""
        plugins = self.document.get("plugins", [])
        return len(plugins), sum(plugin["active"] for plugin in plugins)

    @property
    def health_problems(self) -> int:
        """Return the number of tests of Site Health that failed or recommend something."""
        tests = self.document.get("health", {}).get("tests", [])
        return sum(test["status"] in ("critical", "recommended") for test in tests)


def load_site_page(site_id: int) -> SitePage:
    """Return the data of the site's pages. Raises NotFound as `load_site` does."""
    record = SiteRecord.known(site_id)
    if record is None or not permissions.can_see_site(current_actor(), record.site):
        raise no_such_site()
    page_context.announce_site(record.site)
    return SitePage(record, utcnow())


def _revocation_status(site: Site) -> RevocationStatus:
    if site.state not in ENDING_OR_OVER:
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
        entry=AuditEntry.newest_of(_ENDS, site_id=site.id),
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
