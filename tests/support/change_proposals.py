"""Approve a proposed change with other terms."""

from __future__ import annotations

from typing import Any

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import approvals
from app.models.changes import Change


def release(change: Change, by: Actor, config: Config, now: Any, **instead: Any) -> None:
    terms = {"confirmed_at": now, **instead}
    seen = {change.id: terms.pop("seen", change.digest)}
    approvals.approve_changes([change], by=by, seen=seen, config=config, now=now, **terms)
