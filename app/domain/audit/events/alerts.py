"""Contradictions between the audit log and the log of a site."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class AlarmRaised(Event):
    """A site's log and the audit log contradict each other, or one is incomplete.

    `about` is the kind of contradiction.
    """

    alarm_id: int
    about: str
    evidence: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class AlarmClosed(Event):
    """A person investigated the alert and explained it."""

    alarm_id: int
    about: str
    note: Personal
