"""The available updates of all sites, with the reasons why some of them are blocked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain import permissions
from app.domain.actor import Actor
from app.domain.changes.proposals import UpdateRequest
from app.domain.inventory.eligibility import (
    STALE_AFTER,
    ActiveHold,
    Reason,
    SiteFacts,
    passing_reasons,
)
from app.models.auto_update_rules import UpdateHold
from app.models.available_updates import BLOCKED, AvailableUpdate, UpdateFilter, UpdateKey


@dataclass(frozen=True)
class BlockedUpdate:
    """An available update of one site, and all reasons against it."""

    update: AvailableUpdate
    reasons: tuple[Reason, ...]
    hold: UpdateHold | None


def updates_visible_to(actor: Actor, now: datetime, **narrow: Any) -> UpdateFilter:
    """Return the filter for what this actor may see, narrowed by the fields of UpdateFilter."""
    only = permissions.restricted_client_id(actor)
    if only is not None:
        narrow["client_id"] = only
    return UpdateFilter(now=now, fresh_since=now - STALE_AFTER, **narrow)


def blocked_updates(asked: UpdateFilter, *, limit: int, offset: int = 0) -> list[BlockedUpdate]:
    """Return blocked updates with their reasons, in two queries for any number of sites."""
    query = AvailableUpdate.with_status(asked, BLOCKED).limit(limit).offset(offset)
    return with_reasons(list(query), asked.now)


def with_reasons(rows: Sequence[AvailableUpdate], now: datetime) -> list[BlockedUpdate]:
    """Add the reasons of blocked rows: those of the site data, and those that come and go."""
    holds = UpdateHold.of_sites([row.site_id for row in rows])
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


def requests_for(asked: UpdateFilter, keys: Sequence[UpdateKey]) -> list[UpdateRequest]:
    """Return one request for each ready update that is about one of `keys`."""
    rows = AvailableUpdate.ready_for(asked, keys) if keys else []
    return [UpdateRequest(row.site, row.kind, row.ident, row.to_version) for row in rows]
