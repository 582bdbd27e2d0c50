"""On an ordinary page of the site SiteAgent is as good as not there, also once it is connected."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugin.support.dashboard import new_token, pair
from tests.plugin.support.probe import PROBE, look, must_use
from tests.plugin.support.signed_requests import forget
from tests.plugin.support.wp_admin import Person

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
    # The e-mail that this site is connected, as WP-Cron sends it a few minutes later.
    wp.evaluate("wp_unschedule_hook('siteagent_send_email'); do_action('siteagent_send_email');")
    with must_use(wp, PROBE):
        yield wp
    forget(wp)


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
    assert [one for one in active["queries"] if "siteagent" in one] == []


def test_its_main_file_and_its_hooks_are_all_that_loads(looks) -> None:
    active, without = looks
    assert sorted(active["files"]) == ["hooks.php", "siteagent.php"]
    assert without["files"] == []


@pytest.mark.parametrize("action", ["heartbeat", "nothing-of-that-name"])
def test_a_visitors_call_of_admin_ajax_loads_no_more(connected, action: str) -> None:
    """Shops and forms call it all day, and for WordPress it is a page of wp-admin."""
    seen = look(connected, f"/wp-admin/admin-ajax.php?action={action}", active=True)
    assert sorted(seen["files"]) == ["hooks.php", "siteagent.php"]
    assert [one for one in seen["queries"] if "siteagent" in one] == []


@pytest.mark.parametrize("route", ["/wp/v2/posts", "/", "/nothing/of/that/name"])
def test_other_requests_to_the_rest_api_load_no_more(connected, route: str) -> None:
    seen = look(connected, f"/?rest_route={route}", active=True)
    assert sorted(seen["files"]) == ["hooks.php", "siteagent.php"]
    assert [one for one in seen["queries"] if "siteagent" in one] == []


# The page that lists posts stands for all that have nothing to do with SiteAgent.
MENU = [
    "hooks.php",
    "includes/admin/class-siteagent-admin-menu.php",
    "includes/admin/class-siteagent-privacy-policy.php",
    "includes/class-map.php",
    "includes/class-siteagent-container.php",
    "includes/connection/class-siteagent-option-store.php",
    "includes/permissions/class-siteagent-capabilities.php",
    "includes/permissions/class-siteagent-pending-approvals.php",
    "includes/report/class-siteagent-report-schema.php",
    "siteagent.php",
]


def test_a_page_of_wp_admin_loads_the_menu_and_the_privacy_text_and_no_more(connected) -> None:
    person = Person(connected.url, connected.admin, connected.password)
    page = f"{connected.url}/wp-admin/edit.php"
    seen = person.session.get(page, headers={"X-Probe": "1"}, timeout=60).json()
    assert sorted(seen["files"]) == MENU


def test_nothing_of_it_is_loaded_with_the_options(looks) -> None:
    active, without = looks
    assert [name for name in active["autoload"] if "siteagent" in name] == []
    assert active["autoload"] == without["autoload"]


def test_visitors_get_the_same_page_and_headers(looks) -> None:
    active, without = looks
    assert active["page"] == without["page"]
    assert len(active["page"]) > 500
    assert active["headers"] == without["headers"]


def test_only_the_daily_comparison_of_files_waits_in_the_schedule(looks) -> None:
    waiting = [name for name in looks[0]["cron"] if "siteagent" in name]
    assert waiting == ["siteagent_check_files"]


def test_its_own_tables_and_options_are_there_all_the_same(connected) -> None:
    """Without this one the tests above could pass because the site is not connected."""
    stored = connected.evaluate(
        "global $wpdb; return array("
        '(int) $wpdb->get_var("SELECT COUNT(*) FROM $wpdb->options'
        " WHERE option_name LIKE 'siteagent%'\"),"
        "siteagent()->connection_store()->state(), siteagent()->audit_log_reader()->count());"
    )
    assert stored[0] > 0
    assert stored[1] == "paired"
    assert stored[2] > 0
