"""Updates with real sites: proposed by one person, approved by another, run by the site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from app.domain.changes.execution import REQUEST_TIMEOUT_S
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
    request_approval,
    sync,
)
from tests.e2e.running_aura import RunningAura
from tests.plugin.support.changing import injected_faults, update
from tests.plugin.support.core_release import core, release
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.releases import put_release, trust_test_key
from tests.plugin.support.siteagent_release import NEXT, package
from tests.plugin.support.translations import FIRST, translate
from tests.support.selection import nightly
from tests.support.watcher import Watcher
from tests.wordpress.site import WordPress


@pytest.fixture(scope="module", params=nightly("oldest", "newest"))
def shop(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    """A real WordPress with SiteAgent active and no permissions granted."""
    site = WordPress.start(request.param, siteagent="active")
    yield site
    site.stop()


@pytest.fixture(scope="module")
def agency(shop: WordPress) -> Iterator[RunningAura]:
    running = RunningAura()
    yield running
    running.remove()


@pytest.fixture
def wp_admin(page: Page, shop: WordPress) -> Page:
    tab = page.context.new_page()
    wp_admin_pages.sign_in(tab, shop)
    return tab


@pytest.fixture
def ben(browser: Browser) -> Iterator[Page]:
    """A separate browser for Ben."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(30_000)
    tab = context.new_page()
    watcher = Watcher(context)
    yield tab
    context.close()
    assert watcher.complaints == []


def propose_together(ben: Page, agency: RunningAura, names: list[str], reason: str) -> str:
    """Propose several updates as Ben; return the address of the approval page."""
    ben.goto(f"{agency.url}/updates?site=1")
    for name in names:
        ben.locator(".rows-updates tbody tr").filter(has_text=name).get_by_role("checkbox").check()
    ben.get_by_role("button", name=f"Review {len(names)} updates").click()
    request_approval(ben, reason)
    return ben.url


