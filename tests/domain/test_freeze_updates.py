"""A freeze: days without approvals or starts of updates, for all sites, a client or a site."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import approvals, auto_update_rules, change_times, execution, freezes
from app.domain.changes.approvals import Terms
from app.domain.changes.freezes import FreezeTerms
from app.domain.errors import (
    ChangesStopped,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ReauthenticationRequired,
    StaleState,
)
from app.domain.permissions import REAUTH_MAX_AGE
from app.models.agency import Agency
from app.models.audit import AuditEntry
from app.models.base import transaction
from app.models.change_stops import ChangeStop
from app.models.changes import APPROVED, PROPOSED, SUCCEEDED, Change
from app.models.clients import Client
from app.models.freezes import Freeze
from app.models.sites import Site
from app.models.visibility import EVERYTHING
from app.protocol import from_b64u, parse_json
from tests.support.audit_entries import facts_of
from tests.support.change_proposals import release
from tests.support.factories import approve, check, run_change
from tests.support.fakes import Clock, at
from tests.support.rules import terms, the_change

pytestmark = pytest.mark.both_databases

# The clock of these tests starts on Tuesday, 24 November 2026, at 10:00 UTC.
TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)


def freeze(by: Actor, clock: Clock, **changes: Any) -> Freeze:
    usual = {"name": "Black Friday", "first_day": TODAY, "last_day": TODAY + DAY}
    return freezes.add_freeze(
        FreezeTerms(**{**usual, **changes}), by=by, confirmed_at=clock(), now=clock()
    )


def end(found: Freeze, by: Actor, clock: Clock) -> None:
    freezes.end_freeze(found.id, by=by, confirmed_at=clock(), now=clock())


def state(change: Change) -> str:
    return Change.get_by_id(change.id).state


# ---- add and end ----


def test_days_of_a_freeze_are_inclusive_in_the_agencys_zone(ben, clock, database):
    with transaction():
        Agency.write(time_zone="America/New_York")
    found = freeze(ben, clock, first_day=date(2026, 11, 20), last_day=date(2026, 12, 2))
    span = change_times.read_calendar(clock()).freezes[0].span
    assert (span.begins, span.ends) == (at("2026-11-20 05:00"), at("2026-12-03 05:00"))
    assert found.added_by == "Ben"
    assert facts_of("freeze_added")["covers"] == "all sites"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "a\u202eb"}),
        ("name", {"name": "x" * 121}),
        ("first_day", {"first_day": date.min}),
        ("first_day", {"first_day": TODAY + timedelta(days=400)}),
        ("last_day", {"last_day": date.min}),
        ("last_day", {"first_day": TODAY - DAY, "last_day": TODAY - DAY}),
        ("last_day", {"first_day": TODAY + DAY, "last_day": TODAY}),
        ("last_day", {"last_day": TODAY + timedelta(days=92)}),
    ],
)
def test_an_invalid_freeze_is_refused(ben, clock, database, field, wrong):
    with pytest.raises(Invalid) as refused:
        freeze(ben, clock, **wrong)
    assert field in refused.value.messages
    assert not Freeze.select().exists()


def test_an_operator_adds_a_freeze_and_only_an_owner_ends_it_early(ana, ben, cleo, clock):
    with pytest.raises(Forbidden):
        freeze(cleo, clock)
    found = freeze(ben, clock)
    with pytest.raises(Forbidden):
        end(found, ben, clock)
    end(found, ana, clock)
    kept = Freeze.get()
    assert (kept.ended_by, kept.ended_at) == ("Ana", clock())
    assert AuditEntry.head().event == "freeze_ended"
    with pytest.raises(StaleState):
        end(found, ana, clock)


def test_a_freeze_that_is_over_is_kept_and_cannot_be_ended(ana, clock, database):
    found = freeze(ana, clock)
    clock.advance(days=3)
    with pytest.raises(StaleState):
        end(found, ana, clock)
    assert [row.id for row in Freeze.newest(9, EVERYTHING)] == [found.id]
    with pytest.raises(NotFound):
        freezes.end_freeze(99, by=ana, confirmed_at=clock(), now=clock())


def test_adding_and_ending_need_a_recent_password(ana, clock, database):
    found, earlier = freeze(ana, clock), clock() - REAUTH_MAX_AGE
    with pytest.raises(ReauthenticationRequired):
        freezes.end_freeze(found.id, by=ana, confirmed_at=earlier, now=clock())
    with pytest.raises(ReauthenticationRequired):
        freezes.add_freeze(
            FreezeTerms("x", TODAY, TODAY), by=ana, confirmed_at=earlier, now=clock()
        )


# ---- what a freeze stops ----


def test_an_approval_is_refused_with_the_freeze_and_its_end(
    proposed: Change, ana: Actor, config: Config, clock: Clock
) -> None:
    found = freeze(ana, clock)
    with pytest.raises(Conflict, match="Freeze “Black Friday” until 25 Nov 2026"):
        approve(proposed, ana, config, clock())
    assert state(proposed) == PROPOSED
    end(found, ana, clock)
    assert approve(proposed, ana, config, clock()).state == APPROVED


@pytest.mark.parametrize("scope", ["all", "client", "site"])
def test_a_freeze_is_for_all_sites_a_client_or_a_site(
    proposed: Change, ready: Site, ana: Actor, config: Config, clock: Clock, scope: str
) -> None:
    mine, other = Client.named("Bakery Ltd"), Client.named("Florist Ltd")
    Site.update(client=mine).execute()
    freeze(ana, clock, client=other)
    freeze(ana, clock, name="Sale", **{"client": {"client": mine}, "site": {"site": ready}}.get(
        scope, {}))  # fmt: skip
    with pytest.raises(Conflict, match="Sale"):
        approve(proposed, ana, config, clock())
    end(Freeze.get(Freeze.name == "Sale"), ana, clock)
    assert approve(proposed, ana, config, clock()).state == APPROVED


def test_a_start_in_a_freeze_is_refused_and_one_after_it_is_not(
    proposed: Change, ana: Actor, config: Config, clock: Clock
) -> None:
    freeze(ana, clock, first_day=TODAY + DAY, last_day=TODAY + DAY)
    with pytest.raises(Invalid, match="Black Friday"):
        release(proposed, ana, config, clock(), terms=Terms(starts_at=clock() + DAY))
    release(proposed, ana, config, clock(), terms=Terms(starts_at=clock() + 2 * DAY))
    assert state(proposed) == APPROVED


def test_an_update_is_approved_for_the_end_of_the_freeze(
    proposed: Change, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    freeze(ana, clock)
    release(proposed, ana, config, clock(), terms=Terms(after_freeze=True))
    change = Change.get_by_id(proposed.id)
    assert change.not_before == at("2026-11-26 00:00")
    assert parse_json(from_b64u(change.plan))["not_before"] == change.not_before.timestamp()
    clock.now = at("2026-11-25 23:59")
    assert run_change(change, fake, config) == APPROVED
    clock.now = at("2026-11-26 00:00")
    assert run_change(change, fake, config) == SUCCEEDED


def test_the_plan_ends_where_the_next_freeze_begins(
    proposed: Change, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    freeze(ana, clock, first_day=TODAY + DAY, last_day=TODAY + DAY)
    approve(proposed, ana, config, clock())
    plan = parse_json(from_b64u(proposed.plan))
    assert plan["not_after"] == at("2026-11-25 00:00").timestamp()
    assert plan["not_before"] == parse_json(proposed.document.encode())["not_before"]
    assert proposed.not_after == at("2026-11-25 00:00")
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_an_update_approved_before_the_freeze_waits_for_its_end(
    proposed: Change, ana: Actor, config: Config, clock: Clock, fake: Any, jobs: Any
) -> None:
    approve(proposed, ana, config, clock())
    found = freeze(ana, clock)
    fake.calls.clear()
    assert run_change(proposed, fake, config) == APPROVED
    clock.advance(minutes=5)
    assert execution.recover_changes(clock()) == 0
    assert fake.calls == []
    end(found, ana, clock)
    assert execution.recover_changes(clock()) == 1
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_rules_propose_and_approve_nothing_in_a_freeze(
    ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    found = freeze(ana, clock)
    assert auto_update_rules.propose_due(clock()) == 0
    end(found, ana, clock)
    assert auto_update_rules.propose_due(clock()) == 1
    check(the_change(), fake, config)
    found = freeze(ana, clock)
    assert auto_update_rules.approve_due(config, clock()) == 0
    end(found, ana, clock)
    assert auto_update_rules.approve_due(config, clock()) == 1


# ---- an owner's exception for one update ----


def override(change: Change, by: Actor, config: Config, clock: Clock, reason: str = "CVE") -> None:
    approvals.approve_in_spite(
        change, by=by, seen=change.digest, reason=reason, confirmed_at=clock(), config=config,
        now=clock(),
    )  # fmt: skip


def test_an_owner_overrides_a_freeze_with_a_reason(
    proposed: Change, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    freeze(ana, clock)
    override(proposed, ana, config, clock)
    assert facts_of("freeze_overridden")["reason"] == "CVE"
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_an_override_needs_an_owner_and_a_reason(
    proposed: Change, ana: Actor, ben: Actor, config: Config, clock: Clock
) -> None:
    freeze(ana, clock)
    with pytest.raises(Forbidden):
        override(proposed, ben, config, clock)
    for reason in ("  ", "x" * 501):
        with pytest.raises(Invalid):
            override(proposed, ana, config, clock, reason)
    assert state(proposed) == PROPOSED


def test_a_stop_of_all_updates_has_no_exception(
    proposed: Change, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    ChangeStop.create(reason="why", stopped_by="Ben", stopped_at=clock())
    with pytest.raises(ChangesStopped):
        override(proposed, ana, config, clock)
    assert state(proposed) == PROPOSED
    ChangeStop.get().end(by="Ana", now=clock())
    override(proposed, ana, config, clock)
    ChangeStop.create(reason="again", stopped_by="Ben", stopped_at=clock())
    assert run_change(proposed, fake, config) == APPROVED
