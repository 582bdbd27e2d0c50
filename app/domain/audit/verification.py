"""Verify the whole audit log, on request or every night, and record the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from app import queue
from app.domain import permissions
from app.domain.actor import SCHEDULE, SYSTEM, Actor
from app.domain.audit import call_log, checkpoints
from app.domain.audit.append import record
from app.domain.audit.chain import Anchor, ChainReport, verify_chain
from app.domain.audit.events import (
    AuditLogVerified,
    VerificationFailed,
    VerificationFailureAcknowledged,
    VerificationRequested,
)
from app.domain.errors import AuditLogUnreadable, NotFound, StaleState
from app.models.audit import (
    ABANDONED,
    BROKEN,
    RUNNING,
    WHOLE,
    AuditEntry,
    Verification,
)
from app.models.base import transaction, utcnow
from app.models.database_errors import OUTAGES
from app.models.queued_row import QUEUED

# The hour (UTC) from which the nightly verification is due.
NIGHT_HOUR = 3
LOST_AFTER = timedelta(minutes=5)
KEPT_FOR = timedelta(days=90)
_MAX_REASON_CHARS = 300


def request_verification(*, by: Actor, now: datetime) -> Verification:
    """Request a verification; one that is queued already serves as well. Raises Forbidden."""
    permissions.require(by, "audit")
    return _request(by, now)


def _request(by: Actor, now: datetime) -> Verification:
    with transaction() as tx:
        by = permissions.recheck(by, "audit")
        permissions.require_everything(by, "audit")
        waiting = Verification.open()
        if waiting is not None:
            return waiting
        verification_run = Verification.create(requested_by=by.name[:120], requested_at=now)
        record(VerificationRequested(verification_id=verification_run.id), by, now=now)
        tx.after_commit(queue.enqueue, "verify_audit_log", verification_run.id)
        return verification_run


def run_verification(
    verification_id: int,
    *,
    anchors: Callable[[], Iterable[Anchor]] = checkpoints.anchors,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Verify the audit log, store the result, and return the final state. Safe to run twice.

    `anchors` are read before the verification begins, so the chain contains all of them.
    """
    verification_run = Verification.get_or_none(Verification.id == verification_id)
    if verification_run is None:
        return "gone"
    began = now()
    started = {"started_at": began, "heartbeat_at": began, "total": AuditEntry.last_seq()}
    if not verification_run.move(to=RUNNING, when=(QUEUED,), **started):
        return verification_run.state

    def note(count: int) -> None:
        verification_run.move(to=RUNNING, when=(RUNNING,), entries=count, heartbeat_at=now())

    found = _verify(anchors(), note)
    with transaction():
        state = WHOLE if found.is_whole else BROKEN
        if verification_run.move(
            to=state,
            when=(RUNNING,),
            ended_at=now(),
            entries=found.entries,
            checkpoints=found.anchors,
            head=found.head,
            broken_at=found.broken_at,
            reason=found.reason[:_MAX_REASON_CHARS],
        ):
            _record_found(found, SYSTEM, now())
    return verification_run.state


def verify_now(*, by: Actor, now: datetime) -> ChainReport:
    """Verify the audit log for the command line, and record the result.

    Raises: AuditLogUnreadable.
    """
    try:
        found = _verify(checkpoints.anchors())
    except OUTAGES as why:
        raise AuditLogUnreadable(f"The audit log could not be read: {why}") from why
    with transaction():
        _record_found(found, by, now)
    return found


def _verify(
    anchors: Iterable[Anchor], seen: Callable[[int], object] = lambda count: None
) -> ChainReport:
    """Verify the chain, and if it is intact, the call log that it commits to."""
    found = verify_chain(anchors, seen=seen)
    if not found.is_whole:
        return found
    # Millions of calls take minutes, and a verification without a sign of work counts as lost.
    mismatch = call_log.find_mismatch(lambda: seen(found.entries))
    if mismatch is None:
        return found
    broken_at, reason = mismatch
    return replace(found, broken_at=broken_at, reason=reason)


def _record_found(found: ChainReport, by: Actor, now: datetime) -> None:
    """Store the result of a verification, inside the caller's transaction."""
    if found.broken_at is None:
        event = AuditLogVerified(entries=found.entries, head=found.head, checkpoints=found.anchors)
        record(event, by, now=now)
        return
    broken = VerificationFailed(
        broken_at=found.broken_at, reason=found.reason, entries=found.entries
    )
    record(broken, by, now=now)


def acknowledge_failure(verification_id: int, *, by: Actor, now: datetime) -> None:
    """Dismiss the message about a changed log on all pages; the result stays in the log.

    Raises: Forbidden, NotFound, or StaleState if it is already dismissed.
    """
    permissions.require(by, "security")
    found = Verification.get_or_none(Verification.id == verification_id)
    if found is None or found.broken_at is None:
        raise NotFound("This verification does not exist.")
    with permissions.user_transaction(by, "security") as (_, by):
        if not found.see(by=by.name, now=now):
            raise StaleState("This message was already dismissed.")
        event = VerificationFailureAcknowledged(verification_id=found.id, broken_at=found.broken_at)
        record(event, by, now=now)


def queue_due_verification(now: datetime) -> int:
    """Queue tonight's verification once, and recover lost ones; return the number of both."""
    count = 0
    for lost_run in Verification.stuck(now - LOST_AFTER):
        count += lost_run.move(to=ABANDONED, when=(RUNNING,), ended_at=now)
    lost = Verification.waiting_since(now - LOST_AFTER)
    count += queue.enqueue_rows("verify_audit_log", lost)
    Verification.delete().where(
        Verification.state.in_((WHOLE, ABANDONED)), Verification.ended_at < now - KEPT_FOR
    ).execute()
    night = now.replace(hour=NIGHT_HOUR, minute=0, second=0, microsecond=0)
    night -= timedelta(days=1) if night > now else timedelta()
    latest = Verification.latest()
    if AuditEntry.last_seq() and (latest is None or latest.requested_at < night):
        _request(SCHEDULE, now)
        count += 1
    return count