def test_a_proposed_update_is_approved_and_installed(
    page: Page,
    ben: Page,
    wp_admin: Page,
    agency: RunningAura,
    shop: WordPress,
    album: Album,
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    pair(page, wp_admin, agency, shop)
    invite_ben(page, ben, agency)

    # Before the owner allows it, nothing can be proposed, and the page says why.
    aura_pages.open_site(page, agency, NAME)
    aura_pages.open_tab(page, "Plugins & themes")
    expect(page.locator("main")).to_contain_text(f"Not allowed on {NAME}: plugin updates")
    row = page.locator("#plugins tbody tr").filter(has_text=DESK)
    expect(row).to_contain_text("Blocked")
    allow(wp_admin, shop, "plugins", "themes", "translations")
    album.wp_admin(wp_admin, "wp-admin-permissions")
    sync(page, agency)

    # Ben proposes, Ana approves exactly that.
    assert installed(shop) == "2.3.1"
    address = propose(ben, agency, DESK, "Mends the spam filter")
    album.show(ben, "proposal")
    approve(page, address)
    outcome(page, "Succeeded")
    album.show(page, "change-succeeded")
    expect(page.locator("#evidence")).to_contain_text("2.4.0")
    assert installed(shop) == "2.4.0"
    assert look(shop, "return is_plugin_active('contact-desk/contact-desk.php');") is True
    assert "SiteAgent" not in shop.debug_log()


def test_a_theme_and_a_translation_are_approved_in_one_go(
    page: Page, ben: Page, agency: RunningAura, shop: WordPress, album: Album
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    translate(RealWordPress(shop), FIRST)
    look(shop, "delete_site_transient('update_plugins'); return 1;")
    sync(page, agency)
    names = ["Coastline", "contact-desk (de_DE)"]
    address = propose_together(ben, agency, names, "Before the autumn sale")
    page.goto(address)
    album.show(page, "approve-together")
    page.get_by_role("button", name="Approve and install 2 updates").click()
    expect(page.get_by_text("All updated: 2 updates")).to_be_visible(timeout=180_000)
    assert look(shop, "return wp_get_theme('coastline')->get('Version');") == "1.3.0"
    german = "return is_file(WP_LANG_DIR . '/plugins/contact-desk-de_DE.mo');"
    assert look(shop, german) is True


def test_a_version_that_breaks_the_site_is_rolled_back(
    page: Page, ben: Page, agency: RunningAura, shop: WordPress, album: Album
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    update(RealWordPress(shop), "contact-desk", "2.5.0")
    look(shop, "delete_site_transient('update_plugins'); return 1;")
    sync(page, agency)
    address = propose(ben, agency, DESK, "New month, new version")
    approve(page, address)
    outcome(page, "Rolled back")
    album.show(page, "change-rolled-back")
    assert installed(shop) == "2.4.0"
    assert requests.get(shop.url, timeout=30).status_code == 200
    left = "return array_merge(glob(WPMU_PLUGIN_DIR . '/siteagent*'), glob(ABSPATH . '.maint*'));"
    assert look(shop, left) == []


def test_a_version_that_breaks_only_the_front_page_is_rolled_back(
    page: Page, ben: Page, agency: RunningAura, shop: WordPress
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    update(RealWordPress(shop), "contact-desk", "2.5.1")
    look(shop, "delete_site_transient('update_plugins'); return 1;")
    sync(page, agency)
    address = propose(ben, agency, DESK, "The one after that")
    approve(page, address)
    outcome(page, "Rolled back")
    assert installed(shop) == "2.4.0"
    assert requests.get(shop.url, timeout=30).status_code == 200


def test_a_version_changed_after_approval_is_refused(
    page: Page, ben: Page, agency: RunningAura, shop: WordPress
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    sync(page, agency)
    address = propose(ben, agency, DESK, "Once more")
    update(RealWordPress(shop), "contact-desk", "2.5.4")
    look(shop, "delete_site_transient('update_plugins'); return 1;")
    approve(page, address)
    outcome(page, "Refused")
    expect(page.locator("main")).to_contain_text("WordPress now lists another version")
    assert installed(shop) == "2.4.0"


def test_an_update_longer_than_the_timeout_runs_once(
    page: Page, ben: Page, agency: RunningAura, shop: WordPress, album: Album
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    sync(page, agency)
    address = propose(ben, agency, "Tide Gallery", "A slow host")
    with injected_faults(RealWordPress(shop), sleep={"download": int(REQUEST_TIMEOUT_S) + 10}):
        approve(page, address)
        expect(page.locator("main .badges .badge").first).to_contain_text(
            "Result unknown", timeout=(REQUEST_TIMEOUT_S + 60) * 1_000
        )
        album.show(page, "change-unknown")
        expect(page.locator("main .badges .badge").first).to_contain_text(
            "Succeeded", timeout=400_000
        )
    begun = page.locator("#activity").get_by_text("started")
    assert begun.count() == 1
    gallery = "WP_PLUGIN_DIR . '/tide-gallery/tide-gallery.php'"
    version = look(shop, f"return get_file_data({gallery}, array('v' => 'Version'))['v'];")
    assert version == "1.1.0"


def test_a_package_with_a_false_version_is_refused(
    page: Page, ben: Page, agency: RunningAura, shop: WordPress
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    update(RealWordPress(shop), "contact-desk", "2.5.3")
    look(shop, "delete_site_transient('update_plugins'); return 1;")
    sync(page, agency)
    address = propose(ben, agency, DESK, "It says that it is 2.5.3")
    approve(page, address)
    outcome(page, "Refused")
    expect(page.locator("main")).to_contain_text("the package does not contain what it claims")
    assert installed(shop) == "2.4.0"


def test_siteagent_itself_is_updated_and_still_answers(
    page: Page, ben: Page, wp_admin: Page, agency: RunningAura, shop: WordPress, album: Album
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    trust_test_key(RealWordPress(shop))
    put_release(agency.plugin_release, NEXT, package())
    look(shop, "delete_site_transient('update_plugins'); return 1;")
    allow(wp_admin, shop, "siteagent")
    sync(page, agency)
    address = propose(ben, agency, "SiteAgent", "Learns something new")
    album.show(ben, "proposal-siteagent")
    approve(page, address)
    outcome(page, "Succeeded")
    sync(page, agency)
    aura_pages.open_tab(page, "Plugins & themes")
    row = page.locator("#plugins tbody tr").filter(has_text="siteagent/siteagent.php")
    expect(row).to_contain_text("0.2.0")
    assert look(shop, "return SITEAGENT_VERSION;") == "0.2.0"


def test_a_minor_wordpress_release_is_reviewed_separately(
    page: Page, ben: Page, wp_admin: Page, agency: RunningAura, shop: WordPress, album: Album
) -> None:
    aura_pages.set_up_or_sign_in(page, agency)
    invite_ben(page, ben, agency)
    step = core(RealWordPress(shop))
    release(RealWordPress(shop), step["to"], step["to"])
    ben.goto(f"{agency.url}/updates/blocked?site=1")
    expect(ben.locator("main")).to_contain_text("Not allowed on this site")
    expect(ben.locator("main")).to_contain_text("WordPress updates this automatically")
    look(shop, "return update_site_option('auto_update_core_minor', 'disabled');")
    allow(wp_admin, shop, "core_minor")
    sync(page, agency)
    address = propose(ben, agency, "WordPress Core", "Security release")
    album.show(ben, "proposal-core")
    approve(page, address)
    outcome(page, "Succeeded")
    assert look(shop, "return get_bloginfo('version');") == step["to"]
    assert requests.get(shop.url, timeout=30).status_code == 200


def test_the_audit_log_of_the_updates_is_valid(agency: RunningAura) -> None:
    assert agency.flask("audit", "verify").startswith("Audit log verified")
