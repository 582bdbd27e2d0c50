"""A real browser, and a fleet of simulated sites in a real Aura."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.support.running_fleet import RunningFleet

# The number of sites in the documented page budgets.
SITES = 60


@pytest.fixture(scope="session")
def fleet() -> Iterator[RunningFleet]:
    running = RunningFleet(SITES)
    yield running
    running.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """An empty browser context."""
    fresh = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
    fresh.set_default_timeout(30_000)
    yield fresh
    fresh.close()
