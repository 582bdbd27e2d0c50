"""Data of the page of a plugin or theme: who runs which version, and what can be updated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from app.domain.actor import Actor
from app.domain.changes import fleet_updates
from app.domain.changes.fleet_updates import BlockedUpdate
from app.domain.errors import NotFound
from app.domain.inventory.targets import kind_of
from app.domain.inventory.versions import numbers
from app.models.auto_update_rules import UpdateHold
from app.models.available_updates import BLOCKED, AvailableUpdate, UpdateFilter, UpdateGroup
from app.models.reports import Component, Report
from app.models.sites import Site
from app.views.pagination import Page, page_of

PAGE_SIZE = 50
_MOST_STEPS = 50
# Those that need attention first.
_ORDER = ("ready", "blocked", "open", "")


@dataclass(frozen=True)
class Installation:
    """The component on one site, with the status of its available update, if there is one."""

    site: Site
    version: str
    is_active: bool
    status: str
    to_version: str
    blocked: BlockedUpdate | None
    hold: UpdateHold | None


@dataclass(frozen=True)
class PluginPage:
    """The data of the page; `versions` are counts, the newest version first."""

    kind: str
    ident: str
    name: str
    author: str
    versions: list[tuple[str, int]]
    steps: list[UpdateGroup]
    installations: Page[Installation]
    ignored: int

    @property
    def ready(self) -> int:
        return sum(step.ready for step in self.steps)

    @property
    def targets(self) -> list[str]:
        """Return the versions that sites can be updated to."""
        return sorted({step.key.to_version for step in self.steps})


@dataclass(frozen=True)
class _Installed:
    site: Site
    version: str
    name: str
    author: str
    is_active: bool


def plugin_page(actor: Actor, listed: str, ident: str, now: datetime) -> PluginPage:
    """Return the data of the page, in the same number of queries for any number of sites."""
    kind = kind_of(listed, ident)
    update_filter = fleet_updates.updates_visible_to(actor, now, kind=kind, ident=ident)
    found = _installed(kind, ident)
    if not found:
        raise NotFound("No connected site has this plugin or theme.")
    counts = Counter(installed.version for installed in found)
    steps, _ = AvailableUpdate.by_component(update_filter, limit=_MOST_STEPS)
    rows = _installations(found, update_filter)
    return PluginPage(
        kind=kind,
        ident=ident,
        name=found[0].name or ident,
        author=found[0].author,
        versions=sorted(counts.items(), key=lambda item: (numbers(item[0]), item[0]), reverse=True),
        steps=steps,
        installations=page_of(rows, PAGE_SIZE),
        ignored=sum(row.hold is not None for row in rows),
    )


def _installed(kind: str, ident: str) -> list[_Installed]:
    if kind == "core":
        return [_Installed(found.site, found.wordpress, "WordPress", "", True)
                for found in Report.on_sites()]  # fmt: skip
    return [_Installed(found.site, found.version, found.name, found.author, found.active)
            for found in Component.on_sites(kind, ident)]  # fmt: skip


def _installations(found: list[_Installed], update_filter: UpdateFilter) -> list[Installation]:
    """Return all installations, those that can be updated first."""
    updates = {row.site_id: row for row in AvailableUpdate.listing(update_filter)}
    blocked = [row for row in updates.values() if row.status == BLOCKED]
    reasons = {
        blocked_update.update.site_id: blocked_update
        for blocked_update in fleet_updates.with_reasons(blocked, update_filter.now)
    }
    rows = []
    for installed in found:
        update = updates.get(installed.site.id)
        status = update.status if update else ""
        why = reasons.get(installed.site.id) if status == BLOCKED else None
        rows.append(
            Installation(
                site=installed.site,
                version=installed.version,
                is_active=installed.is_active,
                status=status,
                to_version=update.to_version if update else "",
                blocked=why,
                hold=why.hold if why and any(r.code == "held" for r in why.reasons) else None,
            )
        )
    return sorted(rows, key=lambda row: _ORDER.index(row.status))
