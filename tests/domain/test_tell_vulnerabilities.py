"""E-mail a critical vulnerability once for all sites, and its end once when no site has it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import SYSTEM, Actor
from app.domain.notifications import preferences
from app.domain.notifications.preferences import Preferences
from app.domain.vulnerabilities import findings, source, upkeep
from app.models.clients import Client
from app.models.sites import Site
from tests.support.emails import look_for, titles, turn_email_on
from tests.support.factories import make_site, pair, plugin, read_report, report
from tests.support.fakes import Clock, FakeSite, RecordingQueue
from tests.support.vulnerability_feeds import bounds, feed, record, software

UP_TO_5_3 = software("akismet", bounds("5.3"), patched=("5.3.1",))
TITLE = "Critical vulnerability in Akismet 5.3: fixed in 5.3.1"


class Fleet:
    """Three sites with the same plugin, and Ana, who wants critical items at once."""

    def __init__(self, ana: Actor, config: Config, clock: Clock) -> None:
        self.config, self.clock = config, clock
        self.sites: list[tuple[Site, FakeSite]] = []
        turn_email_on(ana, config, clock())
        preferences.change_preferences(Preferences(critical_now=True), by=ana, now=clock())
        for number in range(3):
            url = f"https://site{number}.example"
            client = f"Client {number}"
            site = make_site(ana, now=clock(), url=url, name=f"Site {number}", client=client)
            fake = FakeSite(url, clock, report())
            fake.report["wordpress"] |= {"home": url, "site_url": url}
            pair(site, fake, by=ana, config=config)
            read_report(site, fake, config=config)
            self.sites.append((site, fake))

    def import_feed(self, *records: dict[str, Any]) -> None:
        file = io.BytesIO(feed(*records))
        source.accept_file_from_cli(file, by=SYSTEM, config=self.config, now=self.clock())
        assert upkeep.update(self.config, now=self.clock) == "imported"

    def update_plugin(self, number: int) -> None:
        site, fake = self.sites[number]
        fake.report["plugins"] = [plugin(version="5.3.1")]
        fake.report["updates"]["plugins"] = []
        read_report(site, fake, config=self.config)
        findings.check_site(site.id, self.clock())

    def look(self, minutes: int = 120) -> list[list[tuple[str, str]]]:
        return [titles(email) for email in look_for(self.config, self.clock, minutes)]


@pytest.fixture
def fleet(ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> Fleet:
    return Fleet(ana, config, clock)


def test_a_vulnerability_is_reported_once_and_its_end_once(fleet: Fleet) -> None:
    assert fleet.look(10) == []
    fleet.import_feed(record(1, UP_TO_5_3))
    assert fleet.look() == [[("Critical", f"{TITLE}, 3 sites")]]
    fleet.update_plugin(0)
    fleet.update_plugin(1)
    # The same feed on the next day is the same vulnerability.
    fleet.import_feed(record(1, UP_TO_5_3))
    assert fleet.look() == []
    fleet.update_plugin(2)
    ended = f"No site has it any more: {TITLE}, 3 sites"
    assert fleet.look() == [[("Resolved", ended)]]
    assert fleet.look() == []


def test_a_second_vulnerability_is_reported_and_a_less_severe_one_is_not(fleet: Fleet) -> None:
    fleet.import_feed(record(1, UP_TO_5_3))
    assert len(fleet.look()) == 1
    fleet.import_feed(record(1, UP_TO_5_3), record(2, UP_TO_5_3, score=6.9))
    assert fleet.look() == []
    fleet.import_feed(record(1, UP_TO_5_3), record(3, UP_TO_5_3, score=7.0))
    high = "High-severity vulnerability in Akismet 5.3: fixed in 5.3.1, 3 sites"
    assert fleet.look() == [[("Critical", high)]]


def test_only_people_who_chose_the_client_are_notified(fleet: Fleet, ana: Actor) -> None:
    other = Client.named("Nobody's")
    chosen = replace(Preferences(critical_now=True), client_ids=(other.id,))
    preferences.change_preferences(chosen, by=ana, now=fleet.clock())
    fleet.import_feed(record(1, UP_TO_5_3))
    assert fleet.look() == []


def test_the_message_contains_no_unchecked_text_of_the_feed(fleet: Fleet) -> None:
    hostile = software("akismet", bounds("5.3"), name="x", patched=("5.3.1\r\nBcc: a@b.example",))
    title = "Sign in at https://evil.example\r\nBcc: a@b.example"
    fleet.import_feed(record(1, hostile, title=title, cve=None))
    (email,) = look_for(fleet.config, fleet.clock, 120)
    text = str(email.content) + email.subject
    assert "\n" not in text
    assert "https://evil" not in text
