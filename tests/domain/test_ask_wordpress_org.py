"""Aura queries WordPress.org once a day about the components of sites, and keeps the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain import wordpress_org
from app.domain.wordpress_org import asking, sources
from app.http.errors import ErrorCode
from app.http.wordpress_org import Closed
from app.models.base import transaction
from app.models.reports import Component
from app.models.sites import REVOKED, Site
from app.models.wordpress_org import (
    CLOSED,
    GONE,
    LISTED,
    UNKNOWN,
    DirectoryEntry,
    SoftwareSource,
)
from tests.support.fakes import Clock, RecordingQueue
from tests.support.wordpress_directory import AKISMET, Directory

PLUGIN = ("plugin", "akismet")
CLOSED_IN_APRIL = Closed(date(2026, 4, 7), "Security Issue")

Job = Callable[[], str]


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def job(ready: Site, directory: Directory, config: Config, clock: Clock) -> Job:
    """Do the worker's daily job, once the site has reported."""
    sources.check_site(ready.id, clock())
    return lambda: asking.ask_due(config, ask=directory.ask, now=clock)


def next_day(clock: Clock, job: Job) -> str:
    clock.advance(hours=27)
    return job()


def stored() -> DirectoryEntry:
    found = wordpress_org.entry(*PLUGIN)
    assert found is not None
    return found


def test_components_from_the_directory_are_looked_up_once_a_day(
    job: Job, directory: Directory, clock: Clock
) -> None:
    assert stored().state == UNKNOWN
    assert job() == "asked"
    found = stored()
    assert (found.state, found.version, found.owner) == (LISTED, "5.3.1", "automattic")
    assert found.contributors == ["automattic", "matt"]
    assert found.last_updated == AKISMET.last_updated
    assert found.checked_at == clock()
    clock.advance(hours=23)
    job()
    assert set(directory.asked.values()) == {1}
    clock.advance(hours=4)
    job()
    assert set(directory.asked.values()) == {2}


def test_several_components_are_looked_up_at_once(job: Job) -> None:
    job()
    found = wordpress_org.entries([PLUGIN, ("plugin", "never-heard-of"), ("theme", "akismet")])
    assert set(found) == {PLUGIN}
    assert found[PLUGIN].version == "5.3.1"
    assert wordpress_org.entry("plugin", "never-heard-of") is None


def test_the_next_requests_are_spread(job: Job, clock: Clock) -> None:
    job()
    times = [entry.next_attempt_at for entry in DirectoryEntry.select()]
    assert len(set(times)) == len(times) > 1
    assert all(timedelta(hours=24) <= at - clock() <= timedelta(hours=26.4) for at in times)


@pytest.mark.parametrize(
    ("update_uri", "is_asked"),
    [
        ("", True),
        ("https://wordpress.org/plugins/akismet/", True),
        ("w.org/plugin/akismet", True),
        ("https://updates.vendor.example/akismet", False),
        ("https://wordpress.org.evil.example/", False),
        ("false", False),
    ],
)
def test_components_updated_from_elsewhere_are_never_sent(
    ready: Site, directory: Directory, config: Config, clock: Clock, update_uri: str,
    is_asked: bool,
) -> None:  # fmt: skip
    Component.update(update_uri=update_uri).execute()
    sources.check_site(ready.id, clock())
    asking.ask_due(config, ask=directory.ask, now=clock)
    assert (PLUGIN in directory.asked) is is_asked


def test_must_use_plugins_and_siteagent_are_never_sent(job: Job, directory: Directory) -> None:
    job()
    assert {kind for kind, _ in directory.asked} <= {"plugin", "theme"}
    assert ("plugin", "siteagent") not in directory.asked


def test_an_unchanged_report_is_not_read_again(ready: Site, job: Job, clock: Clock) -> None:
    assert not sources.check_site(ready.id, clock())
    with transaction():
        SoftwareSource.store(ready.id, "another", {})
    assert sources.check_site(ready.id, clock())


def test_components_of_no_site_are_deleted(job: Job, directory: Directory, clock: Clock) -> None:
    job()
    Site.update(state=REVOKED).execute()
    next_day(clock, job)
    assert set(directory.asked.values()) == {1}
    assert DirectoryEntry.select().count() == 0


