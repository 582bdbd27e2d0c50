"""Pictures of pages, wide and narrow, light and dark: taken when AURA_WRITE_SCREENSHOTS is set.

Each page is also checked at 360 px: nothing may be wider than the window.
"""

from __future__ import annotations

import os
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_FOLDER = Path(__file__).parents[2] / "docs" / "img"
_WIDE = {"width": 1280, "height": 900}
_NARROW = {"width": 360, "height": 780}


class Album:
    """Writer of pictures to docs/img, as `name-wide-light.png` and so on."""

    def __init__(self) -> None:
        self._is_open = bool(os.environ.get("AURA_WRITE_SCREENSHOTS"))
        if self._is_open:
            _FOLDER.mkdir(parents=True, exist_ok=True)

    def show(self, page: Page, name: str, *, at: str = "") -> None:
        """Measure this page, and write four pictures of it if enabled.

        The pictures are of the whole page, or of the window from the element `at` on.
        """
        for width, size in (("narrow", _NARROW), ("wide", _WIDE)):
            page.set_viewport_size(size)
            sticking_out = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert sticking_out <= 0, f"{name} is {sticking_out} px too wide at {size['width']} px"
            if not self._is_open:
                continue
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                path = _FOLDER / f"{name}-{width}-{scheme}.png"
                if at:
                    page.locator(at).evaluate("element => element.scrollIntoView()")
                page.screenshot(path=path, full_page=not at, animations="disabled")
            page.emulate_media(color_scheme="light")

    def wp_admin(self, page: Page, name: str) -> None:
        """Check SiteAgent's part of a wp-admin page, and take its picture, in its one look."""
        found = Axe().run(page, context=".wrap").response["violations"]
        problems = [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]
        assert problems == [], f"{name} is not accessible"
        if self._is_open:
            for width, size in (("narrow", _NARROW), ("wide", _WIDE)):
                page.set_viewport_size(size)
                page.screenshot(path=_FOLDER / f"{name}-{width}.png", animations="disabled")
            page.set_viewport_size(_WIDE)
