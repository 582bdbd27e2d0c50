"""Determine and record the result of a change, from the site's signed evidence alone.

A call without a valid answer makes the result *unknown*, never failed. `change.status` then asks
the site for its own record of the change.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import ChangeEnded, ChangeOutcomeUnknown, ChangeWaiting
from app.domain.changes import (
    outcomes,
    package_refusals,
    packages,
    page_evidence,
    site_probe,
    waves,
)
from app.domain.changes.dry_run import planned_update
from app.domain.changes.outcomes import Outcome
from app.domain.changes.page_evidence import RunContext
from app.domain.changes.site_probe import LookCall
from app.domain.connection import calls, health, quarantine
from app.domain.connection.calls import KEYS_UNREADABLE, Call, CallResult
from app.domain.diagnostics import runs
from app.domain.inventory.available_updates import store_available_updates
from app.domain.page_checks import browser_looks
from app.domain.page_checks.browser_looks import Browse
from app.http import site_client
from app.http.errors import ErrorCode
from app.http.site_client import Reply
from app.keys import SealBroken
from app.models.base import transaction, utcnow
from app.models.changes import (
    FAILED,
    NEVER_ARRIVED,
    ROLLED_BACK,
    SUCCEEDED,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.reports import Component, Sync, report_list
from app.models.sites import STATES, Site
from app.retry import backoff

# Longer than a job may take (queue.JOB_TIMEOUT_S): it may look at pages and revert the update.
LEASE = timedelta(seconds=200)
FIRST_RETRY = timedelta(seconds=15)
LONGEST_RETRY = timedelta(minutes=15)
# After this time a site refuses the request that starts the change, so a site that has no record
# of it will never run it (300 s of clock difference, and 60 s to start).
START_REFUSED_AFTER = timedelta(seconds=420)
# When a person has to check a site that does not report the result, and when Aura stops asking.
INCIDENT_AFTER = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=7)
# The first and the longest interval at which Aura asks a site that waits for its administrator.
WAITING_RETRY = timedelta(minutes=2)
LONGEST_WAITING_RETRY = timedelta(minutes=10)

# Results after which the site may have changed.
_TOUCHED = (SUCCEEDED, FAILED, ROLLED_BACK)


def settle_change(
    change_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
    browse: Browse = browser_looks.browse,
) -> str:
    """Ask the site for the result of a change whose answer was lost; return the change's state."""
    change = Change.get_or_none(Change.id == change_id)
    if change is None:
        return "gone"
    context = RunContext(config, call, look, now, browse)
    began = now()
    if not change.lease((UNKNOWN,), began, began + LEASE):
        return change.state
    return _ask(change, change.site, context)


def _ask(change: Change, site: Site, context: RunContext) -> str:
    if not site.is_paired:
        return mark_unknown(change, "", {"why": "the connection has ended"}, context.now())
    try:
        channel = calls.channel_to(site, context.config)
    except SealBroken as broken:
        return mark_unknown(change, KEYS_UNREADABLE, {"why": str(broken)[:300]}, context.now())
    question = {"op_id": change.op_id, **quarantine.known_head(site)}
    found, _ = calls.call_with_fallback(
        site,
        channel,
        "change.status",
        question,
        by=change.decided_by,
        config=context.config,
        call=context.call,
        now=context.now,
    )
    result = calls.effective_result(found)
    if result.reply is None:
        return mark_unknown(change, result.error_code, result.evidence, context.now(), result)
    outcome = _outcome_from_status(change, site, result.reply, context.now())
    if outcome is None:
        return mark_unknown(change, "", change.evidence, context.now(), result)
    return finish_change(change, site, outcome, result, "status", context)


def _outcome_from_status(change: Change, site: Site, reply: Reply, now: datetime) -> Outcome | None:
    """Return the outcome in the site's record; None while the change is still running."""
    document, state = reply.document, reply.document.get("state")
    if state == "done":
        return outcomes.from_answer(document, planned_update(change), reply.site_time(now))
    if state == "waiting":
        return Outcome(WAITING, "approval_on_site")
    last = change.sent_at or change.started_at or change.proposed_at
    # On a site whose clock is slow, the request stays valid for longer.
    slow = timedelta(seconds=max(0, -reply.clock_offset_s))
    is_over = now - last - slow >= START_REFUSED_AFTER
    if state == "never" and is_over and _has_forgotten_nothing(change, site, reply):
        return Outcome(FAILED, NEVER_ARRIVED)
    return None


def _has_forgotten_nothing(change: Change, site: Site, reply: Reply) -> bool:
    """Whether a site that does not know a change never got it.

    After another pairing, or with a log that does not continue the known one, its records may be
    those of another installation or of a backup.
    """
    is_same = site.key_id == change.kid and not site.quarantine
    return is_same and quarantine.judge_log(site, reply).forked is None


