"""Every page is used by keyboard alone and without scripts: all of it is there, and is reached."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.crawl import crawl
from tests.support.page_steps import sign_in
from tests.support.running_fleet import RunningFleet

pytestmark = pytest.mark.nightly

# What Tab has to reach, in the order of the document, unless it is not shown.
_REACHABLE = """() => {
  const all = "a[href], button, input:not([type=hidden]), select, textarea, summary";
  const groups = new Set();
  return [...document.querySelectorAll(all)].filter(one => {
    if (one.disabled || one.tabIndex < 0 || !one.checkVisibility({visibilityProperty: true}))
      return false;
    // Of radio buttons with one name, Tab reaches one.
    if (one.type !== "radio") return true;
    if (groups.has(one.name)) return false;
    return groups.add(one.name);
  }).map((one, number) => one.dataset.stop = number).length;
}"""
_FOCUSED = """() => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect(), style = getComputedStyle(one);
  const marked = style.outlineStyle !== "none" || style.boxShadow !== "none";
  // The part of a date that has the focus is highlighted instead.
  const isMarked = marked || one.type === "date" || one.type === "time";
  const isShown = box.width > 0 && box.height > 0 && isMarked;
  const group = one.type === "radio" && document.querySelector(`[name="${one.name}"][data-stop]`);
  return {html: one.outerHTML.slice(0, 120), isShown, stop: (group || one).dataset.stop};
}"""


@pytest.fixture
def page(browser: Browser, fleet: RunningFleet) -> Iterator[Page]:
    """The page of an owner whose browser runs no scripts."""
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    context.set_default_timeout(30_000)
    fresh = context.new_page()
    fresh.goto(f"{fleet.url}/sign-in")
    sign_in(fresh, fleet, fleet.email_of("owner"))
    yield fresh
    context.close()


def walk(page: Page) -> list[str]:
    """Press Tab through the page; return what is wrong on the way."""
    found, missing = [], {str(number) for number in range(int(page.evaluate(_REACHABLE)))}
    # A page may begin in its form, and a date has several parts.
    for _ in range(2 * len(missing) + 20):
        if not missing:
            break
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused is None:
            continue
        missing.discard(focused["stop"])
        if not focused["isShown"]:
            found.append(f"focus is not visible: {focused['html']}")
    left = [page.locator(f"[data-stop='{number}']").inner_html() for number in sorted(missing)]
    return [*found, *(f"Tab does not reach {one}" for one in left)]


def test_tab_reaches_every_control_and_the_focus_is_visible(
    page: Page, fleet: RunningFleet
) -> None:
    problems, kinds = [], []

    def fetch(address: str) -> str:
        page.goto(fleet.url + address)
        return page.content()

    for address, _ in crawl(fetch):
        kinds.append(address)
        problems += [f"{address}: {one}" for one in walk(page)]
    print(f"{len(kinds)} kinds of pages")
    assert not problems, "\n".join(problems)
    # Pages that monitoring and notifications added, which links lead to.
    for part in ("/uptime", "/vulnerabilities", "/settings/vulnerabilities", "/settings/webhooks",
                 "/settings/email", "/settings/single-sign-on", "/settings/windows"):  # fmt: skip
        assert any(part in address for address in kinds), part


@pytest.mark.parametrize(
    ("path", "label", "typed", "button", "said"),
    [
        ("/sites/:up/uptime", "Phrase on the page", "Fresh bread", "Save settings",
         "Uptime checks saved"),
        ("/settings/vulnerabilities", "Key", "wf-key-0123456789", "Save key", "Key saved"),
        ("/settings/single-sign-on", "Issuer", "http://accounts.example", "Save provider",
         "Enter an address that begins with https://"),
    ],
)  # fmt: skip
def test_a_form_is_filled_in_and_sent_by_keyboard(
    page: Page, fleet: RunningFleet, path: str, label: str, typed: str, button: str, said: str
) -> None:
    page.goto(f"{fleet.url}/sites?q=&sort=name&state=healthy")
    site = re.search(r'class="cell-name" href="/sites/(\d+)"', page.content())
    assert site is not None
    page.goto(fleet.url + path.replace(":up", site[1]))
    field = page.get_by_role("textbox", name=re.compile(f"^{label}"))
    press_until(page, re.escape(str(field.get_attribute("id"))))
    page.keyboard.press("Control+A")
    page.keyboard.type(typed)
    press_until(page, re.escape(button))
    page.keyboard.press("Enter")
    expect(page.get_by_text(said).first).to_be_visible()


def press_until(page: Page, pattern: str) -> None:
    """Press Tab until what has the focus matches."""
    for _ in range(200):
        page.keyboard.press("Tab")
        html = str(page.evaluate("document.activeElement.outerHTML"))
        if re.search(pattern, html):
            return
    raise AssertionError(f"Tab does not reach {pattern}")
