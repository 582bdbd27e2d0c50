"""Two people pair a site on which SiteAgent is active, each at their own screen."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.e2e import aura_pages, wp_admin_pages
from tests.e2e.running_aura import RunningAura
from tests.wordpress.site import WordPress


def open_healthy_site(page: Page, aura: RunningAura, site: WordPress, name: str) -> None:
    """Sign in and open the site's page; the first to ask for it adds and pairs it."""
    aura_pages.set_up_or_sign_in(page, aura)
    page.goto(f"{aura.url}/sites")
    if not page.locator("main").get_by_role("link", name=name).count():
        aura_pages.add_site(page, aura, site.url, name)
        token = aura_pages.create_token(page)
        wp_admin = page.context.new_page()
        wp_admin_pages.sign_in(wp_admin, site)
        wp_admin_pages.paste_token(wp_admin, site, token)
        wp_admin_pages.agree(wp_admin)
        aura_pages.wait_for_pairing(page)
        wp_admin.close()
    aura_pages.open_site(page, aura, name)
    aura_pages.wait_for_report(page)
    expect(page.locator(".badges")).to_contain_text("Connected")
