"""E-mail once that a site is down, and once that it is up again, with the length of the outage."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.notifications import preferences, watch
from app.domain.notifications.preferences import Preferences
from app.domain.uptime import rounds, settings
from app.http.errors import ErrorCode
from app.models.email import OutgoingEmail
from app.models.sites import Site
from app.models.uptime import Outage, SiteWatch
from tests.support.emails import UNREACHABLE, titles, turn_email_on
from tests.support.factories import make_site
from tests.support.fakes import Clock, RecordingQueue
from tests.support.front_pages import FrontPages, failing, page


@pytest.fixture
def pages(clock: Clock) -> FrontPages:
    return FrontPages(clock)


@pytest.fixture
def watched(
    ready: Site, ana: Actor, config: Config, clock: Clock, pages: FrontPages, jobs: RecordingQueue
) -> Site:
    """A site that is up, and Ana, who wants critical items at once."""
    turn_email_on(ana, config, clock())
    chosen = Preferences(critical_now=True, digest="daily")
    preferences.change_preferences(chosen, by=ana, now=clock())
    rounds.request_due(clock())
    pass_time(config, pages, 10)
    return ready


def pass_time(config: Config, pages: FrontPages, minutes: int) -> list[OutgoingEmail]:
    """Run the schedule each minute and return the messages that were queued."""
    before = OutgoingEmail.select().count()
    for _ in range(minutes):
        now = pages.clock.advance(minutes=1)
        due = SiteWatch.due(now, 1000)
        rounds.run_round(due, config=config, fetch=pages.fetch, now=pages.clock)
        watch.notify_due(now)
    return list(OutgoingEmail.select().order_by(OutgoingEmail.id).offset(before))


def test_an_outage_and_its_end_are_each_reported_once_with_its_length(
    watched: Site, pages: FrontPages, config: Config
) -> None:
    pages.answers[watched.url] = page(502)
    Site.update(**UNREACHABLE, error_at=pages.clock()).execute()
    (email,) = pass_time(config, pages, 20)
    assert email.subject == "Critical: Bakery is down"
    (entry,) = email.content["sections"][0]["entries"]
    assert entry["why"].startswith("The server answered with an error, ")
    assert entry["why"].endswith("Ask the host for the error log of the web server.")
    assert entry["path"] == f"/sites/{watched.id}/uptime"
    del pages.answers[watched.url]
    (recovery,) = pass_time(config, pages, 60)
    minutes = round(Outage.get().counted_s / 60)
    assert titles(recovery) == [("Resolved", f"Bakery is up again after {minutes} min")]
    assert pass_time(config, pages, 60) == []


def test_failed_calls_during_an_outage_send_no_message_of_their_own(
    watched: Site, pages: FrontPages, config: Config
) -> None:
    Site.update(**UNREACHABLE, error_at=pages.clock()).execute()
    pages.answers[watched.url] = failing()
    emails = pass_time(config, pages, 30)
    del pages.answers[watched.url]
    emails += pass_time(config, pages, 90)
    reported = [title for email in emails for _, title in titles(email)]
    assert [title for title in reported if "unreachable" in title or "connected" in title] == []
    assert len(emails) == 2


def test_an_outage_of_aura_is_one_message_and_no_site_is_called_down(
    watched: Site, pages: FrontPages, config: Config, ana: Actor
) -> None:
    for number in range(4):
        make_site(ana, now=pages.clock(), url=f"https://s{number}.example", name=f"Shop {number}")
    Site.update(state="active", last_success_at=pages.clock()).execute()
    rounds.request_due(pages.clock())
    pass_time(config, pages, 10)
    pages.has_network = False
    (email,) = pass_time(config, pages, 40)
    assert titles(email) == [("Critical", "Aura's own network is not working")]
    pages.has_network = True
    (recovery,) = pass_time(config, pages, 70)
    assert titles(recovery) == [("Resolved", "No longer open: Aura's own network is not working")]


def test_a_dead_server_with_many_sites_is_one_entry(
    watched: Site, pages: FrontPages, config: Config, ana: Actor
) -> None:
    for number in range(6):
        url = f"https://s{number}.example"
        make_site(ana, now=pages.clock(), url=url, name=f"Shop {number}")
        pages.servers[url] = "203.0.113.7"
        pages.answers[url] = lambda at: failing(ErrorCode.connect_timeout) if at > dies else None
    dies = pages.clock() + timedelta(minutes=15)
    Site.update(state="active", last_success_at=pages.clock()).execute()
    rounds.request_due(pages.clock())
    emails = pass_time(config, pages, 60)
    assert titles(emails[0]) == [("Critical", "6 sites are down")]
    assert len(emails) == 1


def test_a_slow_site_waits_for_the_digest(
    watched: Site, pages: FrontPages, config: Config, ana: Actor
) -> None:
    soon = (pages.clock() + timedelta(hours=1)).hour
    chosen = Preferences(critical_now=True, digest="daily", digest_hour=soon)
    preferences.change_preferences(chosen, by=ana, now=pages.clock())
    pages.answers[watched.url] = page(ms=9000)
    (digest,) = pass_time(config, pages, 90)
    assert digest.kind == "digest"
    assert ("Check", "Bakery is slow") in titles(digest)


def test_turning_checks_off_does_not_report_a_site_as_up_again(
    watched: Site, pages: FrontPages, config: Config, ana: Actor
) -> None:
    pages.answers[watched.url] = failing()
    pass_time(config, pages, 20)
    now = pages.clock()
    settings.change_settings(watched, every_minutes=0, phrase="", by=ana, now=now)
    (email,) = pass_time(config, pages, 60)
    assert titles(email) == [("Resolved", "No longer open: Bakery is down")]
