"""What a person does with a rollout: pause, resume, leave a site out, end it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from app import queue
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import (
    RolloutEnded,
    RolloutPaused,
    RolloutResumed,
    RolloutSiteLeftOut,
)
from app.domain.changes import approvals, proposals
from app.domain.errors import Conflict, Forbidden, Invalid, StaleState
from app.domain.rollouts import evidence
from app.domain.rollouts.evidence import NEVER_ACCEPTED, NOTHING_SUCCEEDED, Finding
from app.domain.text import check_reason
from app.models.accounts import CLIENT
from app.models.changes import Change
from app.models.rollouts import ENDED, HALTED, OPEN, PAUSED, RUNNING, Rollout, RolloutUpdate
from app.models.sites import Site
from app.models.visibility import EVERYTHING


def pause_rollout(rollout: Rollout, *, by: Actor, now: datetime) -> None:
    """Let no further site start. Raises Forbidden, or StaleState if it does not run."""
    with permissions.user_transaction(by, "propose", *_sites(rollout)) as (_, present):
        if not rollout.move(PAUSED, (RUNNING,), now=now, changed_by=present.name[:120]):
            raise StaleState("This rollout does not run any more.")
        held = RolloutUpdate.hold_unsent(rollout.id)
        event = RolloutPaused(
            batch=rollout.batch, name=rollout.name, wave=rollout.wave, waiting=held
        )
        audit.record(event, present, now=now)


def may_resume(by: Actor, sites: Iterable[Site]) -> bool:
    """Whether a person who sees all sites of a rollout may let it go on.

    People at the agency may. Client users may where they approve updates.
    """
    if by.role != CLIENT:
        return permissions.is_allowed(by.role, "decide")
    one_each = {site.client_id: site for site in sites}
    return all(approvals.can_decide(by, site) for site in one_each.values())


def resume_rollout(
    rollout: Rollout,
    *,
    by: Actor,
    seen: Collection[str],
    reason: str,
    confirmed_at: datetime,
    now: datetime,
) -> None:
    """Go on, and accept what has stopped it so far; a new finding stops it again.

    `seen` are the keys of the findings that the page showed. Raises Forbidden,
    ReauthenticationRequired, Invalid without a reason for going on in spite of a finding, Conflict
    while two packages of its version are known, or StaleState if it is not halted or there is a
    finding that was not shown.
    """
    permissions.require(by, "decide")
    permissions.require_recent_authentication(confirmed_at, now)
    reason = reason.strip()
    check_reason(reason)
    sites = _sites(rollout)
    with permissions.user_transaction(by, "decide", *sites) as (tx, present):
        if not may_resume(present, sites):
            raise Forbidden("decide", "The agency approves updates of these sites.")
        rollout.refresh()
        findings = evidence.read_evidence(rollout).findings
        _check_findings(findings, seen, reason)
        if not rollout.move(RUNNING, HALTED, now=now, changed_by=present.name[:120]):
            raise StaleState("This rollout is not paused or stopped any more.")
        _accept(rollout, findings, now)
        for change_id in RolloutUpdate.release_started(rollout, now):
            tx.after_commit(queue.enqueue, "run_change", change_id)
        event = RolloutResumed(
            batch=rollout.batch,
            name=rollout.name,
            wave=rollout.wave,
            accepted=[one.update.change_id for one in findings if one.update],
            reason=reason,
        )
        audit.record(event, present, now=now)
        tx.after_commit(queue.enqueue, "advance_rollout", rollout.id)


def _check_findings(findings: Sequence[Finding], seen: Collection[str], reason: str) -> None:
    if any(one.reason in NEVER_ACCEPTED for one in findings):
        raise Conflict(
            "Two different packages of this version were seen. Resolve the alert first, or end the "
            "rollout."
        )
    if any(one.key not in seen for one in findings):
        raise StaleState(
            "More speaks against this rollout since you opened the page. Reload the page, and "
            "decide again."
        )
    if findings and not reason:
        raise Invalid("reason", "Say why it may go on. The activity log keeps this reason.")


def _accept(rollout: Rollout, findings: Sequence[Finding], now: datetime) -> None:
    for one in findings:
        if one.update is not None:
            one.update.update_if(accepted=one.reason, accepted_at=now)
        elif one.reason == NOTHING_SUCCEEDED:
            rollout.update_if(passed_wave=rollout.wave)


def leave_site_out(rollout: Rollout, site: Site, *, by: Actor, now: datetime) -> int:
    """Leave a site out of a rollout, and cancel what was not sent to it; return how many.

    Raises Forbidden, or StaleState if the rollout is over or the site is not in it.
    """
    with permissions.user_transaction(by, "propose", *_sites(rollout)) as (_, present):
        rollout.refresh()
        updates = [
            one
            for one in RolloutUpdate.of_rollout(rollout.id)
            if one.change.site_id == site.id and not one.is_left_out
        ]
        if not rollout.is_open or not updates:
            raise StaleState("This site is not part of a rollout that goes on.")
        cancelled = 0
        for one in updates:
            one.update_if(is_left_out=True)
            cancelled += proposals.cancel_in_transaction(one.change, "", present, now)
        event = RolloutSiteLeftOut(
            site_id=site.id, batch=rollout.batch, name=rollout.name, cancelled=cancelled
        )
        audit.record(event, present, now=now)
    return cancelled


def end_rollout(rollout: Rollout, *, by: Actor, now: datetime) -> int:
    """End a rollout, and cancel what of its batch was not sent; return how many.

    Raises Forbidden, or StaleState if it is over.
    """
    with permissions.user_transaction(by, "propose", *_sites(rollout)) as (_, present):
        if not rollout.move(ENDED, OPEN, now=now, changed_by=present.name[:120]):
            raise StaleState("This rollout is over.")
        batch = Change.in_batch(rollout.batch, EVERYTHING)
        cancelled = sum(
            proposals.cancel_in_transaction(change, "", present, now) for change in batch
        )
        event = RolloutEnded(
            batch=rollout.batch, name=rollout.name, wave=rollout.wave, cancelled=cancelled
        )
        audit.record(event, present, now=now)
    return cancelled


def stop_batch(batch: Sequence[Change], *, by: Actor, now: datetime) -> int:
    """Cancel what of a batch has not started, and end its rollout; return how many.

    Raises Forbidden, or StaleState if all have started or ended.
    """
    rollout = Rollout.of_batch(batch[0].batch)
    if rollout is not None and rollout.is_open:
        return end_rollout(rollout, by=by, now=now)
    return proposals.stop_batch(batch, by=by, now=now)


def _sites(rollout: Rollout) -> list[Site]:
    """Return all of its sites: a person who decides about it has to see each of them."""
    changes = Change.in_batch(rollout.batch, EVERYTHING)
    return list({change.site_id: change.site for change in changes}.values())
