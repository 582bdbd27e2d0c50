"""Find problems of a page: accessibility in both themes, and overflow at narrow widths."""

from __future__ import annotations

from collections.abc import Sequence

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_WIDTHS = (320, 360, 600, 1280)


def problems_of(page: Page, name: str, widths: Sequence[int] = _WIDTHS) -> list[str]:
    """Return what axe finds in light and dark, and the widths (px) at which the page is too wide.

    `name` is part of each message. The page is 1280 px wide afterwards.
    """
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for rule in Axe().run(page).response["violations"]:
            found += [f"{name} ({scheme}) {rule['id']}: {one['html']}" for one in rule["nodes"][:3]]
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        excess = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        if page.evaluate(excess) > 0:
            found.append(f"{name} is too wide at {width} px")
    page.set_viewport_size({"width": 1280, "height": 900})
    return found