def test_a_failure_keeps_the_last_answer_and_its_own_start(
    job: Job, directory: Directory, clock: Clock
) -> None:
    job()
    directory.error = ErrorCode.server_error
    assert next_day(clock, job) == "failed"
    failed_at = clock()
    clock.advance(minutes=9)
    job()
    clock.advance(minutes=3)
    job()
    found = stored()
    assert (found.state, found.version) == (LISTED, "5.3.1")
    assert (found.problem, found.problem_since) == ("server_error", failed_at)
    assert found.checked_at < failed_at
    directory.error = None
    clock.advance(hours=2)
    assert job() == "asked"
    assert (stored().problem, stored().problem_since) == ("", None)


def test_a_failing_service_is_retried_a_few_times_and_then_later(
    job: Job, directory: Directory, clock: Clock
) -> None:
    with transaction():
        DirectoryEntry.add_missing({("plugin", f"more-{n}") for n in range(9)}, clock())
    Component.insert_many(
        [
            {
                "site": Site.get(),
                "kind": "plugin",
                "ident": f"more-{n}/more.php",
                "name": "More",
                "version": "1",
            }
            for n in range(9)
        ]
    ).execute()
    directory.error = ErrorCode.too_slow
    assert job() == "failed"
    assert sum(directory.asked.values()) == asking.MOST_FAILURES


def test_a_job_looks_up_a_limited_number(
    job: Job, directory: Directory, config: Config, jobs: RecordingQueue, clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(asking, "AT_ONCE", 2)
    assert asking.request_due(config, clock()) == 2
    assert jobs.jobs.count((asking.JOB, (), 0)) == 1
    job()
    assert sum(directory.asked.values()) == 2


def test_a_closed_plugin_keeps_its_last_details(
    job: Job, directory: Directory, clock: Clock
) -> None:
    job()
    directory.known[PLUGIN] = CLOSED_IN_APRIL
    next_day(clock, job)
    found = stored()
    assert (found.state, found.closed_on) == (CLOSED, date(2026, 4, 7))
    assert (found.closed_reason, found.version) == ("Security Issue", "5.3.1")
    directory.known[PLUGIN] = replace(AKISMET, version="5.3.2")
    next_day(clock, job)
    assert (stored().state, stored().version, stored().closed_on) == (LISTED, "5.3.2", None)


def test_a_plugin_is_gone_after_three_days(job: Job, directory: Directory, clock: Clock) -> None:
    job()
    directory.known[PLUGIN] = None
    for expected in (LISTED, LISTED, GONE, GONE):
        next_day(clock, job)
        assert stored().state == expected


def test_three_checks_on_one_day_count_once(job: Job, directory: Directory, clock: Clock) -> None:
    job()
    directory.known[PLUGIN] = None
    next_day(clock, job)
    for _ in range(3):
        DirectoryEntry.update(next_attempt_at=clock()).execute()
        job()
    assert (stored().state, stored().misses) == (LISTED, 1)


def test_a_day_on_which_the_plugin_is_listed_restarts_the_count(
    job: Job, directory: Directory, clock: Clock
) -> None:
    job()
    for answer in (None, None, AKISMET, None, None):
        directory.known[PLUGIN] = answer
        next_day(clock, job)
    assert (stored().state, stored().misses) == (LISTED, 2)


def test_a_plugin_that_was_never_listed_stays_unknown(
    job: Job, directory: Directory, clock: Clock
) -> None:
    directory.known[PLUGIN] = None
    job()
    for _ in range(4):
        next_day(clock, job)
    assert stored().state == UNKNOWN
    assert stored().checked_at is not None


def test_two_jobs_at_once_send_one_request(
    job: Job, directory: Directory, config: Config, clock: Clock
) -> None:
    def ask_meanwhile(kind: str, slug: str) -> Any:
        asking.ask_due(config, ask=directory.ask, now=clock)
        return directory.ask(kind, slug)

    asking.ask_due(config, ask=ask_meanwhile, now=clock)
    assert set(directory.asked.values()) == {1}


def test_a_job_that_died_is_repeated_after_its_lease(
    job: Job, directory: Directory, clock: Clock
) -> None:
    entry = stored()
    entry.lease((entry.state,), clock(), clock() + asking.LEASE)
    job()
    assert PLUGIN not in directory.asked
    clock.advance(seconds=61)
    job()
    assert directory.asked[PLUGIN] == 1


def test_lookups_can_be_switched_off(
    job: Job, directory: Directory, config: Config, jobs: RecordingQueue, clock: Clock
) -> None:
    off = replace(config, asks_wordpress_org=False)
    assert asking.request_due(off, clock()) == 0
    assert asking.ask_due(off, ask=directory.ask, now=clock) == "off"
    assert not directory.asked
    assert (asking.JOB, (), 0) not in jobs.jobs
