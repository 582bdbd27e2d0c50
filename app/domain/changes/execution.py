"""Run an approved change on its site, at most once.

Nothing leads back to *approved*: a change is sent again only if the site itself reported that it
waits. settlement.py finds out the result.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from app import queue
from app.config import Config
from app.domain import audit, dashboard_identity
from app.domain.actor import SYSTEM
from app.domain.audit.events import ChangeStarted
from app.domain.changes import change_plan, outcomes, proposals, site_probe
from app.domain.changes.approvals import stale_reason
from app.domain.changes.dry_run import planned_update
from app.domain.changes.outcomes import Outcome
from app.domain.changes.settlement import RunContext, end_change, finish_change, mark_unknown
from app.domain.changes.site_probe import LookCall
from app.domain.connection import calls, quarantine
from app.domain.connection.calls import KEYS_UNREADABLE, Call
from app.domain.dashboard_identity import DashboardIdentity
from app.http import site_client
from app.keys import SealBroken, signing_public, verify_plan
from app.models.auto_update_rules import Held
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

# How long a site may work on it before the call is given up; it goes on all the same.
REQUEST_TIMEOUT_S = 110.0
# Longer than a job may take (queue.JOB_TIMEOUT_S): who holds this lease and is over it is dead.
LEASE = timedelta(seconds=240)
STUCK_GRACE = timedelta(seconds=10)
# A site whose clock is set right within these attempts still gets its change.
MOST_TIME_REFUSALS = 10
# A job that was queued and not begun after this long is queued again.
LOST_AFTER = timedelta(seconds=60)


def run_change(
    change_id: int,
    *,
    config: Config,
    call: Call = site_client.call,
    look: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
) -> str:
    """Send an approved change to its site and write down what came of it; returns its state.

    Does nothing for any other change. Safe to be called twice at once and to die anywhere.
    """
    change = Change.get_or_none(Change.id == change_id)
    if change is None:
        return "gone"
    world = RunContext(config, call, look, now)
    if change.state not in MAY_RUN or not _begin(change, world):
        return change.state
    change.note(
        RUNNING, probe_before=site_probe.probe_site(change.site, config=config, look=look, now=now)
    )
    return _send(change, change.site, world)


# ---- beginning ----


def _begin(change: Change, world: RunContext) -> bool:
    """Claim it, if it still is what was approved; a change that is not is called off."""
    now, dashboard = world.now(), dashboard_identity.load_dashboard(world.config)
    try:
        with transaction():
            change.refresh()
            was_waiting = change.state == WAITING
            problem = _problem(change, dashboard, now)
            if problem:
                proposals.cancel_in_transaction(change, problem, SYSTEM, now)
                return False
            if not change.claim(now, now + LEASE):
                return False
            # Asking again whether the site still waits is no news, and may go on for days.
            if not was_waiting:
                audit.record(ChangeStarted.of(change, attempt=change.attempts), SYSTEM, now=now)
    except DuplicateRow:
        return False  # another one of this site was claimed in the same moment
    return True


def _problem(change: Change, dashboard: DashboardIdentity, now: datetime) -> str:
    """Why this must not be sent; empty if it is, byte for byte, what was released."""
    try:
        plan, signature = from_b64u(change.plan), from_b64u(change.signature)
    except ProtocolError:
        return "not_what_was_approved"
    public = signing_public(dashboard.key_for(change.site.sign_d))
    is_ours = verify_plan(public, plan, signature)
    if not is_ours or not change_plan.is_plan_of(plan, change.digest):
        return "not_what_was_approved"
    if now > change.not_after:
        return ""  # the claim refuses it, and the periodic job lets it expire
    if Held.in_force(change.site_id, change.kind, change.ident, now):
        return "held"
    return "went_stale" if stale_reason(change, change.site, now) else ""


# ---- sending ----


def _send(change: Change, site: Site, world: RunContext) -> str:
    site.refresh()
    if not site.is_paired:
        with transaction():
            end_change(change, Outcome(REFUSED, outcomes.CONNECTION_ENDED), {}, "here", world.now())
        return change.state
    try:
        channel = calls.channel_to(site, world.config)
    except SealBroken as broken:
        return mark_unknown(change, KEYS_UNREADABLE, {"why": str(broken)[:300]}, world.now())
    question = {
        "op_id": change.op_id,
        "plan": change.plan,
        "sig": change.signature,
        **quarantine.known_head(site),
    }
    noted_at = world.now()
    if not change.note(RUNNING, sent_at=noted_at):
        return change.state
    # To one address only: at another one the first call might still be at work.
    outcome = calls.call_site(
        channel,
        change_plan.operation_for(change.kind),
        question,
        by=change.decided_by,
        config=world.config,
        call=world.call,
        patience_s=REQUEST_TIMEOUT_S,
        # However long this worker stands still now, the order dies when it is believed to be dead.
        noted_at=noted_at,
    )
    if outcome.reply is not None:
        told: Outcome | None = outcomes.from_answer(
            outcome.reply.document, planned_update(change), world.now()
        )
    else:
        told = outcomes.from_error(outcome.error) if outcome.error else None
    if told is None:
        return mark_unknown(change, outcome.fault, outcome.evidence, world.now(), outcome)
    if outcomes.is_about_time(told) and _may_be_sent_again(change, world.now()):
        told = Outcome(WAITING, told.reason, told.evidence)
    return finish_change(change, site, told, outcome, "answer", world)


def _may_be_sent_again(change: Change, now: datetime) -> bool:
    """Whether the refusal of a site whose clock differs is worth another attempt."""
    return change.not_before <= now < change.not_after and change.attempts < MOST_TIME_REFUSALS


# ---- what time alone makes due ----


def recover_changes(now: datetime) -> int:
    """Queue lost changes, end those whose window is over, and return how many were handled.

    What a dead worker left running becomes *unknown*.
    """
    ended = [change for change in Change.outlived(now) if proposals.expire_change(change, now)]
    stuck = Change.stuck(now, STUCK_GRACE)
    for change in stuck:
        mark_unknown(change, "", {"why": "the worker ended midway"}, now)
    lost = now - LOST_AFTER
    due = {
        "check_change": Change.due(lost, CHECKING),
        "run_change": [*Change.due(lost, APPROVED), *Change.due(now, WAITING)],
        "settle_change": Change.due(lost, UNKNOWN),
    }
    for job, found in due.items():
        for change in found:
            queue.enqueue(job, change.id)
    return len(ended) + len(stuck) + sum(len(found) for found in due.values())
