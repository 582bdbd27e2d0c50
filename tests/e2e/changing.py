"""Propose, approve and watch updates in the pages of Aura."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e import aura_pages, wp_admin_pages
from tests.e2e.running_aura import RunningAura
from tests.plugin.support.real_wordpress import RealWordPress
from tests.wordpress.site import WordPress

NAME = "Harbour Bakery"


BEN = "Ben Okafor"


BENS_EMAIL = "ben@harbour-agency.example"


BENS_PASSWORD = "willow anchor biscuit lantern"


DESK = "Contact Desk"


_OUTCOME_WAIT_MS = 180_000


def look(shop: WordPress, code: str) -> object:
    return RealWordPress(shop).evaluate(code)


def installed(shop: WordPress) -> str:
    """Return the version on the site's disk, without any cache."""
    path = "WP_PLUGIN_DIR . '/contact-desk/contact-desk.php'"
    return str(look(shop, f"return get_file_data({path}, array('v' => 'Version'))['v'];"))


def sync(page: Page, agency: RunningAura) -> None:
    aura_pages.open_site(page, agency, NAME)
    aura_pages.sync(page)


def pair(page: Page, wp_admin: Page, agency: RunningAura, shop: WordPress) -> None:
    aura_pages.add_site(page, agency, shop.url, NAME, "Harbour Bakery Ltd")
    token = aura_pages.create_token(page)
    wp_admin_pages.paste_token(wp_admin, shop, token)
    wp_admin_pages.agree(wp_admin)
    aura_pages.wait_for_pairing(page)
    aura_pages.wait_for_report(page)


def allow(wp_admin: Page, shop: WordPress, *permissions: str) -> None:
    """Allow updates in wp-admin, as the site's owner."""
    wp_admin_pages.open_settings(wp_admin, shop, "&tab=permissions")
    for permission in permissions:
        wp_admin.locator(f"#siteagent-permission-{permission}").check()
    wp_admin.get_by_role("button", name="Save Changes").click()
    expect(wp_admin.locator(f"#siteagent-permission-{permissions[0]}")).to_be_checked()


def invite_ben(page: Page, ben: Page, agency: RunningAura) -> None:
    page.goto(f"{agency.url}/team")
    if page.get_by_text(BENS_EMAIL).count() == 0:
        page.get_by_label("Name", exact=True).fill(BEN)
        page.get_by_label("E-mail").fill(BENS_EMAIL)
        page.get_by_label("Role").select_option("operator")
        page.get_by_role("button", name="Create invitation").click()
        ben.goto(page.get_by_label("One-time link for").input_value())
        ben.get_by_label("Password", exact=True).fill(BENS_PASSWORD)
        ben.get_by_label("Repeat password").fill(BENS_PASSWORD)
        ben.get_by_role("button", name="Set password and sign in").click()
    else:
        ben.goto(f"{agency.url}/sign-in")
        ben.get_by_label("E-mail").fill(BENS_EMAIL)
        ben.get_by_label("Password").fill(BENS_PASSWORD)
        ben.get_by_role("button", name="Sign in").click()
    expect(ben.get_by_role("link", name="Overview")).to_be_visible()


def propose(ben: Page, agency: RunningAura, name: str, reason: str) -> str:
    """Propose an update as Ben; return the address of its page."""
    ben.goto(f"{agency.url}/updates?site=1")
    row = ben.locator(".rows-updates tbody tr").filter(has_text=name)
    assert row.count() == 1, ben.locator("main").inner_text()
    row.get_by_role("button", name="Review").click()
    request_approval(ben, reason)
    ben.locator(".batch-groups a[href^='/changes/']").first.click()
    expect(ben.get_by_text("Waiting for approval").first).to_be_visible()
    return ben.url


def request_approval(ben: Page, reason: str) -> None:
    """Wait for all pre-checks and request approval, as Ben."""
    button = ben.get_by_role("button", name="Request approval instead")
    expect(button).to_be_visible(timeout=_OUTCOME_WAIT_MS)
    expect(ben.get_by_text("Done", exact=True)).to_be_visible(timeout=_OUTCOME_WAIT_MS)
    ben.get_by_label("Reason").fill(reason)
    button.click()
    expect(ben.get_by_text("Approval requested for")).to_be_visible()


def approve(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Approve update to").click()


def outcome(page: Page, word: str) -> None:
    """Wait until the page shows the result of the update."""
    expect(page.locator("main .badges .badge").first).to_contain_text(
        word, timeout=_OUTCOME_WAIT_MS
    )
