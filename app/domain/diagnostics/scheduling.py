"""Request examinations: by a person, or by Aura itself after a failure."""

from __future__ import annotations

from datetime import datetime, timedelta

from app import queue
from app.domain import audit, permissions
from app.domain.actor import SYSTEM, Actor
from app.domain.audit.events import ExaminationAsked
from app.domain.connection import health
from app.domain.errors import Conflict
from app.http.errors import ErrorCode
from app.models.base import DuplicateRow, transaction
from app.models.diagnostics import ABANDONED, EXAMINING, Examination
from app.models.sites import MAY_CALL, NEW, PAIRING, Site

# Where a connection has ended, nothing is sent any more, not even to look.
MAY_EXAMINE = (NEW, PAIRING, *MAY_CALL)

# A site that keeps failing is examined again after that; one that fails now and then,
# each time it begins to.
AGAIN_AFTER = timedelta(hours=6)
NOT_TWICE_WITHIN = timedelta(minutes=15)
# An examination takes a minute and a half at most.
STUCK_AFTER = timedelta(minutes=5)
LOST_AFTER = timedelta(minutes=5)
KEPT_FOR = timedelta(days=30)

# The call went through, or never left: there is nothing on the way to be found.
_NOT_ON_THE_WAY = frozenset({ErrorCode.report_invalid, ErrorCode.disconnected, "keys_unreadable"})


def request_examination(site: Site, *, by: Actor, now: datetime) -> Examination:
    """Have the connection examined. One that is queued or running serves as well.

    Raises Forbidden, or Conflict when the connection has ended.
    """
    permissions.require(by, "sync")
    try:
        return _request(site, by, now)
    except DuplicateRow:
        # Somebody else's wish came between; theirs serves as well.
        waiting = Examination.open_for(site)
        if waiting is None:
            raise
        return waiting


def record_failed_call(
    site: Site, fault: str, evidence: dict[str, str | int], by: Actor, now: datetime
) -> bool:
    """Record a failed call, and request an examination when a site begins to fail.

    Runs inside the caller's transaction. While the site keeps failing, examinations are repeated
    now and then. Return False, and record nothing, if the connection has ended meanwhile.
    """
    won = health.record_failure(site, fault, evidence, by, now)
    if won:
        _examine_failure(site, fault, now)
    return won


def _examine_failure(site: Site, fault: str, now: datetime) -> None:
    if fault in _NOT_ON_THE_WAY or site.state not in MAY_EXAMINE:
        return
    quiet = NOT_TWICE_WITHIN if site.failures_in_row == 1 else AGAIN_AFTER
    latest = Examination.latest_for(site)
    if latest is None or latest.asked_at <= now - quiet:
        _request(site, SYSTEM, now)


def recover_examinations(now: datetime) -> int:
    """End examinations whose worker died, queue those whose job was lost; return how many.

    Old ones are deleted, because the audit log records them.
    """
    stuck = Examination.stuck(now - STUCK_AFTER)
    for examination in stuck:
        examination.move(to=ABANDONED, when=(EXAMINING,), ended_at=now)
    lost = Examination.waiting_since(now - LOST_AFTER)
    for examination in lost:
        queue.enqueue("examine_site", examination.id)
    Examination.forget_ended(now - KEPT_FOR)
    return len(stuck) + len(lost)


def _request(site: Site, by: Actor, now: datetime) -> Examination:
    with transaction() as tx:
        by = permissions.recheck(by, "sync")
        site.refresh()
        if site.state not in MAY_EXAMINE or site.forgotten_at:
            raise Conflict("The connection has ended, so the site can no longer be tested.")
        waiting = Examination.open_for(site)
        if waiting is not None:
            return waiting
        examination = Examination.ask(site, asked_by=by.name, now=now)
        event = ExaminationAsked(site_id=site.id, examination_id=examination.id)
        audit.record(event, by, now=now)
        tx.after_commit(queue.enqueue, "examine_site", examination.id)
        return examination
