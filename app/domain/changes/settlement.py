"""Finding out what came of a change, and writing it down: by the site's signed evidence alone.

A call that brings no believable answer leaves it *unknown*, never failed; `change.status`
settles that from the site's own record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import ChangeEnded, ChangeOutcomeUnknown, ChangeWaiting
from app.domain.changes import outcomes, site_probe
from app.domain.changes.dry_run import planned_update
from app.domain.changes.outcomes import Outcome
from app.domain.changes.site_probe import LookCall
from app.domain.connection import calls, health, quarantine
from app.domain.connection.calls import KEYS_UNREADABLE, Call, CallResult
from app.domain.diagnostics import runs
from app.domain.inventory import targets
from app.http import site_client
from app.http.errors import ErrorCode
from app.http.site_client import Reply
from app.keys import SealBroken
from app.models.base import DuplicateRow, transaction, utcnow
from app.models.changes import FAILED, ROLLED_BACK, SUCCEEDED, UNKNOWN, WAITING, Change
from app.models.reports import Component, Sync, report_list
from app.models.sites import STATES, Site
from app.retry import backoff

LEASE = timedelta(seconds=100)
FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=15)
# After this long, by the site's clock and by ours, the request itself is refused: a site that
# has not heard of it by then never will (300 s of difference, and 60 s to begin).
NEVER_AFTER = timedelta(seconds=420)
# A site that has not told for this long is something to look at; later Aura stops asking.
INCIDENT_AFTER = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=7)
# How soon a site that waits for its own administrator is asked again, at first and at last.
WAITING_RETRY = timedelta(minutes=2)
LONGEST_WAITING_RETRY = timedelta(minutes=10)

# Ends after which the site may not be as it was.
_TOUCHED = (SUCCEEDED, FAILED, ROLLED_BACK)


@dataclass(frozen=True)
class RunContext:
    """Everything outside of the database that an attempt touches."""

    config: Config
    call: Call
    look: LookCall
    now: Callable[[], datetime]


def settle_change(
    change_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Ask the site what became of a change whose answer was lost; returns its state."""
    change = Change.get_or_none(Change.id == change_id)
    if change is None:
        return "gone"
    world = RunContext(config, call, look, now)
    began = now()
    if not change.lease((UNKNOWN,), began, began + LEASE):
        return change.state
    return _ask(change, change.site, world)


def _ask(change: Change, site: Site, world: RunContext) -> str:
    if not site.is_paired:
        return mark_unknown(change, "", {"why": "the connection has ended"}, world.now())
    try:
        channel = calls.channel_to(site, world.config)
    except SealBroken as broken:
        return mark_unknown(change, KEYS_UNREADABLE, {"why": str(broken)[:300]}, world.now())
    question = {"op_id": change.op_id, **quarantine.known_head(site)}
    found, _ = calls.call_with_fallback(
        site,
        channel,
        "change.status",
        question,
        by=change.decided_by,
        config=world.config,
        call=world.call,
    )
    outcome = calls.effective_result(found)
    if outcome.reply is None:
        return mark_unknown(change, outcome.error_code, outcome.evidence, world.now(), outcome)
    told = _told_by_status(change, outcome.reply, world.now())
    if told is None:
        return mark_unknown(change, "", change.evidence, world.now(), outcome)
    return finish_change(change, site, told, outcome, "status", world)


def _told_by_status(change: Change, reply: Reply, now: datetime) -> Outcome | None:
    """Return the outcome in the site's record; None while the change is still running."""
    document, state = reply.document, reply.document.get("state")
    if state == "done":
        return outcomes.from_answer(document, planned_update(change), now)
    if state == "waiting":
        return Outcome(WAITING, "approval_on_site")
    last = change.sent_at or change.started_at or change.proposed_at
    # Where the site's clock is slow, the order lives longer.
    slow = timedelta(seconds=max(0, -reply.clock_offset_s))
    if state == "never" and now - last - slow >= NEVER_AFTER:
        return Outcome(FAILED, outcomes.NEVER_ARRIVED)
    return None


def finish_change(
    change: Change, site: Site, told: Outcome, outcome: CallResult, how: str, world: RunContext
) -> str:
    """Store the result that the site reported, and return the change's state.

    State, evidence, component, connection and entries are written together.
    """
    was_touched = told.state in _TOUCHED and told.reason != outcomes.NEVER_ARRIVED
    after: dict[str, Any] = {}
    if was_touched:
        after = site_probe.probe_site(site, config=world.config, look=world.look, now=world.now)
        told = outcomes.seen_from_outside(told, change.probe_before, after)
    now = world.now()
    if told.state == UNKNOWN:
        return mark_unknown(change, "", told.evidence, now, outcome, told.reason)
    with transaction() as tx:
        audit.record(outcome.as_event(site.id), SYSTEM, now=now)
        if outcome.reply is not None:
            health.record_success(site, outcome, SYSTEM, now)
        elif outcome.error_code == ErrorCode.identity_changed:
            runs.record_failed_call(site, outcome.error_code, outcome.evidence, SYSTEM, now)
        if told.state == WAITING:
            return _wait(change, told, now)
        if end_change(change, told, after, how, now):
            if was_touched and site.is_paired:
                tx.after_commit(_report_anew, site, now)
            tx.after_commit(_start_next, site, now)
    return change.state


