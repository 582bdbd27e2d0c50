"""Ignore updates of a component, with a reason and an optional end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import UpdateHoldCreated, UpdateHoldEnded
from app.domain.errors import Invalid, StaleState
from app.domain.text import MAX_REASON_CHARS
from app.models.auto_update_rules import UpdateHold
from app.models.sites import Site

LONGEST = timedelta(days=366)


def hold_updates(
    chosen: Sequence[Site],
    kind: str,
    ident: str,
    *,
    until: datetime | None,
    reason: str,
    by: Actor,
    now: datetime,
) -> None:
    """Ignore updates of a component on sites until a date, or until they are turned on again.

    Each site gets an audit entry of its own. Raises: Forbidden or Invalid.
    """
    permissions.require(by, "propose")
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON_CHARS:
        raise Invalid("hold_reason", "Enter a reason. Your team sees it.")
    if until is not None and not now < until <= now + LONGEST:
        raise Invalid("until", "Choose a date within the next year, or leave the field empty.")
    with permissions.user_transaction(by, "propose", *chosen) as (_, by):
        for site in chosen:
            who = {"created_by": by.name, "holder": by.id if by.kind == "user" else None}
            UpdateHold.put(site, kind, ident, reason=reason, until=until, created_at=now, **who)
            event = UpdateHoldCreated(
                site_id=site.id,
                kind=kind,
                ident=ident,
                reason=reason,
                until=until.isoformat() if until else "",
            )
            audit.record(event, by, now=now)


def release_hold(site: Site, kind: str, ident: str, *, by: Actor, now: datetime) -> None:
    """Stop ignoring updates.

    Raises: Forbidden, or StaleState if they are not ignored.
    """
    with permissions.user_transaction(by, "propose", site) as (_, by):
        if not UpdateHold.release(site, kind, ident):
            raise StaleState("These updates are no longer ignored.")
        audit.record(UpdateHoldEnded(site_id=site.id, kind=kind, ident=ident), by, now=now)
