"""A real browser, a real Aura, and a real WordPress without SiteAgent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.album import Album
from tests.e2e.running_aura import RunningAura
from tests.support.selection import nightly
from tests.support.watcher import Watcher
from tests.wordpress.site import WordPress

# The same timeout as all other steps, because other tests may use the same processors.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module", params=[*nightly("oldest", "middle"), pytest.param("newest")])
def wordpress(request: pytest.FixtureRequest) -> Iterator[WordPress]:
    # The docs show pictures of the newest WordPress, so the hostile plugin is on another one.
    site = WordPress.start(request.param, siteagent="absent", hostile=request.param == "oldest")
    yield site
    site.stop()


@pytest.fixture(scope="module")
def aura(wordpress: WordPress) -> Iterator[RunningAura]:
    """An Aura for this WordPress only."""
    running = RunningAura()
    yield running
    running.remove()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser tab. A forbidden action of a page fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    context.set_default_timeout(30_000)
    tab = context.new_page()
    watcher = Watcher(context)
    yield tab
    context.close()
    assert watcher.complaints == []


@pytest.fixture(scope="session")
def album() -> Album:
    return Album()
