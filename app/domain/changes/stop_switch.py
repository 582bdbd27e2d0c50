"""Stop all changes on all sites at once, and start them again.

Syncs, pre-checks and revocations go on. What was sent before cannot be recalled.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import UpdatesStarted, UpdatesStopped
from app.domain.errors import StaleState
from app.domain.text import require_reason
from app.models.change_stops import ChangeStop
from app.models.changes import Change
from app.models.visibility import EVERYTHING, Visibility


@dataclass(frozen=True)
class Affected:
    """How many changes cannot be recalled, and how many approved ones wait."""

    running: int
    waiting: int


def stop_changes(reason: str, *, by: Actor, confirmed_at: datetime, now: datetime) -> Affected:
    """Stop all changes.

    Raises Forbidden, ReauthenticationRequired, Invalid without a reason, or StaleState if they are
    stopped already.
    """
    permissions.require(by, "halt")
    permissions.require_recent_authentication(confirmed_at, now)
    reason = reason.strip()
    require_reason(reason)
    with permissions.user_transaction(by, "halt") as (_, present):
        permissions.require_everything(present, "halt")
        if ChangeStop.current() is not None:
            raise StaleState("All updates are already stopped.")
        ChangeStop.create(reason=reason, stopped_by=present.name, stopped_at=now)
        found = affected(EVERYTHING)
        audit.record(UpdatesStopped(reason=reason, running=found.running), present, now=now)
    return found


def start_changes(*, by: Actor, confirmed_at: datetime, now: datetime) -> Affected:
    """Let changes start again; the periodic job queues the approved ones within a minute.

    Raises Forbidden, ReauthenticationRequired, or StaleState if they are not stopped.
    """
    permissions.require(by, "lift")
    permissions.require_recent_authentication(confirmed_at, now)
    with permissions.user_transaction(by, "lift") as (_, present):
        permissions.require_everything(present, "lift")
        stop = ChangeStop.current()
        if stop is None or not stop.end(by=present.name, now=now):
            raise StaleState("Updates are not stopped.")
        found = affected(EVERYTHING)
        event = UpdatesStarted(stopped_at=stop.stopped_at.isoformat(), waiting=found.waiting)
        audit.record(event, present, now=now)
    return found


def affected(visible: Visibility) -> Affected:
    """Return how many visible changes are running now, and how many wait for their start."""
    running, waiting = Change.count_sent_and_waiting(visible)
    return Affected(running, waiting)
