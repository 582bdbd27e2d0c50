"""Run each test on a real WordPress: the oldest supported version and the newest."""

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
    """Collect the sites by version; stop them at the end of the run."""
    running: dict[str, WordPress] = {}
    yield running
    for site in running.values():
        site.stop()


@pytest.fixture(scope="module", params=["oldest", "newest"])
def wp(request: pytest.FixtureRequest, running_sites: dict[str, WordPress]) -> RealWordPress:
    """Return a WordPress with SiteAgent active, in its initial state.

    All modules share one site. Before each module the tables, the files below wp-content,
    wp-config.php and the updates on WordPress.org are restored.
    """
    version = request.param
    if version not in running_sites or not _is_reset(running_sites[version]):
        running_sites[version] = WordPress.start(version)
        # Otherwise scheduled events would run during the first test of every module.
        running_sites[version].run_scheduled_work()
        running_sites[version].keep()
    return RealWordPress(running_sites[version])


@pytest.fixture(scope="module")
def paired(request: pytest.FixtureRequest, wp: RealWordPress) -> Iterator[Paired]:
    """Connect the site, with the permissions that the module lists in `GRANTED`, if any."""
    forget(wp)
    connection = connect(wp)
    if granted := getattr(request.module, "GRANTED", ()):
        grant(wp, *granted)
    yield connection
    forget(wp)


def _is_reset(site: WordPress) -> bool:
    """Reset the site and return True, or stop it if a test has broken it."""
    try:
        site.reset()
    except (PhpFailed, requests.RequestException):
        site.stop()
        return False
    return True
