"""A site that keeps failing is called less often, and adds few audit entries."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.inventory import notices, site_sync
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.call_log import OK, SiteCall
from app.models.daily_checks import DailyChecks
from app.models.diagnostics import DiagnosticRun
from app.models.reports import Sync
from app.models.sites import Site
from app.retry import spread
from tests.support.audit_entries import events
from tests.support.config import make_config
from tests.support.factories import pair, read_report
from tests.support.fakes import Clock, FakeSite, RecordingQueue

EVERY = 15
TIMEOUT, REFUSED = ErrorCode.connect_timeout, ErrorCode.connection_refused


@pytest.fixture
def often(ready: Site, config: Config, clock: Clock) -> Config:
    """Sync each quarter of an hour, with an open connection test so that none is requested."""
    DiagnosticRun.ask(ready, requested_by="Ana", now=clock())
    return replace(config, sync_every_minutes=EVERY)


def fail(
    site: Site, fake: FakeSite, config: Config, error: ErrorCode = TIMEOUT
) -> timedelta | None:
    """Have a sync fail; return the wait until the next sync, or None for the usual wait."""
    fake.failing = [error]
    assert read_report(site, fake, config=config).state == "failed"
    return None if site.next_sync_at is None else site.next_sync_at - fake.clock()


def test_the_waits_double_up_to_six_hours(ready: Site, fake: FakeSite, often: Config) -> None:
    waits = [fail(ready, fake, often) for _ in range(9)]
    usual = timedelta(minutes=EVERY)
    doubled = [usual * factor for factor in (2, 4, 8, 16)]
    longest = timedelta(hours=6)
    assert waits == [
        *(usual, usual),
        *(spread(wait, ready.id) for wait in (*doubled, longest, longest, longest)),
    ]


def test_an_interval_longer_than_the_longest_wait_stays(
    ready: Site, fake: FakeSite, often: Config
) -> None:
    weekly = replace(often, sync_every_minutes=10080)
    waits = [fail(ready, fake, weekly) for _ in range(4)]
    assert waits == [timedelta(days=7)] * 2 + [spread(timedelta(days=7), ready.id)] * 2


@pytest.mark.both_databases
def test_the_schedule_skips_the_site_until_then(
    ready: Site, fake: FakeSite, often: Config, clock: Clock
) -> None:
    for _ in range(5):
        wait = fail(ready, fake, often)
    assert wait is not None
    almost, then = clock() + wait - timedelta(seconds=1), clock() + wait
    assert site_sync.request_due(almost, every_minutes=EVERY) == []
    (sync_id,) = site_sync.request_due(then, every_minutes=EVERY)
    assert Sync.get_by_id(sync_id).site_id == ready.id


@pytest.mark.both_databases
def test_an_answer_restores_the_usual_interval(
    ready: Site, fake: FakeSite, often: Config, clock: Clock
) -> None:
    for _ in range(5):
        fail(ready, fake, often)
    assert read_report(ready, fake, config=often).state == "done"
    assert ready.next_sync_at is None
    soon = clock() + timedelta(minutes=EVERY)
    assert len(site_sync.request_due(soon, every_minutes=EVERY)) == 1


def test_a_person_may_sync_the_site_at_once(
    ready: Site, fake: FakeSite, often: Config, clock: Clock, ana: Actor, jobs: RecordingQueue
) -> None:
    for _ in range(5):
        fail(ready, fake, often)
    jobs.jobs.clear()
    sync = site_sync.request_sync(ready, by=ana, now=clock())
    assert jobs.jobs == [("sync_site", (sync.id,), 0)]
    site_sync.run_sync(sync.id, config=often, call=fake.call, now=clock)
    assert Sync.get_by_id(sync.id).state == "done"


def test_a_notice_from_the_site_starts_a_sync_at_once(
    ready: Site, fake: FakeSite, often: Config, clock: Clock, jobs: RecordingQueue
) -> None:
    for _ in range(5):
        fail(ready, fake, often)
    jobs.jobs.clear()
    sent = fake.permissions_notice(often.origin)
    answer = notices.receive_notice(
        method="POST", headers=sent.headers, body=sent.body, config=often, ip="", now=clock()
    )
    assert (answer.status, jobs.names()) == (200, ["sync_site"])


def test_an_error_of_aura_does_not_make_the_site_wait(
    ready: Site, fake: FakeSite, often: Config
) -> None:
    unreadable = make_config(often.var_dir, sealing_keys=(("t2", bytes(32)),))
    for _ in range(5):
        assert read_report(ready, fake, config=unreadable).error_code == "keys_unreadable"
    assert ready.next_sync_at is None


def test_a_site_that_is_paired_again_does_not_wait(
    ready: Site, fake: FakeSite, often: Config, ana: Actor
) -> None:
    for _ in range(5):
        fail(ready, fake, often)
    fake.disconnect()
    read_report(ready, fake, config=often)
    assert ready.state == "disconnected"
    pair(ready, fake, by=ana, config=often)
    assert ready.next_sync_at is None


# ---- audit entries ----


def test_the_start_and_the_end_of_failures_are_recorded(
    ready: Site, fake: FakeSite, often: Config
) -> None:
    before = len(events(ready))
    for _ in range(6):
        fail(ready, fake, often)
    read_report(ready, fake, config=often)
    assert events(ready)[before:] == ["site_called", "sync_failed", "site_recovered"]
    recovered = json.loads(AuditEntry.head().body)["facts"]
    assert recovered == {"failures": 6, "error_code": TIMEOUT}


def test_the_call_log_has_every_call(ready: Site, fake: FakeSite, often: Config) -> None:
    for _ in range(3):
        fake.losing.add("report")
        read_report(ready, fake, config=often)
    read_report(ready, fake, config=often)
    found = [call.outcome for call in SiteCall.newest_of(ready.id, 4)]
    assert found == [OK, *[ErrorCode.broken_off] * 3]


def test_a_new_error_is_recorded(ready: Site, fake: FakeSite, often: Config) -> None:
    before = len(events(ready))
    for error in (TIMEOUT, TIMEOUT, REFUSED, REFUSED):
        fail(ready, fake, often, error)
    assert events(ready)[before:] == ["site_called", "sync_failed"] * 2


def test_invalid_data_is_recorded_once(ready: Site, fake: FakeSite, often: Config) -> None:
    before = len(events(ready))
    fake.report["plugins"][0]["version"] = None
    for _ in range(3):
        assert read_report(ready, fake, config=often).error_code == ErrorCode.report_invalid
    assert events(ready)[before:] == ["report_refused", "sync_failed"]


def test_longer_waits_are_no_gaps_between_checks(
    ready: Site, fake: FakeSite, often: Config, clock: Clock
) -> None:
    DailyChecks.delete().execute()
    for _ in range(6):
        wait = fail(ready, fake, often)
        assert wait is not None
        clock.advance(seconds=wait.total_seconds())
    read_report(ready, fake, config=often)
    assert [gap for day in DailyChecks.select() for gap in day.gaps] == []
    answered = clock()
    asked_at = clock.advance(hours=1)
    read_report(ready, fake, config=often)
    (day,) = DailyChecks.select().where(DailyChecks.day == asked_at.date())
    assert day.gaps == [[answered.isoformat(), asked_at.isoformat()]]
