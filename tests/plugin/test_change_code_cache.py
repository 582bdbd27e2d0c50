"""Updates while PHP runs cached code: none succeeds before the new code has run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.plugin.support.changing import (
    DESK,
    ApprovedChange,
    disk,
    item_of,
    reset,
    same_files,
    update,
    version,
)
from tests.plugin.support.servers import php_settings
from tests.wordpress.engine import docker

_PLUGIN = "/var/www/wordpress/wp-content/plugins/contact-desk"
# Hosts restrict the cache API so that one customer cannot empty the cache of another.
CACHE_SETTINGS = {
    "restrict_api": "opcache.restrict_api=/nowhere",
    "disabled function": "disable_functions=opcache_invalidate,opcache_reset",
    "rarely looked at": "opcache.restrict_api=/nowhere\nopcache.revalidate_freq=10",
    "never looked at": "opcache.restrict_api=/nowhere\nopcache.validate_timestamps=0",
    "open, never looked at": "opcache.validate_timestamps=0",
}
_EVERY_RUN = ("rarely looked at", "never looked at")

GRANTED = ("plugins",)


@pytest.fixture
def desk(wp, paired) -> Iterator[dict[str, Any]]:
    yield reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    assert disk(wp, DESK)["left"] == []


def fill_code_cache(wp) -> None:
    """Let the web server compile and cache the files on disk."""
    # Files younger than two seconds are not cached (opcache.file_update_protection).
    docker("exec", wp.container, "find", _PLUGIN, "-exec", "touch", "-d", "1 hour ago", "{}", "+")
    for _ in range(4):
        assert requests.get(wp.url, timeout=60).status_code == 200


@contextmanager
def without_watchdog(wp) -> Iterator[None]:
    """Make the must-use folder read-only, so SiteAgent cannot bypass the cache."""
    folder = "/var/www/wordpress/wp-content/mu-plugins"
    docker("exec", wp.container, "sh", "-c", f"chown root {folder} && chmod 0755 {folder}")
    try:
        yield
    finally:
        docker("exec", wp.container, "chown", "www-data", folder)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, id=name, marks=() if name in _EVERY_RUN else pytest.mark.nightly)
        for name, settings in CACHE_SETTINGS.items()
    ],
)
def test_a_broken_version_is_rolled_back_while_cached_code_runs(wp, paired, desk, settings) -> None:
    update(wp, "contact-desk", "2.5.1")
    with php_settings(wp, settings):
        fill_code_cache(wp)
        result = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1")).send()
        assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
        assert result["evidence"]["during"]["probe"] == "fatal"
        assert requests.get(wp.url, timeout=60).status_code == 200
    assert same_files(desk, disk(wp, DESK))


def test_a_good_version_is_confirmed_despite_the_code_cache(wp, paired, desk) -> None:
    with php_settings(wp, CACHE_SETTINGS["rarely looked at"]):
        fill_code_cache(wp)
        result = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0")).send()
    assert (result["outcome"], result["evidence"]["after"]["probe"]) == ("succeeded", "ok"), result
    assert result["evidence"]["watched_until"] is None


def test_without_a_watchdog_the_run_waits_for_a_short_cache_lifetime(wp, paired, desk) -> None:
    update(wp, "contact-desk", "2.5.1")
    with php_settings(wp, CACHE_SETTINGS["rarely looked at"]), without_watchdog(wp):
        fill_code_cache(wp)
        result = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1")).send()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
    assert result["evidence"]["took_ms"] >= 10_000
    assert version(wp, DESK) == "2.3.1"


def test_without_a_watchdog_a_permanent_cache_stays_unconfirmed(wp, paired, desk) -> None:
    """SiteAgent keeps the copy and restores it once a restarted PHP runs the new code."""
    update(wp, "contact-desk", "2.5.1")
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1"))
    with without_watchdog(wp):
        with php_settings(wp, CACHE_SETTINGS["never looked at"]):
            fill_code_cache(wp)
            result = change.send()
            assert result["outcome"] == "succeeded"
            assert result["evidence"]["after"]["probe"] == "could_not_tell"
            assert result["evidence"]["watched_until"] > time.time() + 3600
            assert any("go on running" in message for message in result["evidence"]["messages"])
            assert change.status()["evidence"]["watched_until"] is not None
        # PHP restarts at the end of php_settings().
        assert requests.get(wp.url, timeout=60).status_code == 500
        wp.evaluate(
            "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
            " { $data['run']['look_at'] = time() - 1; return $data; });"
        )
        result = change.status()
    assert (result["outcome"], result["reason"]) == ("rolled_back", "fatal_after"), result
    assert requests.get(wp.url, timeout=60).status_code == 200
