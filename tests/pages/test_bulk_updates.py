"""From the overview to approved updates on many sites: few clicks, no scripts, keyboard alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.hand import Hand, tab_to
from tests.support.page_steps import sign_in
from tests.support.running_fleet import RunningFleet

pytestmark = pytest.mark.nightly

_SCRIPT = Path(__file__).parents[2] / "app/static/app.js"
_PRE_CHECKS_MS = 90_000
_FIRST = re.compile("^Review….+")
_COUNTS = re.compile(r"(\d+) updates? on (\d+) sites")


def _signed_in(context: BrowserContext, fleet: RunningFleet) -> Page:
    page = context.new_page()
    page.goto(f"{fleet.url}/sign-in")
    sign_in(page, fleet, fleet.email_of("owner"))
    return page


def _updates(page: Page) -> Locator:
    return page.get_by_role("navigation").get_by_role("link", name="Updates")


def _approve(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("^Approve and "))


def _wait_for_pre_checks(page: Page) -> None:
    """Reload, as a user without scripts does, until no pre-check is missing."""
    page.get_by_role("heading", name=re.compile("^Pre-checks")).wait_for()
    for _ in range(_PRE_CHECKS_MS // 2_000):
        if not page.get_by_role("heading", name="Still checking").count():
            return
        page.wait_for_timeout(2_000)
        page.reload()
    raise AssertionError("The pre-checks did not end.")


def test_one_plugin_is_updated_on_all_sites_in_few_clicks(
    context: BrowserContext, fleet: RunningFleet
) -> None:
    hand = Hand(_signed_in(context, fleet))
    hand.click(_updates(hand.page))
    hand.click(hand.page.get_by_role("button", name=_FIRST))
    _wait_for_pre_checks(hand.page)
    # The password was typed at sign-in, a moment ago.
    hand.click(_approve(hand.page))
    expect(hand.page.get_by_role("heading", name=re.compile(r"of \d+ updated"))).to_be_visible()
    assert hand.clicks <= 6


def test_updates_are_approved_without_scripts(context: BrowserContext, fleet: RunningFleet) -> None:
    browser = context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 780})
    page = _signed_in(plain, fleet)
    page.goto(f"{fleet.url}/updates")
    boxes = page.get_by_role("checkbox", name=re.compile("^Select (?!all)"))
    for number in (0, 1):
        boxes.nth(number).check()
    page.get_by_role("button", name="Review selected updates…").click()
    _wait_for_pre_checks(page)
    _approve(page).click()
    expect(page.get_by_role("heading", name=re.compile(r"of \d+ updated"))).to_be_visible()
    plain.close()


def test_updates_are_approved_by_keyboard_alone(
    context: BrowserContext, fleet: RunningFleet
) -> None:
    page = _signed_in(context, fleet)
    tab_to(page, _updates(page))
    page.keyboard.press("Enter")
    page.wait_for_url("**/updates*")
    tab_to(page, page.get_by_role("button", name=_FIRST))
    page.keyboard.press("Enter")
    _wait_for_pre_checks(page)
    tab_to(page, _approve(page))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile(r"of \d+ updated"))).to_be_visible()


def test_access_is_revoked_without_scripts_and_by_keyboard(
    context: BrowserContext, fleet: RunningFleet
) -> None:
    browser = context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 780})
    page = _signed_in(plain, fleet)
    page.goto(f"{fleet.url}/sites/3")
    revoke = page.get_by_role("button", name=re.compile("^Revoke access to "))
    if not revoke.count():
        page.get_by_role("link", name="Connection").first.click()
    tab_to(page, revoke)
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("^Revok(ing|ed)")).first).to_be_visible()
    plain.close()


def test_every_update_of_the_fleet_is_approved_in_few_clicks(
    context: BrowserContext, fleet: RunningFleet
) -> None:
    hand = Hand(_signed_in(context, fleet))
    hand.click(_updates(hand.page))
    everything = hand.page.get_by_label(re.compile("^All .* that match"))
    if everything.count():
        hand.click(everything)
    else:
        hand.click(hand.page.get_by_label("Select all shown"))
    hand.click(hand.page.get_by_role("button", name=re.compile(r"^Review \d+ updates")))
    counts = _COUNTS.search(hand.page.locator("h1").inner_text())
    assert counts is not None
    updates, sites = map(int, counts.groups())
    # Fewer than the fleet begins with: the tests above update some, and between 2 and 5 o'clock a
    # rule does. tests/web/test_update_all_sites.py does the same with 100 updates on 40 sites.
    assert (updates > 30, sites > 20) == (True, True), counts[0]
    _wait_for_pre_checks(hand.page)
    hand.click(_approve(hand.page))
    expect(hand.page.get_by_role("heading", name=re.compile(r"of \d+ updated"))).to_be_visible()
    assert hand.clicks <= 10


def test_the_button_counts_selections_on_other_pages(context: BrowserContext) -> None:
    page = context.new_page()
    page.set_content("""<form data-selection>
      <label><input type="checkbox" name="everything" data-count="120">All 120 that match</label>
      <table><tbody><tr><td><input type="checkbox" data-count="3" checked></td></tr></tbody></table>
      <button><span data-tally data-one="Review % update" data-many="Review % updates"></span>
      </button></form>""")
    page.add_script_tag(path=_SCRIPT)
    button = page.get_by_role("button")
    assert button.inner_text() == "Review 3 updates"
    page.get_by_label("All 120 that match").check()
    assert button.inner_text() == "Review 120 updates"
    page.get_by_label("All 120 that match").uncheck()
    assert button.inner_text() == "Review 3 updates"
