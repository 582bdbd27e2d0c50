"""The available updates of all sites, with the reasons why some of them are blocked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.changes.proposals import UpdateRequest
from app.domain.inventory.eligibility import (
    SEPARATE_KINDS,
    STALE_AFTER,
    ActiveHold,
    Reason,
    SiteFacts,
    passing_reasons,
)
from app.domain.sites import holds
from app.models import update_lists
from app.models.auto_update_rules import UpdateHold
from app.models.available_updates import (
    READY,
    AvailableUpdate,
    UpdateFilter,
    UpdateKey,
)
from app.models.key_pages import FIRST_PAGE, KeyPage, Start
from app.models.reports import Component
from app.models.sites import Site


@dataclass(frozen=True)
class BlockedUpdate:
    """An available update of one site, and all reasons against it."""

    update: AvailableUpdate
    reasons: tuple[Reason, ...]
    hold: UpdateHold | None


def updates_visible_to(actor: Actor, now: datetime, **narrow: Any) -> UpdateFilter:
    """Return the filter for what this actor may see, narrowed by the fields of UpdateFilter."""
    visible = permissions.visibility_of(actor)
    return UpdateFilter(now=now, fresh_since=now - STALE_AFTER, visible=visible, **narrow)


def blocked_updates(
    update_filter: UpdateFilter, *, size: int, start: Start = FIRST_PAGE
) -> KeyPage[BlockedUpdate]:
    """Return a page of blocked updates with their reasons, in two queries."""
    page = update_lists.blocked(update_filter, size=size, start=start)
    holds = UpdateHold.by_component([row.site_id for row in page.items])
    items = with_reasons(page.items, holds, update_filter.now)
    return KeyPage(items, page.start, page.previous, page.next)


def with_reasons(
    rows: Sequence[AvailableUpdate], holds: dict[tuple[int, str, str], UpdateHold], now: datetime
) -> list[BlockedUpdate]:
    """Add the reasons of blocked rows: those of the site data, and those that come and go.

    `holds` are those of their sites, as UpdateHold.by_component returns them.
    """
    return [_with_reasons(row, holds.get((row.site_id, row.kind, row.ident)), now) for row in rows]


def _with_reasons(row: Any, hold: UpdateHold | None, now: datetime) -> BlockedUpdate:
    around = SiteFacts(
        is_connected=True,  # other sites are not listed
        is_quarantined=bool(row.site.quarantine),
        has_incident=bool(row.needs_checking),
        report_at=row.site.report.received_at,
    )
    active = ActiveHold(hold.reason, hold.until) if hold else None
    lasting = tuple(Reason(code, facts) for code, facts in row.reasons)
    return BlockedUpdate(row, (*passing_reasons(around, active, now), *lasting), hold)


def chosen_updates(
    update_filter: UpdateFilter, keys: Sequence[UpdateKey], site_ids: Sequence[int]
) -> list[AvailableUpdate]:
    """Return the ready updates that are about one of `keys`, and the usual ones of some sites.

    WordPress and SiteAgent are only among them if a key names them: they are reviewed separately.
    """
    by_key = AvailableUpdate.about(update_filter, READY, set(keys)) if keys else []
    if not site_ids:
        return by_key
    visible = set(update_filter.site_ids) or set(site_ids)
    narrowed = replace(update_filter, site_ids=tuple(visible & set(site_ids)) or (0,))
    return [*by_key, *usual_updates(narrowed)]


def usual_updates(update_filter: UpdateFilter) -> list[AvailableUpdate]:
    """Return all ready updates that can be reviewed together."""
    return list(
        AvailableUpdate.with_status(replace(update_filter, without_kinds=SEPARATE_KINDS), READY)
    )


def as_requests(updates: Sequence[AvailableUpdate]) -> list[UpdateRequest]:
    """Return the request for each of these updates."""
    return [UpdateRequest(row.site, row.kind, row.ident, row.to_version) for row in updates]


def ignore_updates(
    updates: Sequence[AvailableUpdate],
    *,
    everywhere: bool,
    until: datetime | None,
    reason: str,
    by: Actor,
    now: datetime,
) -> int:
    """Ignore the components of `updates` on their sites, or on all sites that have them.

    Return the number of components and sites that are ignored. Raises Forbidden or Invalid.
    """
    places: dict[tuple[str, str], dict[int, Site]] = {}
    for update in updates:
        sites = places.setdefault((update.kind, update.ident), {})
        sites[update.site_id] = update.site
        if everywhere:
            found = Component.on_sites(update.kind, update.ident, permissions.visibility_of(by))
            sites |= {component.site_id: component.site for component in found}
    with permissions.user_transaction(by, "propose"):
        for (kind, ident), sites in places.items():
            holds.hold_updates(
                list(sites.values()), kind, ident, until=until, reason=reason, by=by, now=now
            )
    return sum(len(sites) for sites in places.values())
