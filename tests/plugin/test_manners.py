"""On an ordinary page of the site SiteAgent is as good as not there, also once it is connected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.plugin.dashboard import new_token, pair
from tests.plugin.test_admin import forget

_PROBE = Path(__file__).with_name("probe.php")
PAGES = ["/", "/?p=1", "/?s=bread", "/?feed=rss2", "/nothing-of-that-name/", "/wp-login.php"]


@pytest.fixture(scope="module")
def connected(wp) -> Iterator[Any]:
    """A site with a connection and a log, and the probe on it."""
    forget(wp)
    token = new_token(wp.url)
    wp.evaluate(
        f"$p = siteagent()->pairing();$p->accept($p->read_token('{token.text()}'), true, 'user:1');"
    )
    paired = pair(token)
    paired.ask("report", have=None)
    path = "WPMU_PLUGIN_DIR . '/probe.php'"
    wp.evaluate(f"return file_put_contents({path}, {php_string(_PROBE.read_text('utf-8'))});")
    yield wp
    wp.evaluate(f"unlink({path});")
    forget(wp)


def php_string(text: str) -> str:
    """`text` as PHP spells it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def look(wp: Any, page: str, *, active: bool) -> dict[str, Any]:
    """A visitor's look at a page, and what it took to make it."""
    headers = {"X-Probe": "1"} | ({} if active else {"X-Without-SiteAgent": "1"})
    return dict(json.loads(requests.get(wp.url + page, headers=headers, timeout=60).text))


@pytest.fixture(scope="module", params=PAGES)
def looks(request: pytest.FixtureRequest, connected) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same page with SiteAgent active and without, once everything that is made on a first
    visit is there."""
    look(connected, request.param, active=False)
    look(connected, request.param, active=True)
    return (
        look(connected, request.param, active=True),
        look(connected, request.param, active=False),
    )


def test_it_asks_the_database_nothing(looks) -> None:
    active, without = looks
    assert active["counted"] == without["counted"]
    assert sorted(active["queries"]) == sorted(without["queries"])
    assert [one for one in active["queries"] if "siteagent_" in one] == []


def test_its_main_file_and_its_hooks_are_all_that_loads(looks) -> None:
    active, without = looks
    assert sorted(active["files"]) == ["hooks.php", "siteagent.php"]
    assert without["files"] == []


def test_nothing_of_it_is_loaded_with_the_options(looks) -> None:
    active, without = looks
    assert [name for name in active["autoload"] if "siteagent" in name] == []
    assert active["autoload"] == without["autoload"]


def test_visitors_get_the_same_page_and_headers(looks) -> None:
    active, without = looks
    assert active["page"] == without["page"]
    assert len(active["page"]) > 500
    assert active["headers"] == without["headers"]


def test_nothing_of_it_waits_in_the_schedule(looks) -> None:
    assert [name for name in looks[0]["cron"] if "siteagent" in name] == []


def test_its_own_tables_and_options_are_there_all_the_same(connected) -> None:
    """Without this one the tests above could pass because the site is not connected."""
    stored = connected.evaluate(
        "global $wpdb; return array("
        '(int) $wpdb->get_var("SELECT COUNT(*) FROM $wpdb->options'
        " WHERE option_name LIKE 'siteagent%'\"),"
        "siteagent()->keyring()->state(), siteagent()->log()->count());"
    )
    assert stored[0] > 0
    assert stored[1] == "paired"
    assert stored[2] > 0
