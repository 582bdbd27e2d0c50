"""`make album`: pictures of every page with sixty sites, wide and narrow, light and dark.

They are written to the folder `album`, with an index.html that shows them side by side.
"""

from __future__ import annotations

import re
import shutil
from html import escape
from pathlib import Path

from playwright.sync_api import Page

from tests.support.chromium import running_chromium
from tests.support.crawl import crawl, kind_of
from tests.support.page_steps import sign_in
from tests.support.running_fleet import RunningFleet

_FOLDER = Path(__file__).parents[2] / "album"
_SITES = 60
_WIDTHS = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 360, "height": 780}}
_SCHEMES = ("light", "dark")


def main() -> None:
    """Write the pictures again."""
    shutil.rmtree(_FOLDER, ignore_errors=True)
    _FOLDER.mkdir()
    fleet = RunningFleet(_SITES)
    try:
        with running_chromium() as chromium:
            names = []
            for person in ("owner", "client"):
                page = chromium.new_context(locale="en-GB").new_page()
                page.goto(f"{fleet.url}/sign-in")
                if person == "owner":
                    names.append(_photograph(page, "sign-in"))
                sign_in(page, fleet, fleet.email_of(person))
                names += _all_pages(page, fleet, person)
    finally:
        fleet.stop()
    _write_index(names)
    print(f"{len(names)} pages in {_FOLDER / 'index.html'}")


def _all_pages(page: Page, fleet: RunningFleet, person: str) -> list[str]:
    names: list[str] = []

    def fetch(address: str) -> str:
        page.set_viewport_size(_WIDTHS["wide"])
        page.goto(fleet.url + address)
        html = page.content()
        words = re.sub(r"\W+", "-", kind_of(address)).strip("-") or "overview"
        names.append(_photograph(page, f"{person}-{len(names):02}-{words}"))
        return html

    for _ in crawl(fetch):
        pass
    return names


def _photograph(page: Page, name: str) -> str:
    for width, size in _WIDTHS.items():
        page.set_viewport_size(size)
        for scheme in _SCHEMES:
            page.emulate_media(color_scheme=scheme)
            path = _FOLDER / f"{name}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=True, animations="disabled")
    return name


def _write_index(names: list[str]) -> None:
    rows = "".join(
        f"<h2>{escape(name)}</h2>"
        + "".join(
            f'<img src="{name}-{width}-{scheme}.png" alt="" style="max-width: 45%">'
            for width in _WIDTHS
            for scheme in _SCHEMES
        )
        for name in names
    )
    page = f"<!doctype html><meta charset=utf-8><title>Album</title>{rows}"
    (_FOLDER / "index.html").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
