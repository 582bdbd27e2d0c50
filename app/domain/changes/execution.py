"""Run an approved change on its site, at most once.

A change is sent again only if the site itself reports that it waits. settlement.py finds out the
result.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from app import queue
from app.config import Config
from app.domain import audit, dashboard_identity, provenance
from app.domain.actor import SYSTEM
from app.domain.audit.events import ChangePostponed, ChangeStarted
from app.domain.changes import (
    change_plan,
    change_times,
    outcomes,
    packages,
    page_evidence,
    proposals,
    rule_canaries,
    site_probe,
    waves,
)
from app.domain.changes.approvals import stale_reason
from app.domain.changes.dry_run import planned_update
from app.domain.changes.outcomes import Outcome
from app.domain.changes.page_evidence import RunContext
from app.domain.changes.settlement import end_change, finish_change, mark_unknown
from app.domain.changes.site_probe import LookCall
from app.domain.connection import calls, quarantine
from app.domain.connection.calls import KEYS_UNREADABLE, Call
from app.domain.dashboard_identity import DashboardIdentity
from app.domain.page_checks import browser_looks
from app.domain.page_checks.browser_looks import Browse
from app.http import site_client
from app.keys import SealBroken, signing_public, verify_plan
from app.models.auto_update_rules import UpdateHold
from app.models.base import DuplicateRow, transaction, utcnow
from app.models.changes import (
    APPROVED,
    CHECKING,
    MAY_RUN,
    REFUSED,
    RUNNING,
    UNKNOWN,
    WAITING,
    Change,
)
from app.models.sites import Site
from app.protocol import ProtocolError, from_b64u

# Timeout of the call. The site continues after it.
REQUEST_TIMEOUT_S = 110.0
# Longer than a job may take (queue.JOB_TIMEOUT_S), so an expired lease means a dead worker.
LEASE = timedelta(seconds=240)
STUCK_GRACE = timedelta(seconds=10)
# Attempts for a site with a wrong clock, which may be corrected meanwhile.
MOST_TIME_REFUSALS = 10
# A job that has not started after this time is queued again.
LOST_AFTER = timedelta(seconds=60)


def run_change(
    change_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
    browse: Browse = browser_looks.browse,
) -> str:
    """Send an approved change to its site, record the result and return its state.

    Does nothing for a change in another state. Safe to run twice at once and to be killed.
    """
    change = Change.get_or_none(Change.id == change_id)
    if change is None:
        return "gone"
    context = RunContext(config, call, look, now, browse)
    if change.state not in MAY_RUN or not _begin(change, context):
        return change.state
    change.note(
        RUNNING, probe_before=site_probe.probe_site(change.site, config=config, look=look, now=now)
    )
    page_evidence.look_before(change, context)
    return _send(change, change.site, context)


# ---- start ----


def _begin(change: Change, context: RunContext) -> bool:
    """Claim the change if it still is what was approved; cancel it otherwise."""
    now, dashboard = context.now(), dashboard_identity.load_dashboard(context.config)
    try:
        with transaction():
            change.refresh()
            was_waiting = change.state == WAITING
            problem = _problem(change, dashboard, now)
            if problem:
                proposals.cancel_in_transaction(change, problem, SYSTEM, now)
                return False
            if _why_not_now(change, now) or not change.claim(now, now + LEASE):
                return False
            # Repeated attempts for a waiting site are not recorded; they may continue for days.
            if not was_waiting:
                audit.record(ChangeStarted.of(change, attempt=change.attempts), SYSTEM, now=now)
    except DuplicateRow:
        return False  # another change of this site was claimed at the same time
    return True


def _problem(change: Change, dashboard: DashboardIdentity, now: datetime) -> str:
    """Return why this must not be sent; empty if it is exactly what was approved."""
    try:
        plan, signature = from_b64u(change.plan), from_b64u(change.signature)
        document = change.document.encode("utf-8")
    except ProtocolError:
        return "not_what_was_approved"
    public = signing_public(dashboard.key_for(change.site.sign_d))
    is_ours = verify_plan(public, plan, signature)
    if not is_ours or not change_plan.is_plan_of(plan, document, change.digest):
        return "not_what_was_approved"
    if now > change.not_after:
        return ""  # the claim refuses it, and a periodic task lets it expire
    if UpdateHold.in_force(change.site_id, change.kind, change.ident, now):
        return "held"
    if stopped := packages.why_stopped(change):
        return stopped
    return "went_stale" if stale_reason(change, change.site, now) else ""


def _why_not_now(change: Change, now: datetime) -> str:
    """Return why an approved change has to wait, as it is under the caller's lock."""
    if held := waves.why_held(change):
        return held
    site = Site.get_by_id(change.site_id)
    return change_times.read_calendar(now).why_not_now(change, site, now) or _why_rule_waits(
        change, site, now
    )


