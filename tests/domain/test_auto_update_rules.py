"""Auto-update rules: which updates they approve, which they never approve, and who owns them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import auto_update_rules, candidates, execution, rule_hours
from app.domain.errors import Conflict, Forbidden, Invalid, ReauthenticationRequired, StaleState
from app.domain.permissions import REAUTH_MAX_AGE
from app.domain.sites import holds
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.auto_update_rules import AutoUpdateRule, UpdateHold
from app.models.changes import (
    APPROVED,
    CANCELLED,
    CHECKING,
    EXPIRED,
    FAILED,
    PROPOSED,
    REFUSED,
    REJECTED,
    ROLLED_BACK,
    SUCCEEDED,
    Change,
)
from app.models.clients import FOUR_EYES, SELF_APPROVAL, Client
from app.models.sites import Site
from app.protocol import from_b64u, parse_json
from tests.support.factories import AKISMET, check, make_site, propose, read_report, run_change
from tests.support.fakes import Clock, FakeSite, at
from tests.support.rules import carried_out, terms, the_change

pytestmark = pytest.mark.both_databases


@pytest.fixture
def rule(ready: Site, ana: Actor, clock: Clock) -> AutoUpdateRule:
    return auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())


def events() -> list[str]:
    return [entry.event for entry in reversed(AuditEntry.newest(limit=200))]


def test_a_rule_proposes_approves_and_runs_updates_in_its_name(
    rule: AutoUpdateRule, fake: FakeSite, config: Config, ready: Site
) -> None:
    change = carried_out(fake, config)
    assert change.state == APPROVED
    assert (change.how, change.proposer) == ("auto_update_rule", "auto-update rule “Patches”")
    assert change.decided_by == f"auto-update rule {rule.id} “Patches” of Ana"
    plan = parse_json(from_b64u(change.plan))
    assert plan["approval"]["how"] == "auto_update_rule"
    assert plan["approval"]["by"] == change.decided_by
    assert run_change(change, fake, config) == "succeeded"
    assert [e for e in events() if e.startswith(("auto_update_rule", "change"))] == [
        "auto_update_rule_created",
        "change_proposed",
        "change_checked",
        "change_approved",
        "change_started",
        "change_ended",
    ]


def test_a_rule_proposes_the_same_update_once(
    rule: AutoUpdateRule, fake: FakeSite, config: Config
) -> None:
    fake.changes.plays[AKISMET] = ("rolled_back", "fatal_after")
    assert run_change(carried_out(fake, config), fake, config) == "rolled_back"
    assert auto_update_rules.propose_due(fake.clock()) == 0


def test_an_expired_proposal_is_repeated_daily_up_to_a_limit(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    tried = []
    for _ in range(10):
        read_report(ready, fake, config=config)
        tried.append(auto_update_rules.propose_due(clock()))
        clock.advance(hours=13)
        execution.recover_changes(clock())
    assert tried == [1, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    assert sum(tried) == auto_update_rules.MOST_TRIES
    assert set(Change.select(Change.state).tuples()) == {(EXPIRED,)}


def test_a_version_that_the_site_refused_is_tried_again(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    auto_update_rules.propose_due(clock())
    fake.report["health"]["file_mods"] = False
    assert check(the_change(), fake, config).state == REFUSED
    fake.report["health"]["file_mods"] = True
    clock.advance(hours=20)
    read_report(ready, fake, config=config)
    assert auto_update_rules.propose_due(clock()) == 1


def test_a_version_that_never_reached_the_site_is_tried_again(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = carried_out(fake, config)
    fake.failing = [ErrorCode.connection_refused]
    assert run_change(change, fake, config) == FAILED
    clock.advance(hours=20)
    read_report(ready, fake, config=config)
    assert auto_update_rules.propose_due(clock()) == 1


@pytest.mark.parametrize("state", [REJECTED, CANCELLED, FAILED, ROLLED_BACK, SUCCEEDED])
def test_a_rejected_or_completed_update_is_not_tried_again(
    rule: AutoUpdateRule, ready: Site, fake: FakeSite, config: Config, clock: Clock, state: str
) -> None:
    auto_update_rules.propose_due(clock())
    Change.update(state=state, ended_at=clock()).execute()
    clock.advance(days=2)
    read_report(ready, fake, config=config)
    assert auto_update_rules.propose_due(clock()) == 0


def test_a_rule_that_ends_meanwhile_proposes_nothing(
    rule: AutoUpdateRule, ready: Site, ben: Actor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = candidates.candidates_on_site

    def ended_meanwhile(*args: Any) -> Any:
        if AutoUpdateRule.get_by_id(rule.id).ended_at is None:
            auto_update_rules.end_rule(AutoUpdateRule.get_by_id(rule.id), by=ben, now=clock())
        return original(*args)

    monkeypatch.setattr(candidates, "candidates_on_site", ended_meanwhile)
    assert auto_update_rules.propose_due(clock()) == 0
    assert Change.select().count() == 0


@pytest.mark.parametrize(
    "instead",
    [
        {"permissions": ("themes",)},
        {"permissions": ("core_minor", "core_major", "translations")},
        {"release_types": ("minor", "major")},
        {"weekdays": (0,)},
        {"from_hour": 11, "to_hour": 12},
        {"site_ids": (4711,)},
        {"expires_at": at("2026-11-24 10:01")},
    ],
)
def test_a_rule_ignores_updates_that_it_does_not_cover(
    ready: Site, ana: Actor, fake: FakeSite, clock: Clock, instead: dict[str, Any]
) -> None:
    auto_update_rules.create_rule(
        terms(clock, **instead), by=ana, confirmed_at=clock(), now=clock()
    )
    clock.advance(minutes=2)  # a Tuesday, 10:02
    assert auto_update_rules.propose_due(clock()) == 0


def test_a_rule_for_one_client_covers_no_other(
    ready: Site, ana: Actor, fake: FakeSite, clock: Clock
) -> None:
    covered, other = Client.named("Bakery Ltd"), Client.named("Florist Ltd")
    auto_update_rules.create_rule(
        terms(clock, client=other), by=ana, confirmed_at=clock(), now=clock()
    )
    Site.update(client=covered).execute()
    assert auto_update_rules.propose_due(clock()) == 0
    Site.update(client=other).execute()
    assert auto_update_rules.propose_due(clock()) == 1


def test_a_rule_does_not_approve_what_a_person_proposed(
    rule: AutoUpdateRule, ready: Site, ben: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = check(propose(ready, ben, clock()), fake, config)
    assert auto_update_rules.propose_due(clock()) == 0
    assert auto_update_rules.approve_due(config, clock()) == 0
    change.refresh()
    assert change.state == PROPOSED


def test_with_four_eyes_a_rule_needs_a_second_person(
    rule: AutoUpdateRule, ready: Site, ana: Actor, ben: Actor, clock: Clock
) -> None:
    client = Client.named("Bakery Ltd")
    client.set_approval_mode(FOUR_EYES)
    Site.update(client=client).execute()
    assert auto_update_rules.propose_due(clock()) == 0
    with pytest.raises(Forbidden):
        auto_update_rules.confirm_rule(rule, by=ana, confirmed_at=clock(), now=clock())
    auto_update_rules.confirm_rule(rule, by=ben, confirmed_at=clock(), now=clock())
    assert auto_update_rules.propose_due(clock()) == 1
    assert auto_update_rules.approver_name(rule).endswith("of Ana and Ben")
    with pytest.raises(StaleState):
        auto_update_rules.confirm_rule(rule, by=ben, confirmed_at=clock(), now=clock())


def test_an_ended_rule_approves_nothing_and_cancels_waiting_updates(
    rule: AutoUpdateRule, fake: FakeSite, config: Config, ben: Actor, clock: Clock
) -> None:
    change = carried_out(fake, config)
    auto_update_rules.end_rule(rule, by=ben, now=clock())
    change.refresh()
    assert (change.state, change.outcome_reason) == (CANCELLED, "auto_update_rule_ended")
    assert run_change(change, fake, config) == CANCELLED
    assert auto_update_rules.propose_due(clock()) == 0
    with pytest.raises(StaleState):
        auto_update_rules.end_rule(rule, by=ben, now=clock())


@pytest.mark.parametrize("what", ["ended", "expired", "hours", "quarantine", "second"])
def test_a_rule_is_checked_again_before_it_approves(
    rule: AutoUpdateRule, fake: FakeSite, config: Config, ready: Site, clock: Clock, what: str
) -> None:
    auto_update_rules.propose_due(clock())
    change = check(the_change(), fake, config)
    if what == "ended":
        AutoUpdateRule.update(ended_at=clock()).execute()
    elif what == "expired":
        AutoUpdateRule.update(expires_at=clock()).execute()
    elif what == "hours":
        AutoUpdateRule.update(from_hour=12, to_hour=14).execute()
    elif what == "quarantine":
        ready.note(when=(ready.state,), quarantine="forked")
    else:
        client = Client.named("Bakery Ltd")
        client.set_approval_mode(FOUR_EYES)
        Site.update(client=client).execute()
    assert auto_update_rules.approve_due(config, clock()) == 0
    assert Change.get_by_id(change.id).state == PROPOSED


@pytest.mark.parametrize(
    ("when", "start", "stop", "days", "is_open"),
    [
        ("2026-11-24 10:00", 10, 11, {1}, True),
        ("2026-11-24 09:59", 10, 11, {1}, False),
        ("2026-11-24 11:00", 10, 11, {1}, False),
        ("2026-11-24 10:00", 10, 11, {2}, False),
        ("2026-11-24 23:30", 22, 4, {1}, True),
        ("2026-11-25 03:59", 22, 4, {1}, True),
        ("2026-11-25 04:00", 22, 4, {1}, False),
        ("2026-11-25 03:59", 22, 4, {2}, False),
        ("2026-11-23 03:00", 22, 4, {6}, True),
    ],
)
def test_hours_of_a_rule_may_cross_midnight(
    rule: AutoUpdateRule, when: str, start: int, stop: int, days: set[int], is_open: bool
) -> None:
    rule.from_hour, rule.to_hour, rule.weekdays = start, stop, list(days)
    assert (rule_hours.opened_at(rule, at(when)) is not None) is is_open


def test_proposals_of_one_night_are_one_batch(rule: AutoUpdateRule) -> None:
    rule.from_hour, rule.to_hour, rule.weekdays = 22, 4, [0, 1, 2, 3, 4, 5, 6]

    def batch(kind: str, when: str) -> str:
        return rule_hours.batch_of(rule, kind, at(when))

    night = batch("plugin", "2026-11-24 22:00")
    assert batch("theme", "2026-11-25 03:59") == night
    assert batch("plugin", "2026-11-25 22:00") != night
    assert batch("core", "2026-11-24 22:00") not in (night, batch("siteagent", "2026-11-24 22:00"))
    rule.id += 1
    assert batch("plugin", "2026-11-24 22:00") != night


@pytest.mark.parametrize(
    ("instead", "field"),
    [
        ({"name": " "}, "name"),
        ({"permissions": ()}, "permissions"),
        ({"permissions": ("everything",)}, "permissions"),
        ({"release_types": ()}, "release_types"),
        ({"release_types": ("unclear",)}, "release_types"),
        ({"weekdays": ()}, "weekdays"),
        ({"weekdays": (7,)}, "weekdays"),
        ({"from_hour": 5, "to_hour": 5}, "from_hour"),
        ({"from_hour": 24}, "from_hour"),
        ({"expires_at": at("2026-11-24 10:00")}, "expires_at"),
        ({"expires_at": at("2028-01-01 10:00")}, "expires_at"),
        ({"reason": ""}, "reason"),
    ],
)
def test_an_invalid_rule_is_refused(
    ana: Actor, clock: Clock, instead: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        auto_update_rules.create_rule(
            terms(clock, **instead), by=ana, confirmed_at=clock(), now=clock()
        )
    assert field in refused.value.messages
    assert AutoUpdateRule.select().count() == 0


def test_only_an_owner_with_a_recent_password_creates_a_rule(
    ana: Actor, ben: Actor, cleo: Actor, clock: Clock
) -> None:
    for actor in (ben, cleo):
        with pytest.raises(Forbidden):
            auto_update_rules.create_rule(terms(clock), by=actor, confirmed_at=clock(), now=clock())
    with pytest.raises(ReauthenticationRequired):
        auto_update_rules.create_rule(
            terms(clock), by=ana, confirmed_at=clock() - REAUTH_MAX_AGE, now=clock()
        )


def test_only_an_owner_sets_the_approval_mode_and_it_is_recorded(
    ana: Actor, ben: Actor, clock: Clock
) -> None:
    client = Client.named("Bakery Ltd")
    with pytest.raises(Forbidden):
        auto_update_rules.set_approval_mode(
            client, FOUR_EYES, by=ben, confirmed_at=clock(), now=clock()
        )
    auto_update_rules.set_approval_mode(
        client, FOUR_EYES, by=ana, confirmed_at=clock(), now=clock()
    )
    with pytest.raises(StaleState):
        auto_update_rules.set_approval_mode(
            client, FOUR_EYES, by=ana, confirmed_at=clock(), now=clock()
        )
    with pytest.raises(Invalid):
        auto_update_rules.set_approval_mode(
            client, "nobody", by=ana, confirmed_at=clock(), now=clock()
        )
    auto_update_rules.set_approval_mode(
        client, SELF_APPROVAL, by=ana, confirmed_at=clock(), now=clock()
    )
    assert events().count("approval_mode_changed") == 2


# ---- ignored updates ----


def test_an_ignored_update_is_proposed_by_no_person_and_no_rule(
    rule: AutoUpdateRule, ready: Site, ben: Actor, clock: Clock, fake: FakeSite, config: Config
) -> None:
    until = clock() + timedelta(days=2)
    options: dict[str, Any] = {"until": until, "reason": "breaks the shop", "by": ben}
    holds.hold_updates([ready], "plugin", AKISMET, now=clock(), **options)
    assert auto_update_rules.propose_due(clock()) == 0
    with pytest.raises(Conflict):
        propose(ready, ben, clock())
    clock.advance(days=2)
    read_report(ready, fake, config=config)
    assert auto_update_rules.propose_due(clock()) == 1


def test_setting_and_ending_a_hold_are_recorded(ready: Site, ben: Actor, clock: Clock) -> None:
    holds.hold_updates([ready], "plugin", AKISMET, until=None, reason="a", by=ben, now=clock())
    holds.hold_updates([ready], "plugin", AKISMET, until=None, reason="b", by=ben, now=clock())
    assert UpdateHold.get().reason == "b"
    holds.release_hold(ready, "plugin", AKISMET, by=ben, now=clock())
    assert propose(ready, ben, clock()).state == CHECKING
    with pytest.raises(StaleState):
        holds.release_hold(ready, "plugin", AKISMET, by=ben, now=clock())
    assert events()[-4:] == [
        "update_hold_created",
        "update_hold_created",
        "update_hold_ended",
        "change_proposed",
    ]


@pytest.mark.parametrize(
    ("reason", "until"), [("", None), ("x" * 501, None), ("a", at("2026-11-24 10:00"))]
)
def test_a_hold_needs_a_reason_and_a_future_end(
    ready: Site, ben: Actor, cleo: Actor, clock: Clock, reason: str, until: Any
) -> None:
    with pytest.raises(Invalid):
        holds.hold_updates(
            [ready], "plugin", AKISMET, until=until, reason=reason, by=ben, now=clock()
        )
    with pytest.raises(Forbidden):
        holds.hold_updates([ready], "plugin", AKISMET, until=None, reason="a", by=cleo, now=clock())


def test_a_rule_skips_a_site_without_a_report(
    rule: AutoUpdateRule, ana: Actor, clock: Clock
) -> None:
    site = make_site(ana, now=clock(), url="https://florist.example")
    Site.update(state="active").where(Site.id == site.id).execute()
    assert auto_update_rules.propose_due(clock()) == 1
    assert the_change().site_id != site.id
