"""Auto-update rules, and each client's approval setting."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class PolicyMade(Event):
    """An auto-update rule was created; the event contains all that it covers."""

    policy_id: int
    name: str
    scopes: str
    steps: str
    covers: str
    tags: str
    window: str
    expires_at: str
    reason: Personal


@dataclass(frozen=True, kw_only=True)
class PolicyConfirmed(Event):
    policy_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class PolicyEnded(Event):
    policy_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class ApprovalsChanged(Event):
    """The approval setting of a client changed."""

    client: str
    approvals: str