def finish_change(
    change: Change, site: Site, outcome: Outcome, result: CallResult, how: str, context: RunContext
) -> str:
    """Store the result that the site reported, and return the change's state.

    State, evidence, component, connection and entries are written together.
    """
    was_touched = outcome.state in _TOUCHED and outcome.reason != NEVER_ARRIVED
    after: dict[str, Any] = {}
    if was_touched:
        after = site_probe.probe_site(
            site, config=context.config, look=context.look, now=context.now
        )
        outcome = outcomes.seen_from_outside(outcome, change.probe_before, after)
    judgment = page_evidence.judge_pages(change, outcome, context)
    outcome = judgment.outcome
    now = context.now()
    if outcome.state == UNKNOWN:
        return mark_unknown(change, "", outcome.evidence, now, result, outcome.reason)
    with transaction() as tx:
        calls.record(result, site.id, now=now)
        last = judgment.revert if judgment.revert and judgment.revert.reply else result
        if last.reply is not None:
            health.record_success(site, last, SYSTEM, now)
        elif result.error_code == ErrorCode.identity_changed:
            runs.record_failed_call(site, result.error_code, result.evidence, SYSTEM, now)
        if outcomes.is_owners_decision(outcome) and site.is_paired:
            tx.after_commit(_request_sync, site, now)
        if outcome.state == WAITING:
            return _wait(change, outcome, now)
        if end_change(change, outcome, after, how, now):
            judgment.store()
            if was_touched and site.is_paired:
                tx.after_commit(_request_sync, site, now)
            tx.after_commit(_start_next, site, now)
            if (rollout_id := waves.rollout_of(change)) is not None:
                tx.after_commit(queue.enqueue, "advance_rollout", rollout_id)
    return change.state


def end_change(
    change: Change, outcome: Outcome, after: dict[str, Any], how: str, now: datetime
) -> bool:
    """Store a final result, in the caller's transaction; return False if there is one already."""
    won = change.move(
        outcome.state,
        ended_at=now,
        next_attempt_at=None,
        leased_until=None,
        error_code="",
        outcome_reason=outcome.reason,
        evidence=outcome.evidence,
        probe_after=after,
        is_incident=_needs_person(outcome),
    )
    if not won:
        return False
    event = ChangeEnded.of(
        change,
        outcome=outcome.state,
        reason=outcome.reason,
        how=how,
        evidence=outcomes.main_facts(outcome.evidence),
        evidence_digest=outcomes.digest_of(outcome.evidence),
    )
    audit.record(event, SYSTEM, now=now)
    if outcome.state == SUCCEEDED:
        _store_version(change, now)
        package_refusals.close_installed(change, now)
    package_refusals.record_refusal(change, now)
    if outcome.reason == outcomes.PACKAGE_CHANGED:
        packages.record_other_bytes(change, outcome.evidence.get("package_sha256"), now)
    return True


def _needs_person(outcome: Outcome) -> Any:
    """Return the SQL expression for whether a person has to check the site before its next change.

    A change that was rolled back or never began leaves the site as it was. A person who checked it
    while Aura asked for the result is not asked again.
    """
    is_bad = outcome.state == FAILED and outcome.reason != NEVER_ARRIVED
    return Change.closed_by == "" if is_bad else False


def _wait(change: Change, outcome: Outcome, now: datetime) -> str:
    """Record that the site waits for its administrator or is busy, and plan the next try.

    What a person has checked is not sent again.
    """
    is_same = change.outcome_reason == outcome.reason
    delay = backoff(change.attempts - 1, WAITING_RETRY, LONGEST_WAITING_RETRY)
    has_moved = change.move(
        WAITING,
        Change.closed_by == "",
        outcome_reason=outcome.reason,
        # It was one if the site had not answered for an hour.
        is_incident=False,
        evidence=outcome.evidence,
        next_attempt_at=now + delay,
        leased_until=None,
        error_code="",
    )
    if has_moved and not is_same:
        audit.record(ChangeWaiting.of(change), SYSTEM, now=now)
    return change.state


def _store_version(change: Change, now: datetime) -> None:
    """Store the new version in the inventory until the next site report arrives."""
    Component.update(version=change.to_version, update_version=None, update_has_package=None).where(
        Component.site == change.site_id,
        Component.kind == report_list(change.kind),
        Component.ident == change.ident,
    ).execute()
    site = Site.get_by_id(change.site_id)
    site.note(when=STATES, update_count=store_available_updates(site, now))


def _start_next(site: Site, now: datetime) -> None:
    """Start the next change of this site at once; a periodic task would do so a minute later."""
    waiting = Change.next_for(site, now)
    if waiting is not None:
        queue.enqueue("run_change", waiting.id)


def _request_sync(site: Site, now: datetime) -> None:
    """Request a sync, unless one is queued already."""
    with transaction() as tx:
        if Sync.open_for(site) is None:
            sync = Sync.ask(site, requested_by=SYSTEM.name, now=now)
            tx.after_commit(queue.enqueue, "sync_site", sync.id)


def mark_unknown(
    change: Change,
    error_code: str,
    evidence: dict[str, Any],
    now: datetime,
    result: CallResult | None = None,
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
        if result is not None:
            calls.record(result, change.site_id, now=now)
        if change.move(UNKNOWN, **columns):
            audit.record(ChangeOutcomeUnknown.of(change, error_code=error_code), SYSTEM, now=now)
        else:
            change.note(UNKNOWN, Change.next_attempt_at.is_null(False), **columns)
        if not is_over and change.state == UNKNOWN:
            tx.after_commit(
                queue.enqueue, "settle_change", change.id, delay_s=int(delay.total_seconds())
            )
    return change.state
