"""The terms of an auto-update rule, for the tests that make one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.domain.policies import Terms
from tests.support.fakes import Clock


def terms(clock: Clock, **changes: Any) -> Terms:
    """Patches of plugins, everywhere, all day."""
    usual: dict[str, Any] = {
        "name": "Patches",
        "scopes": ("plugins",),
        "steps": ("patch",),
        "client": None,
        "site_ids": (),
        "tags": (),
        "weekdays": tuple(range(7)),
        "from_hour": 0,
        "to_hour": 24,
        "expires_at": clock() + timedelta(days=30),
        "reason": "agreed with every client",
    }
    return Terms(**{**usual, **changes})
