"""Use Aura's pages by the labels of buttons and fields."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.running_aura import RunningAura

OWNER = "Ana Moreau"
EMAIL = "ana@harbour-agency.example"
PASSWORD = "copper kettle orchard violin"
_REPORT_WAIT_MS = 60_000
_SYNC_WAIT_MS = 90_000


def set_up_or_sign_in(page: Page, aura: RunningAura) -> None:
    """Become the owner by the printed link, or sign in as the owner one is already."""
    page.goto(f"{aura.url}/sign-in")
    if page.get_by_text("No account exists yet").is_visible():
        page.goto(aura.setup_link)
        fill_in_owner(page)
        page.get_by_role("button", name="Create owner account").click()
    else:
        page.get_by_label("E-mail").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()


def fill_in_owner(page: Page) -> None:
    """Type the owner's name and password on the page of the set-up link."""
    page.get_by_label("Your name").fill(OWNER)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Repeat password").fill(PASSWORD)


def add_site(page: Page, aura: RunningAura, url: str, name: str, client: str = "") -> None:
    page.goto(f"{aura.url}/sites/new")
    form = page.locator("main")
    form.get_by_label("Address").fill(url)
    form.get_by_label("Name", exact=False).first.fill(name)
    form.get_by_label("Client").fill(client)
    form.get_by_role("button", name="Add site only").click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def create_token(page: Page) -> str:
    """Return the token, which is shown once."""
    page.get_by_role("button", name="Create pairing token").click()
    return page.get_by_label("Pairing token for").input_value()


def download_plugin(page: Page, folder: Path) -> Path:
    with page.expect_download() as started:
        page.get_by_role("link", name="Download siteagent.zip").click()
    path = folder / "siteagent.zip"
    started.value.save_as(path)
    return path


def wait_for_pairing(page: Page) -> str:
    """Wait until the page shows that the site is paired; return the fingerprint."""
    shown = page.locator(".fingerprint-big")
    shown.wait_for(timeout=_REPORT_WAIT_MS)
    return shown.inner_text()


def wait_for_report(page: Page) -> None:
    page.get_by_role("heading", name="Facts").wait_for(timeout=_REPORT_WAIT_MS)


def open_site(page: Page, aura: RunningAura, name: str) -> None:
    """Open a site's page from the list; fails with the text of the page if it is not there."""
    page.goto(f"{aura.url}/sites")
    main = page.locator("main")
    link = main.get_by_role("link", name=name)
    assert link.count() == 1, main.inner_text()
    link.click()


def sync(page: Page) -> None:
    """Sync the site whose page is open, and wait until the result is shown."""
    # The page with the button looks like the one after the sync, so its end is waited for.
    with page.expect_navigation():
        page.get_by_role("button", name="Sync now").click()
    page.get_by_role("link", name="Refresh now").wait_for(state="detached", timeout=_SYNC_WAIT_MS)


def open_tab(page: Page, name: str) -> None:
    """Open one of the pages of a site."""
    page.locator("nav.tabs").get_by_role("link", name=name).click()


def revoke(page: Page, name: str) -> None:
    open_tab(page, "Connection")
    page.get_by_role("button", name=f"Revoke access to {name}").click()


def plugin_row(page: Page, name: str) -> str:
    """Return the row of a plugin in the table of plugins."""
    open_tab(page, "Plugins & themes")
    row = page.locator("#plugins tbody tr").filter(has_text=name)
    return " ".join(row.inner_text().split())
