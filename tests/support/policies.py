"""Write a policy, and carry out what it approves."""

from __future__ import annotations

from app.config import Config
from app.domain import policies
from app.models.changes import Change
from tests.support.factories import check
from tests.support.fakes import FakeSite


def the_change() -> Change:
    return Change.get()


def carried_out(fake: FakeSite, config: Config) -> Change:
    """Proposed, checked and released, as the sweep and the worker do it."""
    policies.apply(fake.clock())
    change = check(the_change(), fake, config)
    policies.release_due(config, fake.clock())
    change.refresh()
    return change
