"""Updates where PHP goes on running code it compiled before: no success before the new code ran."""

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
# What hosts set so that one customer's code cannot empty the cache of another's.
CLOSED = {
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


def compiled(wp) -> None:
    """Have the web server compile what is on disk now, and keep it."""
    # Files younger than two seconds are not cached (opcache.file_update_protection).
    docker("exec", wp.container, "find", _PLUGIN, "-exec", "touch", "-d", "1 hour ago", "{}", "+")
    for _ in range(4):
        assert requests.get(wp.url, timeout=60).status_code == 200


@contextmanager
def no_watchdog(wp) -> Iterator[None]:
    """Must-use plugins cannot be added, so no request can be made past the cache."""
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
        for name, settings in CLOSED.items()
    ],
)
def test_a_version_that_breaks_the_site_is_no_success_while_old_code_answers(
    wp, paired, desk, settings
) -> None:
    update(wp, "contact-desk", "2.5.1")
    with php_settings(wp, settings):
        compiled(wp)
        told = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1")).send()
        assert (told["outcome"], told["reason"]) == ("rolled_back", "fatal_after"), told
        assert told["evidence"]["during"]["probe"] == "fatal"
        assert requests.get(wp.url, timeout=60).status_code == 200
    assert same_files(desk, disk(wp, DESK))


def test_a_good_version_is_a_success_that_was_seen(wp, paired, desk) -> None:
    with php_settings(wp, CLOSED["rarely looked at"]):
        compiled(wp)
        told = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0")).send()
    assert (told["outcome"], told["evidence"]["after"]["probe"]) == ("succeeded", "ok"), told
    assert told["evidence"]["watched_until"] is None


def test_without_a_watchdog_the_time_is_waited_out_where_it_is_short(wp, paired, desk) -> None:
    update(wp, "contact-desk", "2.5.1")
    with php_settings(wp, CLOSED["rarely looked at"]), no_watchdog(wp):
        compiled(wp)
        told = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1")).send()
    assert (told["outcome"], told["reason"]) == ("rolled_back", "fatal_after"), told
    assert told["evidence"]["took_ms"] >= 10_000
    assert version(wp, DESK) == "2.3.1"


def test_without_a_watchdog_and_without_an_end_nobody_can_tell(wp, paired, desk) -> None:
    """The copy is kept, and put back when PHP was restarted and the new code shows."""
    update(wp, "contact-desk", "2.5.1")
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.1"))
    with no_watchdog(wp):
        with php_settings(wp, CLOSED["never looked at"]):
            compiled(wp)
            told = change.send()
            assert told["outcome"] == "succeeded"
            assert told["evidence"]["after"]["probe"] == "could_not_tell"
            assert told["evidence"]["watched_until"] > time.time() + 3600
            assert any("go on running" in one for one in told["evidence"]["messages"])
            assert change.status()["evidence"]["watched_until"] is not None
        # Leaving the block restarted PHP.
        assert requests.get(wp.url, timeout=60).status_code == 500
        wp.evaluate(
            "global $wpdb; (new Siteagent_Option_Store($wpdb, false))->change(function ($data)"
            " { $data['run']['look_at'] = time() - 1; return $data; });"
        )
        told = change.status()
    assert (told["outcome"], told["reason"]) == ("rolled_back", "fatal_after"), told
    assert requests.get(wp.url, timeout=60).status_code == 200
