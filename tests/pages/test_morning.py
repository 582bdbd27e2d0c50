"""The overview shows what needs a person without scrolling."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator

from tests.support.page_steps import sign_in
from tests.support.running_fleet import RunningFleet

pytestmark = pytest.mark.nightly

_FIRST_PX = 640


def _ends_at(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


@pytest.mark.parametrize("width", [360, 1280])
def test_sites_that_are_down_and_approvals_are_in_view(
    context: BrowserContext, fleet: RunningFleet, width: int
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": _FIRST_PX})
    page.goto(f"{fleet.url}/sign-in")
    sign_in(page, fleet, fleet.email_of("owner"))
    content = page.locator("#content")
    # Once its front page was checked as well, a site that is unreachable is down.
    down = content.get_by_text(re.compile(r"is (unreachable|down)$")).first
    assert _ends_at(down) <= _FIRST_PX
    approvals = content.get_by_text("your approval").filter(visible=True).first
    assert _ends_at(approvals) <= _FIRST_PX
