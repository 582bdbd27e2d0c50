"""A site that breaks within a day of an update opens an incident on that update."""

from __future__ import annotations

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import late_failures, proposals
from app.http.errors import ErrorCode
from app.models.audit import AuditEntry
from app.models.changes import Change
from app.models.sites import Site
from tests.support.factories import approve, check, propose, run_change
from tests.support.fakes import Clock, FakeSite

BROKEN = (500, b"<p>There has been a critical error on this website.</p>")


@pytest.fixture
def updated(
    ready: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock
) -> Change:
    """Run an update that succeeds, with a front page that answers."""
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    assert run_change(change, fake, config) == "succeeded"
    return change


@pytest.fixture
def check_page(fake: FakeSite, config: Config, ready: Site):
    def check_now(error_code: str = "") -> Change | None:
        return late_failures.check_synced_site(
            ready, error_code, config=config, look=fake.look, now=fake.clock
        )

    return check_now


def events(site: Site) -> list[str]:
    return [e.event for e in AuditEntry.newest(site_id=site.id, limit=50)]


@pytest.mark.parametrize("error_code", ["", ErrorCode.server_error, ErrorCode.web_page])
def test_a_page_that_fails_after_a_sync_opens_an_incident_on_the_update(
    updated: Change, fake: FakeSite, check_page, ready: Site, error_code: str
) -> None:
    fake.clock.advance(hours=1)
    fake.front_page = BROKEN
    assert check_page(error_code) == updated
    updated.refresh()
    assert (updated.state, updated.is_incident) == ("succeeded", True)
    assert updated.outcome_reason == "broke_later"
    assert updated.probe_after["answer"] == "ok"
    assert updated.probe_after["later"]["status"] == 500
    assert Change.select().where(Change.is_incident).exists()
    assert events(ready)[0] == "change_broke_later"


def test_a_broken_page_is_recorded_once_also_after_a_person_closed_it(
    updated: Change, fake: FakeSite, check_page, ready: Site, ana: Actor
) -> None:
    fake.front_page = BROKEN
    check_page()
    assert check_page() is None
    updated.refresh()
    proposals.close_incident(updated, by=ana, note="The host was down.", now=fake.clock())
    assert check_page() is None
    assert events(ready).count("change_broke_later") == 1


def test_a_page_that_fails_once_is_no_incident(
    updated: Change, fake: FakeSite, ready: Site, config: Config
) -> None:
    pages = [BROKEN, (200, b"<p>Welcome</p>")]

    def look(url: str, **more: object) -> object:
        fake.front_page = pages.pop(0)
        return fake.look(url, **more)

    found = late_failures.check_site(ready, config=config, look=look, now=fake.clock)
    assert found is None
    assert not Change.select().where(Change.is_incident).exists()


def test_an_update_of_two_days_ago_is_not_blamed(
    updated: Change, fake: FakeSite, check_page, ready: Site
) -> None:
    fake.clock.advance(hours=25)
    fake.front_page = BROKEN
    assert check_page() is None
    assert not Change.select().where(Change.is_incident).exists()


def test_an_unreachable_site_is_no_incident(updated: Change, fake: FakeSite, check_page) -> None:
    fake.front_page = BROKEN
    assert check_page(ErrorCode.dns) is None
    assert check_page(ErrorCode.tls_expired) is None


def test_a_page_that_was_broken_before_the_update_is_no_incident(
    ready: Site, ben: Actor, ana: Actor, fake: FakeSite, config: Config, clock: Clock, check_page
) -> None:
    fake.front_page = BROKEN
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    assert run_change(change, fake, config) == "succeeded"
    assert check_page() is None
