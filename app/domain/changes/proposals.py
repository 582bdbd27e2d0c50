"""Propose changes, cancel proposals, and close changes that need checking.

Approving is in approvals.py, running in execution.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from app import queue
from app.domain import audit, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import (
    ChangeAcknowledged,
    ChangeCancelled,
    ChangeEvent,
    ChangeExpired,
    ChangeProposed,
    IncidentClosed,
)
from app.domain.changes import candidates
from app.domain.changes.eligibility import SEPARATE_KINDS
from app.domain.errors import Conflict, Invalid, StaleChange, StaleState
from app.domain.inventory.versions import release_type_between
from app.domain.text import check_reason
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import DuplicateRow, transaction
from app.models.changes import CANCELLED, EXPIRED, Change
from app.models.sites import Site

MAX_TOGETHER = 200
MAX_VERSION_CHARS = 64
MAX_WINDOW = timedelta(days=14)


@dataclass(frozen=True)
class UpdateRequest:
    """One component of one site, and the version to which it is to be updated."""

    site: Site
    kind: str
    ident: str
    to_version: str


@dataclass(frozen=True)
class Window:
    """When a change may run. The site refuses it outside of this time."""

    not_before: datetime
    not_after: datetime


def propose_changes(
    wanted: Sequence[UpdateRequest], *, by: Actor, reason: str, window: Window, now: datetime
) -> list[Change]:
    """Propose changes together, and start a pre-check on each site.

    All or none. Raises Forbidden, Invalid, or Conflict for a component that may not be updated now
    or that is part of another change.
    """
    permissions.require(by, "propose")
    if not wanted:
        raise Invalid("wanted", "Choose at least one update.")
    if len(wanted) > MAX_TOGETHER:
        raise Invalid("wanted", f"Choose at most {MAX_TOGETHER} updates.")
    if len({one.kind if one.kind in SEPARATE_KINDS else "" for one in wanted}) > 1:
        raise Invalid("wanted", "Propose updates of WordPress and of SiteAgent separately.")
    check_reason(reason)
    if not now < window.not_after <= window.not_before + MAX_WINDOW:
        raise Invalid("days", "Choose a time within the next two weeks.")
    return create_proposals(wanted, by=by, reason=reason.strip(), window=window, now=now)


def create_proposals(
    wanted: Sequence[UpdateRequest],
    *,
    by: Actor,
    reason: str,
    window: Window,
    now: datetime,
    rule: AutoUpdateRule | None = None,
) -> list[Change]:
    """Propose changes without a role check: a rule proposes what it was approved for."""
    batch = str(uuid4())
    try:
        with transaction():
            by = permissions.recheck(by, "propose")
            # Under the lock: the rule may have been ended since the schedule read it.
            if rule is not None and not _still_in_force(rule, now):
                raise StaleState("This auto-update rule has ended.")
            return [_create(one, batch, by, reason, window, now, rule) for one in wanted]
    except DuplicateRow as why:
        raise Conflict("One of these updates is already open. Check the list of updates.") from why


def _still_in_force(rule: AutoUpdateRule, now: datetime) -> bool:
    rule.refresh()
    return rule.is_in_force(now)


def _create(
    one: UpdateRequest,
    batch: str,
    by: Actor,
    reason: str,
    window: Window,
    now: datetime,
    rule: AutoUpdateRule | None,
) -> Change:
    found = candidates.find_candidates(one.site, one.kind, one.ident, one.to_version, now)
    if found is None:
        raise StaleChange("The site no longer lists this update. Sync the site.")
    target = found.target
    if not found.verdict.may or len(one.to_version) > MAX_VERSION_CHARS:
        raise Conflict(
            f"{target.name} on {one.site.name} cannot be updated now. The site's page says why."
        )
    with transaction() as tx:
        change = Change.create(
            site=one.site,
            batch=batch,
            op_id=str(uuid4()),
            kid=one.site.key_id,
            kind=target.kind,
            permission=target.permission,
            ident=target.ident,
            name=target.name,
            from_version=target.version[:MAX_VERSION_CHARS],
            to_version=one.to_version,
            release_type=release_type_between(target.version, one.to_version),
            proposed_by=by.id if by.kind == "user" else None,
            proposer=_proposer_name(by, rule)[:120],
            proposed_at=now,
            reason=reason,
            not_before=window.not_before,
            not_after=window.not_after,
            rule=rule,
            next_attempt_at=now,
        )
        why = "" if rule is not None else reason
        event = ChangeProposed.of(change, reason=why, rule_id=change.rule_id)
        audit.record(event, by, now=now)
        tx.after_commit(queue.enqueue, "check_change", change.id)
    return change


def _proposer_name(by: Actor, rule: AutoUpdateRule | None) -> str:
    """Return the name of the proposer for pages and for the site's log."""
    return by.name if rule is None else f"auto-update rule “{rule.name}”"


def cancel_change(change: Change, *, by: Actor, now: datetime) -> None:
    """Cancel a change before it starts. Raises Forbidden, or StaleState once it has started."""
    with permissions.user_transaction(by, "propose") as (_, by):
        if not cancel_in_transaction(change, "", by, now):
            raise StaleState("This update has already started or ended, so it cannot be cancelled.")


def cancel_in_transaction(change: Change, why: str, by: Actor, now: datetime) -> bool:
    """Cancel inside the caller's transaction; False if it has begun or ended already."""
    if not change.move(CANCELLED, ended_at=now, next_attempt_at=None, outcome_reason=why[:40]):
        return False
    audit.record(ChangeCancelled.of(change, reason=why), by, now=now)
    return True


def expire_change(change: Change, now: datetime) -> bool:
    """Expire a change that was not approved, or could not start, in time."""
    with transaction():
        if not change.move(EXPIRED, ended_at=now, next_attempt_at=None):
            return False
        audit.record(ChangeExpired.of(change), SYSTEM, now=now)
    return True


def close_incident(change: Change, *, by: Actor, note: str, now: datetime) -> None:
    """Record that a person looked at the site after a failed update; its other changes may go on.

    Raises Forbidden, Invalid, or StaleState if nothing is open.
    """
    if not note.strip():
        raise Invalid("note", "Describe what you found. It is recorded in the audit log.")
    _mark_checked(change, by, note, IncidentClosed.of(change, note=note.strip()), now)


def acknowledge(change: Change, *, by: Actor, note: str, now: datetime) -> None:
    """Record that a person has seen a failure or a rollback that pauses nothing.

    Raises Forbidden, Invalid, or StaleState if it was acknowledged before.
    """
    _mark_checked(change, by, note, ChangeAcknowledged.of(change, note=note.strip()), now)


def _mark_checked(change: Change, by: Actor, note: str, event: ChangeEvent, now: datetime) -> None:
    permissions.require(by, "approve")
    check_reason(note)
    with permissions.user_transaction(by, "approve") as (_, by):
        # After a person's check, Aura no longer asks a site that does not report the result.
        said = {"closed_by": by.name[:120], "closing_note": note.strip(), "next_attempt_at": None}
        if not change.mark_checked(**said):
            raise StaleState("This update is already marked as checked.")
        audit.record(event, by, now=now)
