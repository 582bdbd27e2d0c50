"""Resend a change whose site waits or whose clock differs, without filling the audit log."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import execution
from app.domain.changes.settlement import LONGEST_WAITING_RETRY
from app.models.audit import AuditEntry
from app.models.changes import REFUSED, SUCCEEDED, WAITING, Change
from app.models.sites import Site
from app.protocol import parse_json
from tests.support.factories import approve, check, propose, run_change
from tests.support.fakes import Clock, FakeSite


def approved(site: Site, by: Actor, fake: FakeSite, config: Config, now: datetime) -> Change:
    return approve(check(propose(site, by, now), fake, config), by, config, now)


def number_of_entries() -> int:
    return AuditEntry.select().count()


@pytest.mark.parametrize("ahead_s", [-200, -120, 0, 120, 200])
def test_a_clock_within_the_protocol_s_tolerance_refuses_nothing(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock, ahead_s: int
) -> None:
    fake.clock_ahead_s = ahead_s
    change = approved(ready, ana, fake, config, clock())
    assert run_change(change, fake, config) == SUCCEEDED


def test_the_plan_lasts_longer_if_the_site_s_clock_is_fast(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.clock_ahead_s = 120
    change = check(propose(ready, ana, clock()), fake, config)
    plan = parse_json(change.document.encode())
    assert plan["not_after"] >= change.not_after.timestamp() + 120


def test_an_update_waits_if_the_site_s_clock_was_set_back_meanwhile(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = approved(ready, ana, fake, config, clock())
    fake.clock_ahead_s = -250
    assert run_change(change, fake, config) == WAITING
    assert change.outcome_reason == "outside_window"
    fake.clock_ahead_s = 0
    clock.advance(minutes=10)
    assert run_change(change, fake, config) == SUCCEEDED


@pytest.mark.parametrize("code", ["clock_skew", "expired"])
def test_a_request_refused_for_its_timestamp_is_sent_again(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock, code: str
) -> None:
    change = approved(ready, ana, fake, config, clock())
    fake.refusing["change.run"] = code
    assert run_change(change, fake, config) == WAITING
    fake.refusing.clear()
    clock.advance(minutes=10)
    assert run_change(change, fake, config) == SUCCEEDED


def test_too_many_refusals_for_the_timestamp_end_the_update(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    change = approved(ready, ana, fake, config, clock())
    fake.refusing["change.run"] = "clock_skew"
    states = []
    for _ in range(execution.MOST_TIME_REFUSALS):
        states.append(run_change(change, fake, config))
        clock.advance(minutes=10)
    assert states == [WAITING] * (execution.MOST_TIME_REFUSALS - 1) + [REFUSED]


def test_waiting_for_the_owner_is_recorded_once(
    ready: Site, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> None:
    fake.report["agent"]["approval_on_site"] = True
    change = approved(ready, ana, fake, config, clock())
    assert run_change(change, fake, config) == WAITING
    before, calls = number_of_entries(), 0
    first = change.next_attempt_at - clock()
    for _ in range(12 * 6):  # a day at the longest interval is 144 of these
        clock.advance(minutes=10)
        assert run_change(change, fake, config) == WAITING
        calls += 1
    assert number_of_entries() - before == calls, "one entry for each call and no other"
    assert first < change.next_attempt_at - clock() == LONGEST_WAITING_RETRY
    fake.changes.approved_here.add(change.op_id)
    clock.advance(minutes=10)
    assert run_change(change, fake, config) == SUCCEEDED
