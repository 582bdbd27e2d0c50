"""Account preferences: the theme and the time zone of the pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain import time_zones
from app.models.accounts import User
from app.models.audit import AuditEntry
from app.models.sites import Site

PAIRED = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC)


def choose(person, theme="system", time_zone="UTC"):
    return person.post("/account/preferences", data={"theme": theme, "time_zone": time_zone})


def test_a_theme_applies_to_every_page_of_its_user_alone(as_ana, as_ben):
    assert 'content="light dark"' in as_ana.get("/").text
    assert choose(as_ana, theme="dark").headers["Location"] == "/account"
    for path in ("/", "/account", "/nothing-here"):
        assert '<html lang="en" data-theme="dark">' in as_ana.get(path).text
    assert 'content="dark"' in as_ana.get("/").text
    assert "data-theme" not in as_ben.get("/").text
    choose(as_ana, theme="system")
    assert "data-theme" not in as_ana.get("/").text


def test_pages_use_the_users_time_zone_and_evidence_uses_utc(as_ana, as_ben, today):
    Site.update(paired_at=PAIRED).execute()
    choose(as_ana, time_zone="Europe/Berlin")
    page = as_ana.get(f"/sites/{today.id}/connection").text
    assert "2 Jul 2026, 00:30:05 CEST" in page
    assert 'datetime="2026-07-01T22:30:05Z"' in page
    assert "1 Jul 2026, 22:30:05 UTC" in as_ben.get(f"/sites/{today.id}/connection").text
    when = as_ana.get("/activity/1").text.partition("<dt>When</dt>")[2].partition("</dd>")[0]
    assert when.endswith(" UTC</time>")


def test_the_choice_is_shown_again_and_recorded_once(as_ana, ana):
    choose(as_ana, theme="light", time_zone="America/New_York")
    choose(as_ana, theme="light", time_zone="America/New_York")
    page = as_ana.get("/account").text
    assert 'value="light" checked' in page
    assert '<option value="America/New_York" selected>America/New York</option>' in page
    assert [entry.event for entry in AuditEntry.newest()].count("preferences_changed") == 1
    assert "light theme, times in America/New_York" in as_ana.get("/activity").text
    user = User.get_by_id(ana.id)
    assert (user.theme, user.time_zone) == ("light", "America/New_York")


@pytest.mark.parametrize(
    ("theme", "time_zone", "words"),
    [
        ("sepia", "UTC", "Choose one of the themes."),
        ("dark", "Europe/Atlantis", "Choose a time zone from the list."),
        ("dark", "../../etc/passwd", "Choose a time zone from the list."),
    ],
)
def test_an_invalid_choice_is_refused(as_cleo, theme, time_zone, words):
    response = choose(as_cleo, theme, time_zone)
    assert response.status_code == 422
    assert words in response.text
    assert "data-theme" not in response.text


def test_an_unknown_time_zone_falls_back_to_utc():
    assert time_zones.zone_of("Mars/Base").key == "UTC"
    assert time_zones.time_zones()[0] == "UTC"
    assert len(time_zones.time_zones()) > 300
