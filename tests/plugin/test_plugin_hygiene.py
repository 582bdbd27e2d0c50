"""SiteAgent costs nothing on pages that do not need it, even on a connected site."""

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
    """Return a connected site with a log and the probe plugin."""
    forget(wp)
    token = new_token(wp.url)
    wp.evaluate(
        f"$p = siteagent()->pairing();$p->accept($p->read_token('{token.text()}'), true, 'user:1');"
    )
    paired = pair(token)
    paired.ask("report", have=None)
    # Send the e-mail that the site is connected, as WP-Cron does a few minutes later.
    wp.evaluate("wp_unschedule_hook('siteagent_send_email'); do_action('siteagent_send_email');")
    with must_use(wp, PROBE):
        yield wp
    forget(wp)


@pytest.fixture(scope="module", params=PAGES)
def pages(request: pytest.FixtureRequest, connected) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure a page with SiteAgent active and without, after a first visit to each."""
    look(connected, request.param, active=False)
    look(connected, request.param, active=True)
    return (
        look(connected, request.param, active=True),
        look(connected, request.param, active=False),
    )


def test_siteagent_adds_no_database_query(pages) -> None:
    active, without = pages
    assert active["counted"] == without["counted"]
    assert sorted(active["queries"]) == sorted(without["queries"])
    assert [query for query in active["queries"] if "siteagent" in query] == []


def test_only_the_main_file_and_the_hooks_are_loaded(pages) -> None:
    active, without = pages
    assert sorted(active["files"]) == ["hooks.php", "siteagent.php"]
    assert without["files"] == []


@pytest.mark.parametrize("action", ["heartbeat", "nothing-of-that-name"])
def test_admin_ajax_requests_of_visitors_load_no_more_files(connected, action: str) -> None:
    """Shops and forms call admin-ajax.php often, and WordPress treats it as part of wp-admin."""
    measured = look(connected, f"/wp-admin/admin-ajax.php?action={action}", active=True)
    assert sorted(measured["files"]) == ["hooks.php", "siteagent.php"]
    assert [query for query in measured["queries"] if "siteagent" in query] == []


@pytest.mark.parametrize("route", ["/wp/v2/posts", "/", "/nothing/of/that/name"])
def test_other_rest_api_requests_load_no_more_files(connected, route: str) -> None:
    measured = look(connected, f"/?rest_route={route}", active=True)
    assert sorted(measured["files"]) == ["hooks.php", "siteagent.php"]
    assert [query for query in measured["queries"] if "siteagent" in query] == []


# The list of posts represents all pages that have nothing to do with SiteAgent.
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


def test_wp_admin_loads_only_the_menu_and_the_privacy_text(connected) -> None:
    person = Person(connected.url, connected.admin, connected.password)
    page = f"{connected.url}/wp-admin/edit.php"
    measured = person.session.get(page, headers={"X-Probe": "1"}, timeout=60).json()
    assert sorted(measured["files"]) == MENU


def test_no_siteagent_option_is_autoloaded(pages) -> None:
    active, without = pages
    assert [name for name in active["autoload"] if "siteagent" in name] == []
    assert active["autoload"] == without["autoload"]


def test_visitors_get_the_same_page_and_headers(pages) -> None:
    active, without = pages
    assert active["page"] == without["page"]
    assert len(active["page"]) > 500
    assert active["headers"] == without["headers"]


def test_only_the_daily_file_check_is_scheduled(pages) -> None:
    scheduled = [name for name in pages[0]["cron"] if "siteagent" in name]
    assert scheduled == ["siteagent_check_files"]


def test_the_measured_site_is_connected(connected) -> None:
    """Otherwise the tests above could pass on a site without a connection."""
    stored = connected.evaluate(
        "global $wpdb; return array("
        '(int) $wpdb->get_var("SELECT COUNT(*) FROM $wpdb->options'
        " WHERE option_name LIKE 'siteagent%'\"),"
        "siteagent()->connection_store()->state(), siteagent()->audit_log_reader()->count());"
    )
    assert stored[0] > 0
    assert stored[1] == "paired"
    assert stored[2] > 0
