"""Data of the page of a plugin or theme: who runs which version, and what can be updated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.actor import Actor
from app.domain.changes import fleet_updates
from app.domain.changes.fleet_updates import BlockedUpdate
from app.domain.errors import NotFound
from app.domain.inventory.targets import kind_of
from app.domain.inventory.versions import numbers
from app.domain.vulnerabilities import known, slugs
from app.domain.vulnerabilities.known import VulnerableComponent
from app.models import update_lists
from app.models.auto_update_rules import UpdateHold
from app.models.available_updates import (
    BLOCKED,
    AvailableUpdate,
    UpdateFilter,
    UpdateStatus,
)
from app.models.plugin_facts import PluginFacts
from app.models.reports import Component, Installed, Report
from app.models.update_lists import UpdateGroup
from app.models.visibility import Visibility
from app.views.pagination import Page, page_of
from app.views.plugin_source_view_models import PluginSource, plugin_source

PAGE_SIZE = 50
_MOST_STEPS = 50
# Those that need attention first.
_ORDER = ("ready", "blocked", "open", "")
_NONE = UpdateStatus("", "")


@dataclass(frozen=True)
class Installation:
    """The component on one site, with the status of its available update, if there is one."""

    installed: Installed
    status: str
    to_version: str
    blocked: BlockedUpdate | None
    hold: UpdateHold | None
    is_vulnerable: bool


@dataclass(frozen=True)
class PluginPage:
    """The data of the page; `versions` are counts, the newest version first.

    `vulnerable` is None if no version in use has a known vulnerability, `source` for what has none.
    """

    kind: str
    ident: str
    name: str
    author: str
    versions: list[tuple[str, int]]
    steps: Sequence[UpdateGroup]
    installations: Page[Installation]
    ignored: int
    vulnerable: VulnerableComponent | None
    source: PluginSource | None

    @property
    def ready(self) -> int:
        return sum(step.ready for step in self.steps)

    @property
    def targets(self) -> list[str]:
        """Return the versions that sites can be updated to."""
        return sorted({step.key.to_version for step in self.steps})


def plugin_page(actor: Actor, listed: str, ident: str, now: datetime) -> PluginPage:
    """Return the data of the page, in the same number of queries for any number of sites."""
    kind = kind_of(listed, ident)
    update_filter = fleet_updates.updates_visible_to(actor, now, kind=kind, ident=ident)
    found = _installed(kind, ident, update_filter.visible)
    if not found:
        raise NotFound("No connected site has this plugin or theme.")
    counts = Counter(installed.version for installed in found)
    steps, _ = update_lists.by_component(update_filter, size=_MOST_STEPS)
    updates = AvailableUpdate.statuses(update_filter)
    in_order = sorted(found, key=lambda one: _ORDER.index(updates.get(one.site_id, _NONE).status))
    slug = slugs.slug_of(listed, ident)
    facts = PluginFacts.read(kind, ident, listed, slug, now)
    page = page_of(in_order, PAGE_SIZE)
    known_ones = known.vulnerabilities_in(listed, slug, update_filter.visible)
    vulnerable = frozenset[int]().union(*(one.site_ids for one in known_ones))
    rows = _installations(page.items, updates, update_filter, vulnerable)
    return PluginPage(
        kind=kind,
        ident=ident,
        name=found[0].name or ident,
        author=found[0].author,
        versions=sorted(counts.items(), key=lambda item: (numbers(item[0]), item[0]), reverse=True),
        steps=steps.items,
        installations=Page(rows, page.number, page.total, page.size),
        ignored=sum(
            one.status == BLOCKED and site_id in facts.ignored_on
            for site_id, one in updates.items()
        ),
        vulnerable=VulnerableComponent(tuple(known_ones)) if known_ones else None,
        source=plugin_source(actor, listed, facts),
    )


def _installed(kind: str, ident: str, visible: Visibility) -> list[Installed]:
    if kind == "core":
        return Report.installations(visible)
    return Component.installations(kind, ident, visible)


def _installations(
    found: Sequence[Installed],
    updates: Mapping[int, UpdateStatus],
    update_filter: UpdateFilter,
    vulnerable: Collection[int],
) -> list[Installation]:
    """Return the installations of a page, with the reasons against their updates."""
    site_ids = tuple(one.site_id for one in found)
    shown = replace(update_filter, site_ids=site_ids)
    blocked = fleet_updates.blocked_updates(shown, size=len(site_ids)).items if site_ids else []
    reasons = {one.update.site_id: one for one in blocked}
    rows = []
    for installed in found:
        update = updates.get(installed.site_id, _NONE)
        why = reasons.get(installed.site_id) if update.status == BLOCKED else None
        rows.append(
            Installation(
                installed=installed,
                status=update.status,
                to_version=update.to_version,
                blocked=why,
                is_vulnerable=installed.site_id in vulnerable,
                hold=why.hold if why and any(r.code == "held" for r in why.reasons) else None,
            )
        )
    return rows