def end_change(
    change: Change, told: Outcome, after: dict[str, Any], how: str, now: datetime
) -> bool:
    """Go to an end, inside the caller's transaction; False if it was there already."""
    won = change.move(
        told.state,
        ended_at=now,
        next_attempt_at=None,
        leased_until=None,
        error_code="",
        outcome_reason=told.reason,
        evidence=told.evidence,
        probe_after=after,
        is_incident=_is_incident(told),
    )
    if not won:
        return False
    event = ChangeEnded.of(
        change,
        outcome=told.state,
        reason=told.reason,
        how=how,
        evidence=outcomes.main_facts(told.evidence),
        evidence_digest=outcomes.digest_of(told.evidence),
    )
    audit.record(event, SYSTEM, now=now)
    if told.state == SUCCEEDED:
        _note_version(change)
    return True


def _is_incident(told: Outcome) -> bool:
    """Whether a person has to check the site before its next change.

    A change that was rolled back or never began leaves the site as it was.
    """
    return told.state == FAILED and told.reason != outcomes.NEVER_ARRIVED


def _wait(change: Change, told: Outcome, now: datetime) -> str:
    """Record that the site waits for its administrator or is busy, and plan the next try."""
    is_same = change.outcome_reason == told.reason
    delay = backoff(change.attempts - 1, WAITING_RETRY, LONGEST_WAITING_RETRY)
    has_moved = change.move(
        WAITING,
        outcome_reason=told.reason,
        evidence=told.evidence,
        next_attempt_at=now + delay,
        leased_until=None,
        error_code="",
    )
    if has_moved and not is_same:
        audit.record(ChangeWaiting.of(change), SYSTEM, now=now)
    return change.state


def _note_version(change: Change) -> None:
    """Show the version of the site's signed evidence until the next site report arrives."""
    Component.update(version=change.to_version, update_version=None, update_has_package=None).where(
        Component.site == change.site_id,
        Component.kind == report_list(change.kind),
        Component.ident == change.ident,
    ).execute()
    site = Site.get_by_id(change.site_id)
    site.note(when=STATES, update_count=targets.count_available_updates(site))


def _start_next(site: Site, now: datetime) -> None:
    """Start the next change of this site at once; the periodic job would do so a minute later."""
    waiting = Change.next_for(site, now)
    if waiting is not None:
        queue.enqueue("run_change", waiting.id)


def _report_anew(site: Site, now: datetime) -> None:
    """Request a new site report; one that is queued already serves as well."""
    if Sync.open_for(site) is None:
        try:
            sync = Sync.ask(site, requested_by=SYSTEM.name, now=now)
        except DuplicateRow:
            return
        queue.enqueue("sync_site", sync.id)


def mark_unknown(
    change: Change,
    error_code: str,
    evidence: dict[str, Any],
    now: datetime,
    outcome: CallResult | None = None,
    reason: str = "",
) -> str:
    """Mark the result of a change as unknown, and ask the site for it at growing intervals.

    If the site never answers, the change needs checking and its state remains unknown.
    """
    silent_for = now - (change.sent_at or change.started_at or now)
    is_over = silent_for >= GIVEN_UP_AFTER
    delay = backoff(change.attempts, FIRST_RETRY, LONGEST_RETRY)
    columns = {
        "error_code": error_code,
        "evidence": evidence,
        "outcome_reason": reason[:40],
        "leased_until": None,
        "next_attempt_at": None if is_over else now + delay,
        "is_incident": silent_for >= INCIDENT_AFTER,
    }
    with transaction() as tx:
        if outcome is not None:
            audit.record(outcome.as_event(change.site_id), SYSTEM, now=now)
        if change.move(UNKNOWN, **columns):
            audit.record(ChangeOutcomeUnknown.of(change, error_code=error_code), SYSTEM, now=now)
        else:
            change.note(UNKNOWN, Change.next_attempt_at.is_null(False), **columns)
        if not is_over and change.state == UNKNOWN:
            tx.after_commit(
                queue.enqueue, "settle_change", change.id, delay_s=int(delay.total_seconds())
            )
    return change.state
