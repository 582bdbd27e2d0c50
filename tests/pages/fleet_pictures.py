"""The pictures in docs/img that show sixty sites; `make screenshots` takes them after the others.

Those of a real WordPress come from tests/e2e/album.py.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.support.chromium import running_chromium
from tests.support.page_steps import sign_in
from tests.support.running_fleet import RunningFleet

_FOLDER = Path(__file__).parents[2] / "docs" / "img"
_WIDTHS = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 360, "height": 780}}
# How long the sites may take to answer their pre-checks.
_PATIENCE_MS = 120_000
# Pages with an address of their own.
_PAGES = {
    "overview": "/",
    "sites": "/sites",
    "updates": "/updates",
    "blocked": "/updates/blocked",
    "done": "/updates/done",
    "rules": "/auto-update-rules",
    "sources": "/plugins/sources",
    "clients": "/clients",
    "activity": "/activity",
    "alerts": "/alerts",
    "settings": "/settings",
    "agency": "/settings/agency",
    "system": "/settings/system",
}
# A page that is opened from another one: where, and what its address is like.
_LINKED = {
    "client": ("/clients", r"/clients/\d+"),
    "plugin": ("/plugins/sources", r"/plugins/(?!sources).+"),
    "change-pages": ("/updates/done", r"(/changes/\d+)#pages"),
    "batch": ("/updates/done", r"/updates/[0-9a-f-]{36}"),
    "rollout": ("/updates/running", r"/updates/[0-9a-f-]{36}"),
}


def main() -> None:
    """Write the pictures again."""
    fleet = RunningFleet(60)
    try:
        with running_chromium() as chromium:
            page = chromium.new_context(locale="en-GB").new_page()
            page.goto(f"{fleet.url}/sign-in")
            sign_in(page, fleet, fleet.email_of("owner"))
            for name, address in _PAGES.items():
                page.goto(fleet.url + address)
                _photograph(page, name)
            for name, (address, pattern) in _LINKED.items():
                page.goto(fleet.url + address)
                page.goto(fleet.url + _target(page, pattern))
                _photograph(page, name)
            _review_first(page, fleet)
    finally:
        fleet.stop()


def _target(page: Page, pattern: str) -> str:
    """Return the first address on the page that fits, without its place in the other page."""
    links = page.locator("#content a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    found = next(href for href in links if re.fullmatch(pattern, href or ""))
    return str(found).partition("#")[0]


def _review_first(page: Page, fleet: RunningFleet) -> None:
    """Review the first update of the list, and approve it."""
    page.set_viewport_size(_WIDTHS["wide"])
    page.goto(f"{fleet.url}/updates")
    page.get_by_role("button", name="Review").filter(visible=True).first.click()
    approve = page.get_by_role("button", name="Approve and update")
    expect(approve).to_be_enabled(timeout=_PATIENCE_MS)
    _photograph(page, "review")
    approve.click()
    _photograph(page, "running")


def _photograph(page: Page, name: str) -> None:
    for width, size in _WIDTHS.items():
        page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            path = _FOLDER / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True, animations="disabled")
    page.set_viewport_size(_WIDTHS["wide"])


if __name__ == "__main__":
    main()
