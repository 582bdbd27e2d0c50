"""Limit the audit entries for refused requests: an hourly share for each source.

Repeated refusals must neither fill the audit log nor hide other refusals. Each user and each
network has a share per hour, and all together have a larger one. Further refusals become one entry
with their number.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.actor import SYSTEM, Actor
from app.domain.audit.append import record
from app.domain.audit.events import Event, RefusalsCounted
from app.http.ip_policy import network_of
from app.models.accounts import User
from app.models.base import transaction
from app.models.refusals import RefusalCount

HOUR = timedelta(hours=1)
# Limit for all sources together, as a multiple of the share of one source.
_TOGETHER = 10
_EVERYBODY = "everybody"
_AT_ONCE = 500


def record_refusal(event: Event, by: Actor, *, now: datetime, per_hour: int = 20) -> None:
    """Record a refusal in its own transaction, or only count it above the hourly limit.

    The limit is `per_hour` of a kind for one source, and ten times that for all sources together.
    """
    name = event.event_name()
    with transaction():
        together = _row(name, _EVERYBODY, SYSTEM, now)
        if together.written >= per_hour * _TOGETHER:
            # Add no more sources, so that many addresses cannot fill this table.
            together.count("suppressed")
            return
        source = f"{by.label}@{network_of(by.ip) if by.ip else ''}"
        own = _row(name, source[:120], by, now)
        if own.written >= per_hour:
            own.count("suppressed")
            return
        own.count("written")
        together.count("written")
        record(event, by, now=now)


def close_hours(now: datetime) -> int:
    """Record and delete the counts of past hours, and return the number of entries."""
    closed = 0
    for row in RefusalCount.ended(now - HOUR, _AT_ONCE):
        with transaction():
            closed += _close(row, now)
    return closed


def _row(event: str, source: str, by: Actor, now: datetime) -> RefusalCount:
    """Return the row of the current hour, after closing one of a past hour."""
    row = RefusalCount.of(event, source)
    if row is not None and now - row.began_at >= HOUR:
        _close(row, now)
        row = None
    if row is None:
        columns = {"began_at": now, "actor": by.label, "ip": by.ip[:45]}
        row = RefusalCount.create(event=event, source=source, **columns)
    return row


def _close(row: RefusalCount, now: datetime) -> bool:
    """Record and delete a count, in the caller's transaction; True if it was only counted."""
    found = RefusalCount.of(row.event, row.source)
    if found is None or found.began_at != row.began_at:
        return False  # another process was faster
    found.forget()
    if not found.suppressed:
        return False
    event = RefusalsCounted(
        about=found.event, count=found.suppressed, since=found.began_at.isoformat()
    )
    record(event, _actor(found), now=now)
    return True


def _actor(row: RefusalCount) -> Actor:
    """Return the actor that a label names."""
    kind, _, number = row.actor.partition(":")
    if kind == "user":
        user = User.get_or_none(User.id == int(number))
        return SYSTEM if user is None else Actor.of(user, row.ip)
    return Actor.anonymous(row.ip) if kind == "anonymous" else SYSTEM
