"""Maintenance windows: their hours in their time zone, and which updates start in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import (
    auto_update_rules,
    change_plan,
    change_times,
    execution,
    maintenance_windows,
    site_assignment,
)
from app.domain.changes.approvals import Terms
from app.domain.changes.change_times import Span, Window, window_of
from app.domain.errors import (
    Conflict,
    Forbidden,
    Invalid,
    ReauthenticationRequired,
    StaleState,
)
from app.domain.permissions import REAUTH_MAX_AGE
from app.models.audit import AuditEntry
from app.models.changes import APPROVED, EXPIRED, SUCCEEDED, Change
from app.models.clients import Client
from app.models.freezes import Freeze
from app.models.sites import Site
from app.protocol import from_b64u, parse_json
from tests.support.audit_entries import facts_of
from tests.support.change_proposals import release
from tests.support.factories import approve, check, propose, run_change
from tests.support.fakes import Clock, at
from tests.support.rules import terms, the_change

pytestmark = pytest.mark.both_databases

EVERY_DAY = tuple(range(7))
BERLIN = "Europe/Berlin"


def window(weekdays: Any = EVERY_DAY, hours: Any = (2, 5), zone: str = BERLIN) -> Window:
    return Window(tuple(weekdays), *hours, zone)


def set_window(owner: Client | Site, by: Actor, clock: Clock, **more: Any) -> None:
    maintenance_windows.set_window(owner, window(**more), by=by, confirmed_at=clock(), now=clock())


def spans(begins: str, ends: str, **more: Any) -> list[Span]:
    return list(change_times.open_spans(window(**more), at(begins), at(ends)))


def span(begins: str, ends: str) -> Span:
    return Span(at(begins), at(ends))


# ---- the hours ----


def test_hours_are_in_the_time_zone_of_the_window():
    assert spans("2026-11-24 10:00", "2026-11-26 10:00") == [
        span("2026-11-25 01:00", "2026-11-25 04:00"),
        span("2026-11-26 01:00", "2026-11-26 04:00"),
    ]


def test_current_hours_are_returned_as_a_whole():
    assert spans("2026-11-25 02:00", "2026-11-25 03:00") == [
        span("2026-11-25 01:00", "2026-11-25 04:00")
    ]
    assert spans("2026-11-25 04:00", "2026-11-25 20:00") == []


def test_hours_across_midnight_belong_to_the_day_on_which_they_begin():
    friday = [4]
    assert spans("2026-11-28 00:30", "2026-11-28 20:00", weekdays=friday, hours=(22, 4)) == [
        span("2026-11-27 21:00", "2026-11-28 03:00")
    ]
    assert spans("2026-11-27 00:30", "2026-11-27 20:00", weekdays=friday, hours=(22, 4)) == []


def test_hours_without_a_gap_are_one_span():
    found = spans("2026-11-24 10:00", "2026-11-26 10:00", hours=(0, 24))
    assert len(found) == 1
    assert found[0].begins <= at("2026-11-24 10:00")
    assert found[0].ends > at("2026-11-26 10:00")
    weekend = spans("2026-11-24 10:00", "2026-12-02 10:00", weekdays=[5, 6], hours=(0, 24))
    assert weekend == [span("2026-11-27 23:00", "2026-11-29 23:00")]


def test_an_hour_skipped_in_spring_is_no_window():
    # On 28 March 2027, clocks in Berlin go from 02:00 to 03:00, at 01:00 UTC.
    assert spans("2027-03-27 12:00", "2027-03-29 12:00", hours=(2, 3)) == [
        span("2027-03-29 00:00", "2027-03-29 01:00")
    ]
    assert spans("2027-03-27 12:00", "2027-03-28 12:00", hours=(2, 5)) == [
        span("2027-03-28 01:00", "2027-03-28 03:00")
    ]


def test_an_hour_repeated_in_autumn_is_open_twice():
    # On 25 October 2026, clocks in Berlin go from 03:00 back to 02:00, at 01:00 UTC.
    assert spans("2026-10-24 12:00", "2026-10-26 12:00", hours=(2, 3)) == [
        span("2026-10-25 00:00", "2026-10-25 02:00"),
        span("2026-10-26 01:00", "2026-10-26 02:00"),
    ]


@pytest.mark.parametrize(
    ("hours", "weekdays", "words"),
    [
        ((2, 5), (0, 1, 2, 3), "Mon–Thu 02:00–05:00 (America/New York)"),
        ((22, 4), EVERY_DAY, "every day 22:00–04:00 (America/New York)"),
        ((0, 24), (5, 6), "Sat, Sun 00:00–24:00 (America/New York)"),
        ((2, 5), (0, 2, 4), "Mon, Wed, Fri 02:00–05:00 (America/New York)"),
    ],
)
def test_a_window_is_described_in_words(ready, ana, clock, hours, weekdays, words):
    set_window(ready, ana, clock, weekdays=weekdays, hours=hours, zone="America/New_York")
    assert maintenance_windows.in_words(Window.of(ready)) == words
    assert facts_of("maintenance_window_set")["window"] == words


# ---- set and remove ----


def test_an_owner_sets_replaces_and_removes_a_window(ready, ana, clock):
    set_window(ready, ana, clock)
    set_window(ready, ana, clock, hours=(3, 6))
    assert Window.of(Site.get_by_id(ready.id)).from_hour == 3
    assert facts_of("maintenance_window_set")["before"].startswith("every day 02:00")
    maintenance_windows.remove_window(ready, by=ana, confirmed_at=clock(), now=clock())
    assert Window.of(Site.get_by_id(ready.id)) is None
    assert AuditEntry.head().event == "maintenance_window_removed"
    with pytest.raises(StaleState):
        maintenance_windows.remove_window(ready, by=ana, confirmed_at=clock(), now=clock())


def test_changing_a_window_needs_an_owner_and_a_recent_password(ready, ana, ben, clock):
    with pytest.raises(Forbidden):
        set_window(ready, ben, clock)
    earlier = clock() - REAUTH_MAX_AGE
    with pytest.raises(ReauthenticationRequired):
        maintenance_windows.set_window(ready, window(), by=ana, confirmed_at=earlier, now=clock())
    with pytest.raises(ReauthenticationRequired):
        maintenance_windows.remove_window(ready, by=ana, confirmed_at=earlier, now=clock())


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("weekdays", {"weekdays": ()}),
        ("weekdays", {"weekdays": (7,)}),
        ("from_hour", {"hours": (3, 3)}),
        ("from_hour", {"hours": (-1, 3)}),
        ("from_hour", {"hours": (3, 25)}),
        ("time_zone", {"zone": "Mars/Base"}),
    ],
)
def test_an_invalid_window_is_refused(ready, ana, clock, field, wrong):
    with pytest.raises(Invalid) as refused:
        set_window(ready, ana, clock, **wrong)
    assert list(refused.value.messages) == [field]


def test_the_window_of_a_site_replaces_that_of_its_client(ready, ana, clock):
    client = Client.named("Bakery Ltd")
    Site.update(client=client).execute()
    ready.refresh()
    set_window(client, ana, clock)
    assert window_of(Site.get_by_id(ready.id)).from_hour == 2
    set_window(ready, ana, clock, hours=(8, 9))
    assert window_of(Site.get_by_id(ready.id)).from_hour == 8


def test_merging_clients_keeps_the_windows_and_freezes_of_the_sites(ready, ana, clock):
    mine, other = Client.named("Bakery Ltd"), Client.named("Bakery")
    Site.update(client=mine).execute()
    set_window(mine, ana, clock)
    set_window(other, ana, clock, hours=(8, 9))
    Freeze.create(name="Sale", first_day=clock().date(), last_day=clock().date(), client=mine,
        added_by="Ana", added_at=clock())  # fmt: skip
    site_assignment.merge_clients(mine, other, by=ana, confirmed_at=clock(), now=clock())
    assert window_of(Site.get_by_id(ready.id)).from_hour == 2
    assert Freeze.get().client_id == other.id


# ---- starts of updates ----


def test_an_update_approved_outside_starts_in_the_next_window(
    proposed: Change, ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any, jobs: Any
) -> None:
    set_window(ready, ana, clock)
    jobs.jobs.clear()
    approve(proposed, ana, config, clock())
    opens, closes = at("2026-11-25 01:00"), at("2026-11-25 04:00")
    assert (proposed.not_before, proposed.not_after) == (opens, closes)
    assert facts_of("change_approved")["starts_at"] == opens.isoformat()
    plan = parse_json(from_b64u(proposed.plan))
    assert (plan["not_before"], plan["not_after"]) == (opens.timestamp(), closes.timestamp())
    assert change_plan.is_plan_of(
        from_b64u(proposed.plan), proposed.document.encode(), proposed.digest
    )
    assert jobs.jobs == []
    clock.now = opens - timedelta(seconds=1)
    assert run_change(proposed, fake, config) == APPROVED
    clock.now = opens
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_an_update_approved_inside_starts_at_once_and_ends_with_the_window(
    ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any, jobs: Any
) -> None:
    set_window(ready, ana, clock, hours=(10, 14))
    change = approve(check(propose(ready, ana, clock()), fake, config), ana, config, clock())
    assert jobs.names()[-1] == "run_change"
    plan = parse_json(from_b64u(change.plan))
    assert plan["not_before"] == parse_json(change.document.encode())["not_before"]
    assert plan["not_after"] == at("2026-11-24 13:00").timestamp()
    assert run_change(change, fake, config) == SUCCEEDED


def test_the_plan_is_valid_only_within_the_window(
    proposed: Change, ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    set_window(ready, ana, clock)
    approve(proposed, ana, config, clock())
    plan = parse_json(from_b64u(proposed.plan))
    late = at("2026-11-25 04:00").timestamp()
    assert not plan["not_before"] <= late + 1 <= plan["not_after"]
    assert not plan["not_before"] <= at("2026-11-25 00:59").timestamp() <= plan["not_after"]


@pytest.mark.parametrize(("skew", "begins", "ends"), [(30, 0, 30), (-30, -30, 0)])
def test_the_window_is_measured_by_the_sites_clock(
    ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any, skew: int, begins: int,
    ends: int,
) -> None:  # fmt: skip
    fake.clock_ahead_s = skew
    set_window(ready, ana, clock)
    change = check(propose(ready, ana, clock()), fake, config)
    approve(change, ana, config, clock())
    plan = parse_json(from_b64u(change.plan))
    assert plan["not_before"] - at("2026-11-25 01:00").timestamp() == begins
    assert plan["not_after"] - at("2026-11-25 04:00").timestamp() == ends


def test_an_update_without_a_window_in_its_time_is_refused(
    ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    set_window(ready, ana, clock, weekdays=[0])
    change = check(propose(ready, ana, clock()), fake, config)
    with pytest.raises(Conflict, match="no maintenance window"):
        approve(change, ana, config, clock())


def test_a_chosen_start_moves_to_the_next_window(
    proposed: Change, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    set_window(ready, ana, clock)
    release(proposed, ana, config, clock(), terms=Terms(starts_at=at("2026-11-25 05:00")))
    assert Change.get_by_id(proposed.id).not_before == at("2026-11-26 01:00")


def test_an_update_that_misses_its_window_expires(
    proposed: Change, ready: Site, ana: Actor, config: Config, clock: Clock
) -> None:
    set_window(ready, ana, clock)
    approve(proposed, ana, config, clock())
    clock.now = at("2026-11-25 04:01")
    execution.recover_changes(clock())
    assert Change.get_by_id(proposed.id).state == EXPIRED


def test_a_window_changed_after_the_approval_applies(
    proposed: Change, ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    approve(proposed, ana, config, clock())
    set_window(ready, ana, clock)
    fake.calls.clear()
    assert run_change(proposed, fake, config) == APPROVED
    assert fake.calls == []
    clock.now = at("2026-11-25 01:30")
    assert run_change(proposed, fake, config) == SUCCEEDED


def test_a_rule_approves_for_the_window_or_not_at_all(
    ready: Site, ana: Actor, config: Config, clock: Clock, fake: Any
) -> None:
    auto_update_rules.create_rule(terms(clock), by=ana, confirmed_at=clock(), now=clock())
    set_window(ready, ana, clock)  # opens in fifteen hours, and a rule's update waits for twelve
    assert auto_update_rules.propose_due(clock()) == 0
    clock.now = at("2026-11-24 14:00")
    assert auto_update_rules.propose_due(clock()) == 1
    change = check(the_change(), fake, config)
    assert auto_update_rules.approve_due(config, clock()) == 1
    change.refresh()
    assert change.not_before == at("2026-11-25 01:00")
    # A rule's update expires twelve hours after its proposal, within the window.
    assert change.not_after == at("2026-11-25 02:00")
