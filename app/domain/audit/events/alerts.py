"""Contradictions between a site's log and the audit log."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class AlertRaised(Event):
    """A site's log and the audit log contradict each other, or one is incomplete.

    `about` is the kind of contradiction.
    """

    alert_id: int
    about: str
    evidence: dict[str, object]


@dataclass(frozen=True, kw_only=True)
class AlertClosed(Event):
    """A person resolved an alert with a note."""

    alert_id: int
    about: str
    note: Personal
