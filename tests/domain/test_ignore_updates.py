"""Ignored updates are not approved, not released by a rule, and not run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import approvals, auto_update_rules
from app.domain.errors import StaleChange
from app.domain.sites import holds
from app.models.changes import APPROVED, CANCELLED, PROPOSED, Change
from app.models.sites import Site
from tests.support.factories import AKISMET, approve, check, run_change
from tests.support.fakes import Clock, FakeSite
from tests.support.rules import terms, the_change


def ignore(site: Site, by: Actor, clock: Clock, days: int | None = None) -> None:
    until = clock() + timedelta(days=days) if days else None
    holds.hold_updates(
        [site], "plugin", AKISMET, until=until, reason="breaks the shop", by=by, now=clock()
    )


def test_an_update_ignored_after_its_proposal_is_not_approved(
    proposed: Change, ready: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    ignore(ready, ben, clock)
    with pytest.raises(StaleChange) as refused:
        approve(proposed, ana, config, clock())
    assert "breaks the shop" in refused.value.message
    assert Change.get().state == PROPOSED
    holds.release_hold(ready, "plugin", AKISMET, by=ben, now=clock())
    assert approve(proposed, ana, config, clock()).state == APPROVED


def test_an_ignored_update_cannot_be_approved(
    proposed: Change, ready: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    ignore(ready, ben, clock)
    with pytest.raises(StaleChange):
        approvals.approve_changes(
            [proposed],
            by=ana,
            seen={proposed.id: proposed.digest},
            confirmed_at=clock(),
            config=config,
            now=clock(),
        )
    proposed.refresh()
    assert proposed.state == PROPOSED


def test_an_update_ignored_after_its_approval_does_not_run(
    proposed: Change,
    ready: Site,
    ana: Actor,
    ben: Actor,
    fake: FakeSite,
    config: Config,
    clock: Clock,
) -> None:
    approve(proposed, ana, config, clock())
    ignore(ready, ben, clock)
    assert run_change(proposed, fake, config) == CANCELLED
    assert proposed.outcome_reason == "held"
    assert not fake.changes.installs


def test_a_rule_does_not_approve_an_ignored_update(
    ready: Site, ana: Actor, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    auto_update_rules.propose_due(clock())
    check(the_change(), fake, config)
    ignore(ready, ben, clock)
    assert auto_update_rules.approve_due(config, clock()) == 0
    holds.release_hold(ready, "plugin", AKISMET, by=ben, now=clock())
    assert auto_update_rules.approve_due(config, clock()) == 1


def test_an_update_is_ignored_until_the_end_of_the_hold(
    proposed: Change, ready: Site, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    ignore(ready, ben, clock, days=1)
    clock.advance(days=1)
    assert approve(proposed, ana, config, clock()).state == APPROVED
