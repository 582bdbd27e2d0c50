"""Go on with running rollouts: stop one, start its next wave, or end it, as its evidence says.

Safe to run in several processes at once: each step is one conditional UPDATE.
"""

from __future__ import annotations

from datetime import datetime

from app import queue
from app.domain import audit
from app.domain.actor import SYSTEM
from app.domain.audit.events import (
    RolloutContinued,
    RolloutFinished,
    RolloutStopped,
    RolloutWaveStarted,
)
from app.domain.changes.update_evidence import PAGES_CHANGED
from app.domain.rollouts import evidence
from app.domain.rollouts.evidence import Evidence, Finding
from app.models.base import Transaction, transaction
from app.models.changes import Change
from app.models.rollouts import DONE, RUNNING, STOPPED, Rollout, RolloutUpdate
from app.models.site_pages import LOOKS_RIGHT, ChangePages


def advance_due(now: datetime) -> int:
    """Advance all rollouts that may go on; return how many of them did something."""
    waiting = (*Rollout.running(), *Rollout.stopped_by(PAGES_CHANGED))
    return sum(advance_rollout(rollout_id, now) != "" for rollout_id in waiting)


def advance_rollout(rollout_id: int, now: datetime) -> str:
    """Do what is due in a rollout, and return what that was; empty if there was nothing."""
    with transaction() as tx:
        rollout = Rollout.get_or_none(Rollout.id == rollout_id)
        if rollout is not None and rollout.state == STOPPED:
            return "continued" if _continue(rollout, tx, now) else ""
        if rollout is None or rollout.state != RUNNING:
            return ""
        found = evidence.read_evidence(rollout)
        if found.findings:
            return "stopped" if _stop(rollout, found.findings[0], now) else ""
        if found.holds_since is None or found.due_at is None:
            return ""
        if found.is_last:
            return "finished" if _finish(rollout, now) else ""
        if now < found.due_at:
            return ""
        if found.unseen:
            for change_id in _one_of_each_site(found):
                tx.after_commit(queue.enqueue, "look_at_rollout", change_id)
            return "looking"
        if not rollout.start_wave(rollout.wave + 1, now):
            return ""
        for change_id in _release_wave(rollout, now):
            tx.after_commit(queue.enqueue, "run_change", change_id)
        return "started"


def _one_of_each_site(found: Evidence) -> list[int]:
    return list({one.change.site_id: one.change_id for one in found.unseen}.values())


def _stop(rollout: Rollout, finding: Finding, now: datetime) -> bool:
    """Let no further site start, and record the site and the reason."""
    change = finding.update.change if finding.update else _any_of_wave(rollout)
    site = change.site if change else None
    about = {"reason": finding.reason, "change": change, "site": site}
    if not rollout.move(STOPPED, (RUNNING,), now=now, **about):
        return False
    held = RolloutUpdate.hold_unsent(rollout.id)
    event = RolloutStopped(
        batch=rollout.batch,
        name=rollout.name,
        wave=rollout.wave,
        reason=finding.reason,
        change_id=change.id if change else None,
        site_id=site.id if site else None,
        waiting=held,
    )
    audit.record(event, SYSTEM, now=now)
    return True


def _continue(rollout: Rollout, tx: Transaction, now: datetime) -> bool:
    """Go on after a stop because of pages, once people have found all of them right.

    Only they have spoken against it, so there is nothing left for another person to accept.
    """
    answered = ChangePages.of(rollout.change_id) if rollout.change_id else None
    was_right = answered is not None and answered.answer == LOOKS_RIGHT
    if rollout.reason != PAGES_CHANGED or not was_right:
        return False
    if evidence.read_evidence(rollout).findings:
        return False
    if not rollout.move(RUNNING, (STOPPED,), now=now):
        return False
    for change_id in RolloutUpdate.release_started(rollout, now):
        tx.after_commit(queue.enqueue, "run_change", change_id)
    event = RolloutContinued(batch=rollout.batch, name=rollout.name, wave=rollout.wave)
    audit.record(event, SYSTEM, now=now)
    tx.after_commit(queue.enqueue, "advance_rollout", rollout.id)
    return True


def _any_of_wave(rollout: Rollout) -> Change | None:
    """Return a change to stand for the whole wave."""
    updates = RolloutUpdate.of_rollout(rollout.id)
    return next((one.change for one in updates if one.wave == rollout.wave), None)


def _release_wave(rollout: Rollout, now: datetime) -> list[int]:
    """Let the wave that has just started be sent; return the ids of its changes that are due."""
    due = RolloutUpdate.release_started(rollout, now)
    event = RolloutWaveStarted(
        batch=rollout.batch,
        name=rollout.name,
        wave=rollout.wave,
        waves=rollout.waves,
        updates=len(due),
    )
    audit.record(event, SYSTEM, now=now)
    return due


def _finish(rollout: Rollout, now: datetime) -> bool:
    if not rollout.move(DONE, (RUNNING,), now=now):
        return False
    event = RolloutFinished(batch=rollout.batch, name=rollout.name, waves=rollout.wave)
    audit.record(event, SYSTEM, now=now)
    return True
