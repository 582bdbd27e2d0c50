"""Screenshots of pages are shown to everyone who sees the update, and to no one else."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.actor import Actor
from app.domain.page_checks import looks, screenshots, settings
from app.domain.page_checks.settings import TypedPage
from app.models.audit import AuditEntry
from app.models.base import utcnow
from app.models.changes import Change
from app.models.clients import Client
from app.models.site_pages import SitePage
from tests.support.browsers import signed_in
from tests.support.factories import approve, check, make_user, propose
from tests.support.fake_browser import FakeBrowser, run

SHOP = b"<!doctype html><title>Shop</title><h1>Shop</h1><button>Buy</button>"
ERROR = "TypeError: <b>cart</b> is not a function (/wp-content/plugins/cart/app.js)"


@pytest.fixture
def updated(ready, ben, ana, fake, config, clock) -> Change:
    """Return an update after which the console of a page has a new error."""
    fake.pages["/shop/"] = lambda: (200, SHOP)
    settings.add_page(ready, TypedPage("/shop/"), by=ben, now=clock())
    change = check(propose(ready, ben, clock()), fake, config)
    approve(change, ana, config, clock())
    run(change, fake, config, FakeBrowser([("Old",), ("Old", ERROR)]))
    return change


def test_the_update_shows_the_error_and_screenshots_beside_each_other(as_cleo, updated):
    text = as_cleo.get(f"/changes/{updated.id}").text
    assert "New error in the console" in text
    assert "TypeError: &lt;b&gt;cart&lt;/b&gt; is not a function" in text
    assert "Already before the update: 1\n      error in the console." in text
    at = f"/changes/{updated.id}/screenshots/0"
    addresses = re.findall(r'<img src="([^"]+)" loading="lazy"\s+alt="([^"]+)"', text)
    assert addresses == [
        (
            f"{at}/{moment}/{width}",
            f"/shop/ {when} the update, {width}",
        )
        for width in ("desktop", "phone")
        for moment, when in (("before", "before"), ("after", "after"))
    ]


def test_a_screenshot_is_a_picture_and_nothing_else(as_cleo, updated):
    answer = as_cleo.get(f"/changes/{updated.id}/screenshots/0/after/phone")
    assert (answer.data, answer.mimetype) == (b"RIFFpicture", "image/webp")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "part",
    ["1/after/phone", "0/later/phone", "0/after/watch", "0/../phone", "99999/after/phone"],
)
def test_an_unknown_screenshot_is_not_found(as_cleo, updated, part):
    answer = as_cleo.get(f"/changes/{updated.id}/screenshots/{part}")
    assert answer.status_code == 404


def test_a_screenshot_that_was_deleted_leaves_no_gap(as_cleo, updated, config):
    assert screenshots.prune(config, utcnow() + timedelta(days=31)) == 1
    assert "<img" not in as_cleo.get(f"/changes/{updated.id}").text.partition("<main")[2]
    answer = as_cleo.get(f"/changes/{updated.id}/screenshots/0/after/phone")
    assert "This screenshot is not kept any more. Aura keeps them for 30 days." in answer.text


def test_a_person_who_does_not_see_the_site_sees_no_screenshot(app, updated):
    other = Client.named("Another client")
    user = make_user("Otto", "operator", limited_to=[other.id])
    answer = signed_in(app, Actor.of(user, "192.0.2.2")).get(
        f"/changes/{updated.id}/screenshots/0/after/phone"
    )
    assert answer.status_code == 404


def test_a_screenshot_needs_a_sign_in(anonymous, updated):
    answer = anonymous.get(f"/changes/{updated.id}/screenshots/0/after/phone")
    assert answer.status_code == 303


# ---- checks of the console ----


def test_an_owner_requires_a_console_without_new_errors(as_ben, ready):
    form = {"path": "/shop/", "status": 200, "no_console_error": 1}
    as_ben.post(f"/sites/{ready.id}/pages", data=form)
    page = SitePage.get()
    assert page.no_console_error
    assert "No new error in the console" in as_ben.get(f"/sites/{ready.id}/pages").text
    edit = as_ben.get(f"/sites/{ready.id}/pages/{page.id}").text
    assert re.search(r'name="no_console_error" value="1" checked', edit)
    entry = AuditEntry.newest_of(("site_page_added",), site_id=ready.id)
    assert "without a new error in the console" in as_ben.get(f"/activity/{entry.seq}").text


def test_without_a_browser_the_page_says_how_to_get_one(as_ben, app, ready):
    text = as_ben.get(f"/sites/{ready.id}/pages").text
    assert "install Chromium on the worker and set AURA_CHROMIUM" in text
    assert "Aura has no browser, so it cannot tell" in text
    app.config["AURA"] = replace(app.config["AURA"], chromium=Path("/usr/bin/chromium"))
    text = as_ben.get(f"/sites/{ready.id}/pages").text
    assert "AURA_CHROMIUM" not in text
    assert "Aura has no browser" not in text


@pytest.mark.parametrize(
    ("console", "words"),
    [
        (("Old", "Older"), "2\n      errors in the console now. Only new ones count."),
        ((), "No error in the console."),
        ("no_sandbox", "The browser did not start, because this machine"),
        ("absent", "The browser was not found."),
    ],
)
def test_a_requested_page_check_shows_the_console(as_ben, ready, fake, config, console, words):
    fake.pages["/shop/"] = lambda: (200, SHOP)
    as_ben.post(f"/sites/{ready.id}/pages", data={"path": "/shop/", "status": 200})
    looks.look_now(
        ready.id, config=config, probe=fake.look, now=fake.clock, browse=FakeBrowser([console])
    )
    assert words in as_ben.get(f"/sites/{ready.id}/pages").text
