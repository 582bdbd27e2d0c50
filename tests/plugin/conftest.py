"""A real WordPress for each test here, the oldest supported and the newest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.plugin.support.changing import grant
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.real_wordpress import RealWordPress
from tests.plugin.support.signed_requests import connect, forget
from tests.wordpress.site import PhpFailed, WordPress


@pytest.fixture(scope="session")
def running_sites() -> Iterator[dict[str, WordPress]]:
    """The sites started so far, by machine; they live until the end of the run."""
    running: dict[str, WordPress] = {}
    yield running
    for site in running.values():
        site.stop()


@pytest.fixture(scope="module", params=["oldest", "newest"])
def wp(request: pytest.FixtureRequest, running_sites: dict[str, WordPress]) -> RealWordPress:
    """A WordPress with SiteAgent active, as if it had just been started.

    One site serves all modules. A module begins with everything the ones before it changed put
    back: the tables, the files below wp-content, wp-config.php, and what WordPress.org offers.
    """
    which = request.param
    if which not in running_sites or not _is_reset(running_sites[which]):
        running_sites[which] = WordPress.start(which)
        # Or every module would begin with it, beside its first test.
        running_sites[which].run_scheduled_work()
        running_sites[which].keep()
    return RealWordPress(running_sites[which])


@pytest.fixture(scope="module")
def paired(request: pytest.FixtureRequest, wp: RealWordPress) -> Iterator[Paired]:
    """A connection that has the permissions which the module names in `GRANTED`, if any."""
    forget(wp)
    connected = connect(wp)
    if granted := getattr(request.module, "GRANTED", ()):
        grant(wp, *granted)
    yield connected
    forget(wp)


def _is_reset(site: WordPress) -> bool:
    """Put the site back, or remove it: where a test broke it, every later one would fail."""
    try:
        site.reset()
    except (PhpFailed, requests.RequestException):
        site.stop()
        return False
    return True
