"""E-mail a change of a plugin's source once, and its end once when it is accepted."""

from __future__ import annotations

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.notifications import preferences
from app.domain.notifications.preferences import Preferences
from app.domain.provenance import Part, changes
from app.models.email import OutgoingEmail
from app.models.provenance import ProvenanceChange
from app.models.sites import Site
from tests.support.emails import look_for, titles, turn_email_on
from tests.support.fakes import Clock, RecordingQueue

HOST = Part("host", "WordPress.org", "https://evil.example\r\nBcc: a@b.example")
TITLE = "Akismet now gets its updates from another host"


@pytest.fixture
def user(ready: Site, ana: Actor, config: Config, clock: Clock, jobs: RecordingQueue) -> Actor:
    """Ana, who wants critical items at once."""
    turn_email_on(ana, config, clock())
    preferences.change_preferences(Preferences(critical_now=True), by=ana, now=clock())
    look(config, clock)
    return ana


def look(config: Config, clock: Clock) -> list[OutgoingEmail]:
    return look_for(config, clock, 120)


def record(clock: Clock, part: Part) -> ProvenanceChange:
    assert changes.record_change("plugin", "akismet", [part], clock())
    return ProvenanceChange.history("plugin", "akismet")[0]


def test_a_new_host_and_its_end_are_sent(user: Actor, config: Config, clock: Clock) -> None:
    change = record(clock, HOST)
    (email,) = look(config, clock)
    assert titles(email) == [("Critical", TITLE)]
    (entry,) = email.content["sections"][0]["entries"]
    assert entry["path"] == "/plugins/plugin?ident=akismet%2Fakismet.php"
    assert "WordPress.org” → “https evil.example" in entry["why"]
    assert "Auto-update rules wait" in entry["why"]
    assert look(config, clock) == []
    changes.accept_change(change, "Moved", by=user, confirmed_at=clock(), now=clock())
    (email,) = look(config, clock)
    assert titles(email) == [("Resolved", f"No longer open: {TITLE}")]
    assert email.content["sections"][0]["entries"][0]["path"] == "/plugins/sources"


def test_a_new_owner_sends_no_critical_message(user: Actor, config: Config, clock: Clock) -> None:
    record(clock, Part("owner", "automattic", "newbuyer"))
    assert look(config, clock) == []


def test_the_message_contains_no_unchecked_outside_text(
    user: Actor, config: Config, clock: Clock
) -> None:
    record(clock, HOST)
    (email,) = look(config, clock)
    text = str(email.content) + email.subject
    assert "\n" not in text
    assert "https://evil" not in text
