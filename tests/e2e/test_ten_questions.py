"""Ten questions a client asks the agency, each answered within three clicks from the first page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e import aura_pages, wp_admin_pages
from tests.e2e.album import Album
from tests.e2e.changing import (
    DESK,
    NAME,
    allow,
    approve,
    installed,
    invite_ben,
    look,
    outcome,
    pair,
    propose,
    sync,
)
from tests.e2e.running_aura import RunningAura
from tests.plugin.support.changing import update
from tests.plugin.support.real_wordpress import RealWordPress
from tests.support.running_verifier import verify
from tests.wordpress.site import WordPress

pytestmark = pytest.mark.nightly

MOST_CLICKS = 3


@pytest.fixture(scope="module", params=["oldest", "newest"])
def shop(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    site = WordPress.start(request.param, siteagent="active")
    yield site
    site.stop()


@pytest.fixture(scope="module")
def agency(shop: WordPress, browser: Browser) -> Iterator[RunningAura]:
    """A month at the bakery: one update succeeded, one broke the website and was rolled back."""
    running = RunningAura()
    try:
        live_through(running, shop, browser)
        yield running
    finally:
        running.remove()


def live_through(agency: RunningAura, shop: WordPress, browser: Browser) -> None:
    tabs = [browser.new_context(locale="en-GB").new_page() for _ in range(3)]
    ana, ben, owner = tabs
    for tab in tabs:
        tab.set_default_timeout(30_000)
    aura_pages.set_up_or_sign_in(ana, agency)
    wp_admin_pages.sign_in(owner, shop)
    pair(ana, owner, agency, shop)
    invite_ben(ana, ben, agency)
    # The tab that waited for the pairing loads itself again when it is done.
    settings = owner.context.new_page()
    allow(settings, shop, "plugins", "themes", "translations")
    sync(ana, agency)
    approve(ana, propose(ben, agency, DESK, "Mends the spam filter"))
    outcome(ana, "Succeeded")
    update(RealWordPress(shop), "contact-desk", "2.5.0")
    look(shop, "delete_site_transient('update_plugins'); return 1;")
    sync(ana, agency)
    approve(ana, propose(ben, agency, DESK, "New month, new version"))
    outcome(ana, "Rolled back")
    assert installed(shop) == "2.4.0"
    sync(ana, agency)
    for tab in tabs:
        tab.context.close()


class Clicks:
    """A user with a mouse on the first page, who fails after three clicks."""

    def __init__(self, page: Page, agency: RunningAura) -> None:
        aura_pages.set_up_or_sign_in(page, agency)
        self.page = page
        self.count = 0

    def on(self, what: Locator) -> None:
        self.count += 1
        assert self.count <= MOST_CLICKS, f"{what} would be click {self.count}"
        what.click()

    def link(self, name: str) -> None:
        self.on(self.page.get_by_role("link", name=name, exact=True).first)

    def button(self, name: str) -> None:
        self.on(self.page.get_by_role("button", name=name))

    def reads(self, *words: str) -> None:
        for one in words:
            expect(self.page.locator("main")).to_contain_text(one)


@pytest.fixture
def mouse(page: Page, agency: RunningAura) -> Clicks:
    return Clicks(page, agency)


def test_1_what_was_changed_on_my_website(mouse: Clicks, album: Album) -> None:
    mouse.link("Clients")
    mouse.link("Create report for Harbour Bakery Ltd")
    mouse.reads(f"{DESK}", "2.3.1 → 2.4.0", "The site confirmed version 2.4.0")
    album.show(mouse.page, "client-report")


def test_2_who_approved_that(mouse: Clicks, album: Album) -> None:
    mouse.link("Activity")
    mouse.reads("Ana Moreau approved update 1")
    mouse.on(mouse.page.locator("li", has_text="Ana Moreau approved update 1").locator("a").first)
    mouse.reads("Ana Moreau", "127.0.0.1", "Digest", "Verification")
    album.show(mouse.page, "entry")


def test_3_why_was_something_rolled_back(mouse: Clicks, album: Album) -> None:
    mouse.link("Activity")
    mouse.on(mouse.page.locator("main .chips").get_by_role("link", name="Updates"))
    mouse.reads("Update 2", DESK, "the new version crashed the site")
    album.show(mouse.page, "audit-found")
    ended = mouse.page.locator("#entries li", has_text="the new version crashed the site")
    mouse.on(ended.first.locator("a").first)
    mouse.reads("Rolled back", "the new version crashed the site")


def test_4_is_anything_open(mouse: Clicks) -> None:
    mouse.link("Clients")
    mouse.link("Create report for Harbour Bakery Ltd")
    mouse.reads("Open items", "As of")


def test_5_was_my_website_reachable(mouse: Clicks) -> None:
    mouse.link("Clients")
    mouse.link("Create report for Harbour Bakery Ltd")
    mouse.link("This year")
    mouse.reads("Connection checks", "These are regular connection checks, not uptime monitoring")


def test_6_what_happened_to_this_one_plugin(mouse: Clicks, album: Album) -> None:
    mouse.link(NAME)
    mouse.on(mouse.page.locator("nav.tabs").get_by_role("link", name="Plugins & themes"))
    mouse.on(mouse.page.locator("#plugins").get_by_role("link", name=DESK))
    mouse.reads("2.4.0", "Rolled back", "Succeeded")
    album.show(mouse.page, "component-history")


def test_7_what_leaves_my_website(mouse: Clicks) -> None:
    mouse.link("Settings")
    mouse.on(mouse.page.locator("main").get_by_role("link", name="Data and privacy"))
    mouse.link("See every field")
    mouse.reads("What data leaves the site?", "No user names, e-mail addresses")


def test_8_who_can_change_my_website_and_how_do_i_end_that(mouse: Clicks) -> None:
    mouse.link("Clients")
    mouse.link("Create report for Harbour Bakery Ltd")
    mouse.reads("Who can update your sites", "choose Disconnect")


def test_9_is_the_record_as_it_was_written(mouse: Clicks, album: Album) -> None:
    mouse.link("Activity")
    mouse.on(mouse.page.locator("main .badges a"))
    mouse.button("Verify log now")
    expect(mouse.page.locator("#reading")).to_contain_text("Intact", timeout=60_000)
    mouse.reads("stored by sites match")
    album.show(mouse.page, "audit")


def test_10_may_i_have_that_and_check_it_myself(
    mouse: Clicks, album: Album, tmp_path: Path
) -> None:
    mouse.link("Activity")
    mouse.link("Export audit log")
    mouse.page.get_by_label("Client").select_option(label="Harbour Bakery Ltd")
    mouse.button("Create export")
    ready = mouse.page.get_by_role("button", name="Download zip")
    ready.wait_for(timeout=60_000)
    album.show(mouse.page, "exports")
    with mouse.page.expect_download() as download:
        ready.click()
    path = tmp_path / "audit_log.zip"
    download.value.save_as(path)
    verdict = verify(path)
    assert verdict.status == 0, verdict.output
    assert "Client Harbour Bakery Ltd" in verdict.output
    assert mouse.count == MOST_CLICKS


def test_the_report_can_be_saved_as_pdf(mouse: Clicks, tmp_path: Path) -> None:
    mouse.link("Clients")
    mouse.link("Create report for Harbour Bakery Ltd")
    with mouse.page.expect_download() as download:
        mouse.button("Save as PDF")
    path = tmp_path / "report.pdf"
    download.value.save_as(path)
    assert path.read_bytes().startswith(b"%PDF-")


def test_a_call_with_stolen_keys_is_an_alert_and_logged(
    page: Page, agency: RunningAura, shop: WordPress, album: Album, tmp_path: Path
) -> None:
    agency.call(agency.channel(shop.url), "ping")
    aura_pages.set_up_or_sign_in(page, agency)
    sync(page, agency)
    aura_pages.open_tab(page, "Connection")
    page.get_by_role("button", name="Compare logs now").click()
    alert = page.get_by_role("link", name="Someone else called the site")
    for _ in range(60):
        if alert.count():
            break
        page.wait_for_timeout(1000)
        page.reload()
    alert.first.click()
    expect(page.locator("main")).to_contain_text("a test")
    album.show(page, "alert")
    page.get_by_role("link", name="Alerts 1 critical").click()
    page.wait_for_url("**/alerts")
    expect(page.locator("main")).to_contain_text("Harbour Bakery")
    album.show(page, "alerts")
    wp_admin = page.context.new_page()
    wp_admin_pages.sign_in(wp_admin, shop)
    wp_admin_pages.open_settings(wp_admin, shop, "&tab=log")
    wp_admin.get_by_label("Search the log").fill("a test")
    wp_admin.get_by_role("button", name="Search").click()
    expect(wp_admin.locator("table.widefat tbody tr")).to_have_count(1)
    album.wp_admin(wp_admin, "wp-admin-log")
    with wp_admin.expect_download() as download:
        wp_admin.get_by_role("button", name="Export for verification").click()
    path = tmp_path / "site-log.jsonl"
    download.value.save_as(path)
    verdict = verify(path)
    assert verdict.status == 0, verdict.output
