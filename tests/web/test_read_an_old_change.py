"""The page of a change shows its own entries, no matter how old they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.config import Config
from app.domain.actor import Actor
from app.models.base import utcnow
from app.models.changes import Change
from tests.support.audit_entries import fill_with_failed_syncs
from tests.support.factories import approve, run_change
from tests.support.fakes import FakeSite


def test_2000_later_entries_of_the_site_hide_nothing(
    as_ana: Any, proposed: Change, ana: Actor, fake: FakeSite, config: Config
) -> None:
    approve(proposed, ana, config, utcnow())
    fake.clock.now = utcnow()
    assert run_change(proposed, fake, config) == "succeeded"
    before = as_ana.get(f"/changes/{proposed.id}").text
    fill_with_failed_syncs(proposed.site, 1000, utcnow() + timedelta(days=30), days=30)
    page = as_ana.get(f"/changes/{proposed.id}").text
    assert "Nothing is recorded yet" not in page
    assert page.count('href="/activity/') == before.count('href="/activity/') >= 5
