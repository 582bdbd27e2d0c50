"""Pages show that the owner of a site has paused or limited updates, since when and why."""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.models.base import utcnow
from app.models.changes import APPROVED, PROPOSED, Change
from app.models.sites import Site
from tests.support.factories import AKISMET, limits, read_report, run_change
from tests.support.fakes import FakeSite

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}} %(why)s"


def words(answer: Any) -> str:
    """Return the unescaped text of a page, with single spaces."""
    return " ".join(html.unescape(answer.text).split())


@pytest.fixture
def owner_sets(today: Site, fake: FakeSite, config: Config):
    """Return a function that sets limits as the owner in wp-admin and syncs the site."""

    def set_limits(**changes: Any) -> None:
        fake.report["agent"]["limits"] = limits(**changes)
        assert read_report(today, fake, config=config).state == "done"

    return set_limits


def an_hour_ago() -> int:
    return int((utcnow() - timedelta(hours=1)).timestamp())


def test_every_page_of_a_paused_site_says_so(as_cleo, as_dora, today, owner_sets) -> None:
    path = f"/sites/{today.id}"
    assert "Paused by the site's owner" not in as_cleo.get(path).text
    owner_sets(paused_at=an_hour_ago(), reason="Summer sale")
    for page in (path, f"{path}/updates", f"{path}/components"):
        text = words(as_cleo.get(page))
        assert "Paused by the site's owner on " in text, page
        assert "“Summer sale”</p> <p>No update runs on this site until the owner resumes" in text
    owner_sets()
    assert "Paused by the site's owner" not in as_cleo.get(path).text


def test_a_pause_in_wp_config_is_named_as_such(as_cleo, today, owner_sets) -> None:
    owner_sets(paused=True, read_only=True)
    text = words(as_cleo.get(f"/sites/{today.id}"))
    assert "Paused by the site's owner in wp-config.php" in text
    assert "until the owner resumes updates there" in text


def test_the_site_says_how_old_a_release_has_to_be(as_cleo, today, owner_sets) -> None:
    path = f"/sites/{today.id}"
    assert "has known a release" not in as_cleo.get(path).text
    owner_sets(min_age_hours=72)
    text = words(as_cleo.get(path))
    assert "The site's owner requires that the site has known a release for 3 days." in text
    owner_sets(min_age_hours=96)
    assert "has known a release for 4 days." in words(as_cleo.get(path))


def test_a_paused_site_without_an_update_says_so_too(as_cleo, today, fake, owner_sets) -> None:
    fake.report["updates"]["plugins"] = []
    owner_sets(paused_at=an_hour_ago())
    assert "Paused by the site's owner on " in words(as_cleo.get(f"/sites/{today.id}"))


def test_the_list_of_blocked_updates_gives_the_reason_and_a_link(as_ben, today, owner_sets) -> None:
    owner_sets(paused_at=an_hour_ago(), reason="Summer sale")
    text = words(as_ben.get("/updates/blocked"))
    assert "Paused by the site's owner on " in text
    assert ": “Summer sale”" in text
    assert "options-general.php?page=siteagent&tab=limits" in text
    assert "Akismet" not in as_ben.get("/updates").text


@pytest.mark.parametrize(
    ("releases", "available", "sentence"),
    [
        ("none", "5.3.1", "The site's owner has excluded this from updates."),
        ("patch", "5.4", "only patch releases, and 5.4 is not one."),
        ("patch", "5.4-beta1", "5.4-beta1 does not show whether it is one."),
    ],
)
def test_an_excluded_update_is_listed_as_blocked(
    as_ben, today, fake, config, owner_sets, releases, available, sentence
) -> None:
    fake.report["plugins"][0]["releases"] = releases
    fake.report["updates"]["plugins"][0]["version"] = available
    owner_sets()
    assert sentence in words(as_ben.get("/updates/blocked"))
    assert sentence in words(as_ben.get(f"/sites/{today.id}/updates"))
    for want in (f"site:{today.id}", f"plugin|{AKISMET}|5.3|{available}"):
        as_ben.post("/updates/review", data={"want": want})
    assert Change.select().count() == 0


def test_the_reason_of_an_owner_is_shown_as_text(as_ben, today, owner_sets) -> None:
    owner_sets(paused_at=an_hour_ago(), reason=HOSTILE)
    for page in (f"/sites/{today.id}", "/updates/blocked"):
        text = as_ben.get(page).text
        assert "<img src=x" not in text
        assert "&lt;img src=x onerror=alert(1)&gt;{{7*7}} %(why)s" in text


def test_a_proposal_cannot_be_approved_while_the_site_is_paused(
    as_ana, proposed, owner_sets
) -> None:
    owner_sets(paused_at=an_hour_ago(), reason="Summer sale")
    page = f"/changes/{proposed.id}"
    text = words(as_ana.get(page))
    assert "This update can be approved when the owner resumes updates" in text
    assert "Approve update to" not in text
    answer = as_ana.post(f"{page}/approve", data={"digest": proposed.digest})
    assert answer.status_code == 409
    assert "has paused updates" in words(answer)
    assert Change.get().state == PROPOSED
    batch = words(as_ana.get(f"/updates/{proposed.batch}"))
    assert "Paused by the site's owner <span>1</span>" in batch
    owner_sets()
    assert "Approve update to 5.3.1" in as_ana.get(page).text


def test_an_approved_update_says_that_it_waits_for_the_owner(
    as_ana, proposed, fake, config, owner_sets
) -> None:
    as_ana.post(f"/changes/{proposed.id}/approve", data={"digest": proposed.digest})
    fake.report["agent"]["limits"] = limits(paused_at=an_hour_ago())
    fake.clock.now = utcnow()
    run_change(Change.get(), fake, config)
    text = words(as_ana.get(f"/changes/{proposed.id}"))
    assert "Not started: the site's owner has paused updates" in text
    assert "Nothing was changed." in text


def test_the_owners_hours_are_shown_and_respected(as_ana, today, proposed, owner_sets) -> None:
    opens = utcnow() + timedelta(days=2)
    zone = {"from_hour": 2, "to_hour": 5, "time_zone": "+05:30"}
    owner_sets(window={**zone, "days": [opens.isoweekday()]})
    page = words(as_ana.get(f"/sites/{today.id}"))
    assert f"The site's owner allows {opens:%a} 02:00–05:00 (UTC+05:30)" in page
    change = words(as_ana.get(f"/changes/{proposed.id}"))
    assert f"The site's owner set hours for updates: {opens:%a} 02:00–05:00 (UTC+05:30)" in change
    assert "Approve for these hours" in change
    as_ana.post(f"/changes/{proposed.id}/approve", data={"digest": proposed.digest})
    approved = Change.get()
    assert approved.state == APPROVED
    assert approved.not_before > utcnow() + timedelta(hours=12)
