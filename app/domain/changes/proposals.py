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
    ApprovalRequested,
    ChangeAcknowledged,
    ChangeCancelled,
    ChangeEvent,
    ChangeExpired,
    ChangeProposed,
    IncidentClosed,
)
from app.domain.changes import candidates
from app.domain.changes.candidates import Candidate
from app.domain.errors import Conflict, Invalid, StaleChange, StaleState
from app.domain.inventory.eligibility import SEPARATE_KINDS
from app.domain.text import check_reason
from app.models.auto_update_rules import AutoUpdateRule
from app.models.base import DuplicateRow, transaction
from app.models.changes import CANCELLED, CHECKING, EXPIRED, PROPOSED, Change
from app.models.clients import SELF_APPROVAL
from app.models.sites import Site

MAX_TOGETHER = 200
MAX_VERSION_CHARS = 64
# How long a person can take to approve what they review, and how far ahead it can start.
REVIEW_WINDOW = timedelta(days=7)


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


@dataclass(frozen=True)
class _Proposal:
    """What the changes of one batch have in common."""

    batch: str
    by: Actor
    reason: str
    window: Window
    now: datetime
    requested_at: datetime | None
    rule: AutoUpdateRule | None


def review_changes(wanted: Sequence[UpdateRequest], *, by: Actor, now: datetime) -> list[Change]:
    """Start a pre-check of each update, for `by` to review; no other person is asked yet.

    All or none. Raises Forbidden, Invalid, or Conflict for a component that may not be updated now
    or that is part of another change.
    """
    permissions.require(by, "propose")
    if not wanted:
        raise Invalid("wanted", "Choose at least one update.")
    if len(wanted) > MAX_TOGETHER:
        raise Invalid("wanted", f"Choose at most {MAX_TOGETHER} updates.")
    if len({request.kind if request.kind in SEPARATE_KINDS else "" for request in wanted}) > 1:
        raise Invalid("wanted", "Review updates of WordPress and of SiteAgent separately.")
    window = Window(now, now + REVIEW_WINDOW)
    return create_proposals(wanted, by=by, reason="", window=window, now=now, requested_at=None)


def create_proposals(
    wanted: Sequence[UpdateRequest],
    *,
    by: Actor,
    reason: str,
    window: Window,
    now: datetime,
    requested_at: datetime | None,
    rule: AutoUpdateRule | None = None,
    batch: str = "",
) -> list[Change]:
    """Propose changes without a role check: a rule proposes what it was approved for.

    They are a batch of their own, or join `batch`.
    """
    try:
        with transaction():
            by = permissions.recheck(by, "propose", *(request.site for request in wanted))
            # Under the lock: the rule may have been ended since the schedule read it.
            if rule is not None:
                rule.refresh()
                if not rule.is_in_force(now):
                    raise StaleState("This auto-update rule has ended.")
            proposal = _Proposal(batch or str(uuid4()), by, reason, window, now, requested_at, rule)
            found = {
                request.site.id: candidates.candidates_on_site(request.site, now)
                for request in {request.site.id: request for request in wanted}.values()
            }
            return [_create(request, proposal, found[request.site.id]) for request in wanted]
    except DuplicateRow as why:
        raise Conflict("One of these updates is already open. Check the list of updates.") from why


def _create(request: UpdateRequest, proposal: _Proposal, on_site: Sequence[Candidate]) -> Change:
    found = next(
        (
            each
            for each in on_site
            if each.is_named(request.kind, request.ident, request.to_version)
        ),
        None,
    )
    if found is None:
        raise StaleChange("The site no longer lists this update. Sync the site.")
    target, by, rule = found.target, proposal.by, proposal.rule
    if not found.verdict.may or len(request.to_version) > MAX_VERSION_CHARS:
        raise Conflict(
            f"{target.name} on {request.site.name} cannot be updated now. The site's page says why."
        )
    with transaction() as tx:
        change = Change.create(
            site=request.site,
            batch=proposal.batch,
            op_id=str(uuid4()),
            kid=request.site.key_id,
            kind=target.kind,
            permission=target.permission,
            ident=target.ident,
            name=target.name,
            from_version=target.version[:MAX_VERSION_CHARS],
            to_version=request.to_version,
            release_type=target.release_type_to(request.to_version),
            proposed_by=by.id if by.kind == "user" else None,
            proposer=(f"auto-update rule “{rule.name}”" if rule else by.name)[:120],
            proposed_at=proposal.now,
            requested_at=proposal.requested_at,
            reason=proposal.reason,
            not_before=proposal.window.not_before,
            not_after=proposal.window.not_after,
            rule=rule,
            next_attempt_at=proposal.now,
        )
        why = "" if rule is not None else proposal.reason
        event = ChangeProposed.of(change, reason=why, rule_id=change.rule_id)
        audit.record(event, by, now=proposal.now)
        tx.after_commit(queue.enqueue, "check_change", change.id)
    return change


def request_approval(batch: Sequence[Change], *, by: Actor, reason: str, now: datetime) -> int:
    """Ask another person for the approval of what only its proposer reviews; return how many.

    Raises Forbidden, Invalid, or StaleState if there is nothing left to ask for.
    """
    reason = reason.strip()
    check_reason(reason)
    count = 0
    with permissions.user_transaction(by, "propose", *(change.site for change in batch)) as (_, by):
        for change in batch:
            if may_request(change) and change.note_request(now, reason or change.reason):
                audit.record(ApprovalRequested.of(change, reason=reason), by, now=now)
                count += 1
        if not count:
            raise StaleState("Approval of these updates is already requested, or they have ended.")
    return count


def may_request(change: Change) -> bool:
    """Whether its proposer can still ask another person for the approval."""
    return change.state in (CHECKING, PROPOSED) and change.requested_at is None


def needs_request(change: Change) -> bool:
    """Whether its proposer has to ask, because the client's rule wants another person."""
    return may_request(change) and change.site.approvals != SELF_APPROVAL


def stop_batch(batch: Sequence[Change], *, by: Actor, now: datetime) -> int:
    """Cancel the changes of a batch that have not started; return how many.

    Raises Forbidden, or StaleState if all have started or ended.
    """
    with permissions.user_transaction(by, "propose", *(change.site for change in batch)) as (_, by):
        count = sum(cancel_in_transaction(change, "", by, now) for change in batch)
        if not count:
            raise StaleState("All of these updates have already started or ended.")
    return count


def cancel_change(change: Change, *, by: Actor, now: datetime) -> None:
    """Cancel a change before it starts. Raises Forbidden, or StaleState once it has started."""
    with permissions.user_transaction(by, "propose", change.site) as (_, by):
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
    with permissions.user_transaction(by, "approve", change.site) as (_, by):
        # After a person's check, Aura no longer asks a site that does not report the result.
        columns = {
            "closed_by": by.name[:120],
            "closing_note": note.strip(),
            "next_attempt_at": None,
        }
        if not change.mark_checked(**columns):
            raise StaleState("This update is already marked as checked.")
        audit.record(event, by, now=now)