def _why_rule_waits(change: Change, site: Site, now: datetime) -> str:
    """Return why what only a rule approved must not start; empty if it may."""
    if change.how != change_plan.BY_RULE:
        return ""
    if provenance.is_paused(change.kind, change.ident):
        return change_times.SOURCE_CHANGED
    return change_times.DISPROVED if rule_canaries.is_disproved(change, site, now) else ""


# ---- send ----


def _send(change: Change, site: Site, context: RunContext) -> str:
    site.refresh()
    if not site.is_paired:
        with transaction():
            end_change(
                change, Outcome(REFUSED, outcomes.CONNECTION_ENDED), {}, "here", context.now()
            )
        return change.state
    try:
        channel = calls.channel_to(site, context.config)
    except SealBroken as broken:
        return mark_unknown(change, KEYS_UNREADABLE, {"why": str(broken)[:300]}, context.now())
    question = {
        "op_id": change.op_id,
        "plan": change.plan,
        "sig": change.signature,
        **quarantine.known_head(site),
    }
    noted_at, dashboard = context.now(), dashboard_identity.load_dashboard(context.config)
    with transaction():
        # Again, because the looks before took a while. The next claim cancels what is not the same.
        reason = _problem(change, dashboard, noted_at) or _why_not_now(change, noted_at)
        if reason:
            return _postpone(change, reason, noted_at)
        if not change.note(RUNNING, sent_at=noted_at):
            return change.state
    # Use one address only: the first call might still be running at another one.
    result = calls.call_site(
        channel,
        change_plan.operation_for(change.kind),
        question,
        by=change.decided_by,
        config=context.config,
        call=context.call,
        now=context.now,
        patience_s=REQUEST_TIMEOUT_S,
        # If this worker freezes now, the plan expires before its lease does.
        noted_at=noted_at,
    )
    if result.reply is not None:
        outcome: Outcome | None = outcomes.from_answer(
            result.reply.document, planned_update(change), result.reply.site_time(context.now())
        )
    else:
        outcome = outcomes.from_error(result.error) if result.error else None
    if outcome is None:
        return mark_unknown(change, result.error_code, result.evidence, context.now(), result)
    if outcomes.is_about_time(outcome) and _may_be_sent_again(change, context.now()):
        outcome = Outcome(WAITING, outcome.reason, outcome.evidence)
    return finish_change(change, site, outcome, result, "answer", context)


def _postpone(change: Change, reason: str, now: datetime) -> str:
    """Let a change wait that was claimed and not sent, in the caller's transaction."""
    if change.move(WAITING, outcome_reason=reason, next_attempt_at=now, leased_until=None):
        audit.record(ChangePostponed.of(change, reason=reason), SYSTEM, now=now)
    return change.state


def _may_be_sent_again(change: Change, now: datetime) -> bool:
    """Whether to retry after the refusal of a site with another clock."""
    return change.not_before <= now < change.not_after and change.attempts < MOST_TIME_REFUSALS


# ---- recovery ----


def recover_changes(now: datetime) -> int:
    """Queue lost changes, end those whose window is over, and return how many were handled.

    What a dead worker left running becomes *unknown*.
    """
    ended = [change for change in Change.past_deadline(now) if proposals.expire_change(change, now)]
    stuck = Change.stuck(now, STUCK_GRACE)
    for change in stuck:
        mark_unknown(change, "", {"why": "the worker ended midway"}, now)
    lost = now - LOST_AFTER
    due = {
        "check_change": Change.due(lost, CHECKING),
        "run_change": _may_start([*Change.due(lost, APPROVED), *Change.due(now, WAITING)], now),
        "settle_change": Change.due(lost, UNKNOWN),
    }
    queued = (
        queue.enqueue_rows(job, (change.id for change in found)) for job, found in due.items()
    )
    return len(ended) + len(stuck) + sum(queued)


def _may_start(due: list[Change], now: datetime) -> list[Change]:
    """Return those that nothing keeps from being sent now; `run_change` checks again."""
    if not due:
        return []
    calendar, sites = change_times.read_calendar(now), Site.by_ids({one.site_id for one in due})
    return [
        one
        for one in due
        if not calendar.why_not_now(one, sites[one.site_id], now)
        and not _why_rule_waits(one, sites[one.site_id], now)
    ]
