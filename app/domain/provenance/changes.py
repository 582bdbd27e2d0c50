"""Record that the source of a plugin or theme changed, and let a person accept it.

Until then, auto-update rules wait for it on every site. What a person approves by hand is not
stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.domain import audit, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import ProvenanceAccepted, ProvenanceChanged
from app.domain.errors import NotFound, StaleState
from app.domain.text import require_reason
from app.domain.vulnerabilities.slugs import slug_of
from app.models.base import transaction
from app.models.provenance import (
    KINDS_OF_CHANGE,
    ProvenanceChange,
    ProvenanceSite,
    sites_with,
)

MAX_VALUE_CHARS = 300


class Part(NamedTuple):
    """One thing that changed: what it is, and the old and the new value in words."""

    what: str
    old: str
    new: str


def record_change(kind: str, slug: str, parts: Sequence[Part], now: datetime) -> bool:
    """Record what changed at once, with the sites that have it, in the caller's transaction.

    Return False if no connected site has it.
    """
    having = [one for one in sites_with(kind) if slug_of(kind, one[1]) == slug]
    if not having:
        return False
    ordered = sorted(parts, key=lambda part: KINDS_OF_CHANGE.index(part.what))
    shortened = [[what, old[:MAX_VALUE_CHARS], new[:MAX_VALUE_CHARS]] for what, old, new in ordered]
    _, ident, name = having[0]
    with transaction():
        change = ProvenanceChange.create(
            kind=kind,
            slug=slug,
            ident=ident,
            name=name or slug,
            what=ordered[0].what,
            parts=shortened,
            seen_at=now,
        )
        site_ids = {site_id for site_id, _, _ in having}
        ProvenanceSite.add(change, sorted(site_ids))
        event = ProvenanceChanged(
            change_id=change.id,
            kind=kind,
            slug=slug,
            name=change.name,
            parts=shortened,
            sites=len(site_ids),
        )
        audit.record(event, SYSTEM, now=now)
    return True


def is_paused(kind: str, ident: str) -> bool:
    """Whether auto-update rules wait for a plugin or theme until a person has decided."""
    return ProvenanceChange.is_paused(kind, slug_of(kind, ident))


def find_change(change_id: int) -> ProvenanceChange:
    """Return the change with this id. Raises: NotFound."""
    change = ProvenanceChange.get_or_none(ProvenanceChange.id == change_id)
    if change is None:
        raise NotFound("This change of a source does not exist.")
    return change


def accept_change(
    change: ProvenanceChange, reason: str, *, by: Actor, confirmed_at: datetime, now: datetime
) -> None:
    """Accept exactly this change, so that rules go on. A later one waits again.

    Raises Forbidden, ReauthenticationRequired, Invalid without a reason, or StaleState if it was
    accepted before.
    """
    permissions.require(by, "auto_update_rules")
    permissions.require_recent_authentication(confirmed_at, now)
    reason = reason.strip()
    require_reason(reason)
    with permissions.user_transaction(by, "auto_update_rules") as (_, present):
        # It lets rules update the plugin on every site again.
        permissions.require_everything(present, "auto_update_rules")
        if not change.accept(by=present.name, reason=reason, now=now):
            raise StaleState("This change is already accepted.")
        event = ProvenanceAccepted(
            change_id=change.id,
            kind=change.kind,
            slug=change.slug,
            name=change.name,
            parts=change.parts,
            reason=reason,
        )
        audit.record(event, present, now=now)
