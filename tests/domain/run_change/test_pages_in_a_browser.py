"""Find new console errors of a page after an update, where a browser is installed."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import pytest

from app.config import Config
from app.domain.actor import Actor
from app.domain.changes import execution
from app.domain.page_checks import screenshots, settings
from app.domain.page_checks.settings import TypedPage
from app.models.changes import ROLLED_BACK, SUCCEEDED, Change
from app.models.site_pages import ChangePages
from app.models.sites import Site
from tests.support.fake_browser import Errors, FakeBrowser, run
from tests.support.fakes import Clock, FakeSite

PAGE = b"<!doctype html><title>Shop</title><h1>Shop</h1><button>Buy</button>"
BROKEN = "TypeError: cart is not a function (/wp-content/plugins/cart/app.js)"
OLD = "Failed to load resource: # (/wp-content/old.js)"


def result_of(change: Change) -> dict[str, Any]:
    row = ChangePages.of(change.id)
    assert row is not None
    [result] = row.results
    return result


@pytest.fixture
def page(ready: Site, ben: Actor, fake: FakeSite, clock: Clock) -> TypedPage:
    fake.pages["/shop/"] = lambda: (200, PAGE)
    typed = TypedPage("/shop/")
    settings.add_page(ready, typed, by=ben, now=clock())
    return typed


@pytest.fixture
def strict_page(ready: Site, ben: Actor, fake: FakeSite, clock: Clock) -> TypedPage:
    """A page whose console must be without errors, by the owner's choice."""
    fake.pages["/shop/"] = lambda: (200, PAGE)
    typed = TypedPage("/shop/", no_console_error=True)
    settings.add_page(ready, typed, by=ben, now=clock())
    return typed


def test_a_new_error_asks_a_person_and_names_the_place(
    approved: Change, fake: FakeSite, config: Config, page: TypedPage
) -> None:
    browser = FakeBrowser([(OLD,), (OLD, BROKEN)])
    assert run(approved, fake, config, browser) == SUCCEEDED
    result = result_of(approved)
    assert result["answer"] == "different"
    assert result["differences"] == [
        {"what": "console", "missing": BROKEN, "is_required": False},
    ]
    assert ChangePages.to_judge(approved.site_id) == [approved]
    assert fake.changes.reverts == {}
    # A known error needs no second visit; any other does.
    assert [look.known for looks in browser.looks for look in looks] == [None, [OLD]]


def test_an_error_from_before_the_update_is_no_finding(
    approved: Change, fake: FakeSite, config: Config, strict_page: TypedPage
) -> None:
    assert run(approved, fake, config, FakeBrowser([(OLD,)])) == SUCCEEDED
    result = result_of(approved)
    assert (result["answer"], result["known_errors"], result["browser"]) == ("same", 1, "")


def test_a_new_error_rolls_back_if_no_error_is_allowed(
    approved: Change, fake: FakeSite, config: Config, strict_page: TypedPage
) -> None:
    browser = FakeBrowser([(OLD,), (BROKEN,), ()])
    assert run(approved, fake, config, browser) == ROLLED_BACK
    result = result_of(approved)
    assert result["differences"] == [{"what": "console", "missing": BROKEN, "is_required": True}]
    assert (result["revert"], result["again"]) == ("rolled_back", "same")


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (["no_sandbox"], "before:no_sandbox"),
        ([(), "browser_hung"], "browser_hung"),
        ([(), "another_answer"], "another_answer"),
    ],
)
def test_a_browser_without_a_result_proves_nothing(
    approved: Change,
    fake: FakeSite,
    config: Config,
    strict_page: TypedPage,
    says: list[Errors | str],
    why: str,
) -> None:
    assert run(approved, fake, config, FakeBrowser(says)) == SUCCEEDED
    result = result_of(approved)
    assert (result["answer"], result["why"]) == ("cannot_tell", f"browser:{why}")
    assert fake.changes.reverts == {}


def test_errors_prove_nothing_without_a_visit_before_the_update(
    approved: Change, fake: FakeSite, config: Config, page: TypedPage
) -> None:
    assert run(approved, fake, config, FakeBrowser(["browser_busy", (BROKEN,)])) == SUCCEEDED
    assert (result_of(approved)["answer"], result_of(approved)["differences"]) == ("same", [])


