"""wp-admin as an administrator uses it in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.wordpress.site import WordPress

_PAIRING_WAIT_MS = 60_000


def sign_in(page: Page, site: WordPress) -> None:
    page.goto(f"{site.url}/wp-login.php")
    # WordPress moves the focus by a script of its own while one types.
    page.wait_for_timeout(300)
    page.locator("#user_login").fill(site.admin_user)
    page.locator("#user_pass").fill(site.admin_password)
    page.locator("#wp-submit").click()
    page.wait_for_url("**/wp-admin/**")


def install_plugin(page: Page, site: WordPress, package: Path) -> None:
    """Plugins → Add New → Upload Plugin → Activate, which leads to SiteAgent's settings."""
    page.goto(f"{site.url}/wp-admin/plugin-install.php?tab=upload")
    page.locator("#pluginzip").set_input_files(package)
    page.locator("#install-plugin-submit").click()
    page.get_by_role("link", name="Activate Plugin").click()
    expect(page.get_by_text("SiteAgent is active.")).to_be_visible()


def open_settings(page: Page, site: WordPress, query: str = "") -> None:
    page.goto(f"{site.url}/wp-admin/options-general.php?page=siteagent{query}")


def paste_token(page: Page, site: WordPress, token: str) -> None:
    """Paste the token and continue to the consent page."""
    open_settings(page, site)
    page.get_by_label("Pairing token").fill(token)
    page.get_by_role("button", name="Check token").click()


def agree(page: Page) -> None:
    page.get_by_role("button", name="Connect", exact=True).click()


def wait_for_pairing(page: Page) -> str:
    """Wait until wp-admin shows that the site is connected; return the fingerprint."""
    shown = page.locator("code.siteagent-fingerprint")
    shown.wait_for(timeout=_PAIRING_WAIT_MS)
    return shown.inner_text()


def disconnect(page: Page, site: WordPress) -> None:
    open_settings(page, site)
    page.get_by_role("link", name="Disconnect …").click()
    page.get_by_role("button", name="Disconnect", exact=False).click()
