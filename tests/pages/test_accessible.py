"""Every page in a real browser: accessible, at every width, light and dark, without scrolling."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from tests.support.crawl import crawl
from tests.support.page_steps import sign_in
from tests.support.running_fleet import RunningFleet
from tests.support.watcher import Watcher

pytestmark = pytest.mark.nightly

_WIDTHS = (320, 360, 768, 1280, 1600)
_PHONE_HEIGHT = 640
_MOST_SCREENS = 2


def _violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['html'][:120]}"
        for rule in found
        for node in rule["nodes"][:3]
    ]


def _excess(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    return int(
        page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    )


_FIRST_ACTION = """() => {
  const heading = document.querySelector("main h1");
  const actions = "main :is(a, button, summary, select, input:not([type=hidden]))";
  const tops = [...document.querySelectorAll(actions)]
    .filter(one => heading.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING)
    .map(one => one.getBoundingClientRect()).filter(box => box.height).map(box => box.top);
  return tops.length ? Math.min(...tops) : 0;
}"""


def _screens_to_first_action(page: Page) -> float:
    """Return how many phone screens are above the first control below the heading."""
    page.set_viewport_size({"width": 360, "height": _PHONE_HEIGHT})
    return float(page.evaluate(_FIRST_ACTION)) / _PHONE_HEIGHT


@pytest.mark.parametrize("role", ["owner", "client"])
def test_every_page_is_accessible_at_every_width(
    context: BrowserContext, fleet: RunningFleet, role: str
) -> None:
    watcher, page = Watcher(context), context.new_page()
    page.goto(f"{fleet.url}/sign-in")
    problems = [f"/sign-in {one}" for one in _violations(page)]
    sign_in(page, fleet, fleet.email_of(role))

    def fetch(address: str) -> str:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(fleet.url + address)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            problems.extend(f"{address} ({scheme}) {one}" for one in _violations(page))
        for width in _WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            if (excess := _excess(page)) > 0:
                problems.append(f"{address} is {excess} px too wide at {width} px")
        if (screens := _screens_to_first_action(page)) > _MOST_SCREENS:
            problems.append(f"{address} has its first action after {screens:.1f} screens")
        return page.content()

    pages = [address for address, _ in crawl(fetch)]
    assert len(pages) > 5
    assert not problems, "\n".join(problems)
    assert watcher.complaints == []