def test_without_a_browser_pages_are_compared_as_before(
    approved: Change, fake: FakeSite, config: Config, page: TypedPage
) -> None:
    assert config.chromium is None
    state = execution.run_change(
        approved.id, config=config, call=fake.call, look=fake.look, now=fake.clock
    )
    assert state == SUCCEEDED
    result = result_of(approved)
    assert (result["answer"], result["browser"]) == ("same", None)
    assert screenshots.kept(approved.id, config) == {}


def test_without_a_browser_the_console_check_has_no_result(
    approved: Change, fake: FakeSite, config: Config, strict_page: TypedPage
) -> None:
    execution.run_change(approved.id, config=config, call=fake.call, look=fake.look, now=fake.clock)
    result = result_of(approved)
    assert (result["answer"], result["why"]) == ("cannot_tell", "browser:not_looked")


def test_data_is_not_opened_in_a_browser(
    approved: Change, fake: FakeSite, config: Config, ready: Site, ben: Actor, page: TypedPage
) -> None:
    browser = FakeBrowser([()])
    fake.pages["/shop/"] = lambda: (503, b"Busy")
    run(approved, fake, config, browser)
    assert browser.looks == [[], []]


# ---- screenshots ----


def test_screenshots_of_both_moments_are_kept(
    approved: Change, fake: FakeSite, config: Config, page: TypedPage
) -> None:
    run(approved, fake, config, FakeBrowser([()]))
    found = screenshots.kept(approved.id, config)
    assert found == {
        0: {(moment, width) for moment in ("before", "after") for width in ("desktop", "phone")}
    }
    assert screenshots.read(approved.id, 0, "after", "phone", config) == b"RIFFpicture"
    assert screenshots.read(approved.id, 1, "after", "phone", config) is None
    other = config.var_dir / "screenshots" / str(approved.id) / "0-other-phone.webp"
    other.write_bytes(b"x")
    assert screenshots.read(approved.id, 0, "other", "phone", config) is None
    assert screenshots.kept(approved.id, config) == found


def add_picture(change_id: int, days: float, config: Config, clock: Clock, size: int = 10) -> None:
    """Store a screenshot of this age."""
    pictures = {0: {"phone": b"x" * size}}
    screenshots.keep(change_id, "after", pictures, config)
    at = (clock() - timedelta(days=days)).timestamp()
    os.utime(config.var_dir / "screenshots" / str(change_id), (at, at))


def test_screenshots_are_deleted_after_thirty_days(
    approved: Change, config: Config, clock: Clock
) -> None:
    add_picture(approved.id, 29.9, config, clock)
    assert screenshots.prune(config, clock()) == 0
    add_picture(approved.id, 30.1, config, clock)
    assert screenshots.prune(config, clock()) == 1
    assert screenshots.kept(approved.id, config) == {}


def test_screenshots_of_a_removed_site_are_deleted(
    approved: Change, config: Config, clock: Clock, ready: Site
) -> None:
    add_picture(approved.id, 0, config, clock)
    add_picture(10_000, 0, config, clock)
    assert screenshots.prune(config, clock()) == 1
    ready.update_if(forgotten_at=clock())
    assert screenshots.prune(config, clock()) == 1
    assert screenshots.kept(approved.id, config) == {}


def test_the_oldest_screenshots_are_deleted_to_make_room(
    config: Config, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screenshots, "MOST_BYTES", 250)
    for change_id, days in ((1, 3.0), (2, 9.0), (3, 1.0)):
        add_picture(change_id, days, config, clock, size=100)
    screenshots.keep(4, "after", {0: {"phone": b"x" * 100}}, config)
    assert [bool(screenshots.kept(number, config)) for number in (1, 2, 3, 4)] == [
        False,
        False,
        True,
        True,
    ]


def test_an_update_does_not_fail_if_its_screenshots_cannot_be_written(config, caplog):
    (config.var_dir / "screenshots").write_text("This is no folder.", "utf-8")
    screenshots.keep(4, "after", {0: {"phone": b"RIFF"}}, config)
    assert "Screenshots of update 4 could not be kept" in caplog.text
    assert screenshots.kept(4, config) == {}
