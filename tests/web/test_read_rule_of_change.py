"""A change's page says which rule it belongs to, and whether updates are ignored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules
from app.domain.sites import holds
from app.models.base import utcnow
from app.models.changes import EXPIRED, Change
from app.models.sites import Site
from tests.support.factories import AKISMET, check
from tests.support.fakes import FakeSite
from tests.support.rules import terms


@pytest.fixture
def by_rule(today: Site, ana: Actor, fake: FakeSite, config: Config) -> Change:
    """Return a change that a rule proposed."""
    now = fake.clock()
    auto_update_rules.create_rule(terms(fake.clock), by=ana, confirmed_at=now, now=now)
    auto_update_rules.propose_due(now)
    return check(Change.get(), fake, config)


def test_updates_that_are_ignored_are_named_and_cannot_be_approved(
    as_ana: Any, proposed: Change, ana: Actor
) -> None:
    site = proposed.site
    holds.hold_updates(
        [site], "plugin", AKISMET, until=None, reason="breaks the shop", by=ana, now=utcnow()
    )
    page = as_ana.get(f"/changes/{proposed.id}").text
    assert "Updates for Akismet are ignored on this site" in page
    assert "breaks the shop" in page
    assert f"/changes/{proposed.id}/approve" not in page
    answer = as_ana.post(f"/changes/{proposed.id}/approve", data={"digest": proposed.digest})
    assert answer.status_code == 409
    assert "Stop ignoring them first" in answer.text


def test_the_page_names_the_rule_that_proposed_the_update(as_ana: Any, by_rule: Change) -> None:
    page = as_ana.get(f"/changes/{by_rule.id}").text
    assert "Proposed by the auto-update rule “Patches”" in page
    assert "The rule approves it during its hours." in page


def test_a_rule_does_not_approve_what_a_person_proposed(
    as_ana: Any, proposed: Change, ana: Actor, fake: FakeSite
) -> None:
    auto_update_rules.create_rule(terms(fake.clock), by=ana, confirmed_at=utcnow(), now=utcnow())
    page = as_ana.get(f"/changes/{proposed.id}").text
    assert "approves only what it proposed itself" in page
    assert "Ben proposed this update, so a person has to approve it." in page


def test_the_page_says_whether_the_rule_tries_again(as_ana: Any, by_rule: Change) -> None:
    ended = utcnow() - timedelta(hours=1)
    Change.update(state=EXPIRED, ended_at=ended).execute()
    assert "The rule tries again after" in as_ana.get(f"/changes/{by_rule.id}").text
    columns = Change.get().__data__
    for number in range(2):
        Change.create(**{**columns, "id": None, "op_id": f"other {number}"})
    last = Change.select().order_by(Change.id.desc()).get()
    assert "does not try again" in as_ana.get(f"/changes/{last.id}").text
