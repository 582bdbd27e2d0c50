"""Write an auto-update rule, and run the updates that it approves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.config import Config
from app.domain.changes import auto_update_rules
from app.domain.changes.rule_terms import RuleTerms
from app.models.changes import Change
from tests.support.factories import check
from tests.support.fakes import Clock, FakeSite


def the_change() -> Change:
    return Change.get()


def carried_out(fake: FakeSite, config: Config) -> Change:
    """Propose, check and release updates, as the schedule and the worker do."""
    auto_update_rules.propose_due(fake.clock())
    change = check(the_change(), fake, config)
    auto_update_rules.approve_due(config, fake.clock())
    change.refresh()
    return change


def terms(clock: Clock, **changes: Any) -> RuleTerms:
    """Return the terms of a rule: patches of plugins, on all sites, at any time."""
    usual: dict[str, Any] = {
        "name": "Patches",
        "permissions": ("plugins",),
        "release_types": ("patch",),
        "client": None,
        "site_ids": (),
        "tags": (),
        "weekdays": tuple(range(7)),
        "from_hour": 0,
        "to_hour": 24,
        "expires_at": clock() + timedelta(days=30),
        "reason": "agreed with every client",
        # Most tests are not about the age of a release.
        "rest_hours": 0,
        "rest_hours_major": 0,
    }
    return RuleTerms(**{**usual, **changes})
