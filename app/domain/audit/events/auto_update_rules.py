"""Auto-update rules, and each client's approval setting."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.audit.events.base import Event, Personal


@dataclass(frozen=True, kw_only=True)
class AutoUpdateRuleCreated(Event):
    """An auto-update rule was created; the event contains all that it covers."""

    rule_id: int
    name: str
    permissions: str
    release_types: str
    covers: str
    tags: str
    window: str
    expires_at: str
    reason: Personal


@dataclass(frozen=True, kw_only=True)
class AutoUpdateRuleConfirmed(Event):
    rule_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class AutoUpdateRuleEnded(Event):
    rule_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class ApprovalModeChanged(Event):
    """The approval setting of a client changed."""

    client: str
    approvals: str
