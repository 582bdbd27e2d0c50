"""What the two logs say of each other."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class AlarmRaised(Event):
    """What Aura knows and what a site knows cannot both be true, or both be all. `about` is the
    kind of contradiction."""

    alarm_id: int
    about: str
    evidence: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class AlarmClosed(Event):
    """Somebody looked into it and says what it was."""

    alarm_id: int
    about: str
    note: Personal
