"""Offer help in wp-admin: help tabs, Site Health and a page that can stop refreshing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugin.support.dashboard import Paired, new_token
from tests.plugin.support.forms import agree
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

HEALTH = """
require_once ABSPATH . 'wp-admin/includes/misc.php';
require_once ABSPATH . 'wp-admin/includes/file.php';
%s
return siteagent()->site_health()->test_%s();
"""


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


@pytest.fixture
def ana(wp) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def health(wp, test: str, before: str = "") -> dict[str, Any]:
    return wp.evaluate(HEALTH % (before, test))


def test_each_tab_of_the_page_has_help(wp, ana) -> None:
    page = ana.page().text
    help_tabs = re.findall(r'id="tab-link-siteagent-(\w+)"', page)
    assert help_tabs == ["connection", "permissions", "limits", "data", "history", "log"]
    assert "Afterwards, both sides show the same fingerprint." in page


def test_site_health_lists_the_tests_of_siteagent(wp, ana) -> None:
    tests = wp.evaluate("return siteagent()->site_health()->add_tests(array());")
    assert set(tests["direct"]) == {
        "siteagent_connection",
        "siteagent_files",
        "siteagent_keys",
        "siteagent_rollback",
    }
    assert set(tests["async"]) == {"siteagent_loopback"}
    page = ana.session.get(f"{wp.url}/wp-admin/site-health.php", timeout=60).text
    assert '"test":"siteagent_loopback"' in page
    assert "SiteAgent can roll back updates" in page


def test_site_health_names_components_that_differ_from_their_release(wp, paired) -> None:
    comparison = (
        "array('id' => '%s', 'changed' => %d, 'missing' => 0, 'unknown' => 0, 'version' => '1')"
    )
    files = "add_filter('pre_option_siteagent_files', fn() => array('at' => %s, 'results' => %s));"
    run_test = "return siteagent()->site_health()->test_files();"
    result = wp.evaluate(files % ("0", "array()") + run_test)
    assert "has not compared" in result["label"]
    unchanged = f"array({comparison % ('a/a.php', 0)})"
    result = wp.evaluate(files % ("time()", unchanged) + run_test)
    assert (result["status"], result["label"]) == ("good", "No file differs from its release")
    changed = f"array({comparison % ('a/a.php', 0)}, {comparison % ('<b>.php', 2)})"
    result = wp.evaluate(files % ("time()", changed) + run_test)
    assert (result["status"], result["label"]) == (
        "recommended",
        "Some files differ from their releases",
    )
    assert "of: &lt;b&gt;.php." in result["description"]


def test_site_health_reports_whether_the_dashboard_sends_requests(wp, paired) -> None:
    paired.ask("ping")
    result = health(wp, "connection")
    assert (result["status"], result["label"]) == ("good", "SiteAgent is connected")
    assert "Last request: " in result["description"]
    wp.evaluate(
        "$o = get_option('siteagent'); $o['connection']['paired_at'] -= 400000;"
        "$o['connection']['last_contact_at'] -= 200000; update_option('siteagent', $o); return 0;"
    )
    result = health(wp, "connection")
    assert result["status"] == "recommended"
    assert "has not heard from your dashboard" in result["label"]


def test_site_health_of_a_site_without_a_dashboard_is_good(wp) -> None:
    forget(wp)
    assert health(wp, "connection")["label"] == "SiteAgent is not connected"


def test_site_health_reports_whether_updates_can_be_rolled_back(wp) -> None:
    assert health(wp, "rollback")["status"] == "good"
    ftp = "add_filter('filesystem_method', function () { return 'ftpext'; });"
    assert health(wp, "rollback", ftp)["status"] == "recommended"


def test_site_health_reports_whether_a_new_version_can_be_checked(wp) -> None:
    broken = "add_filter('pre_http_request', function () { return new WP_Error('x', 'No way'); });"
    result = health(wp, "loopback", broken)
    assert result["status"] == "recommended"
    assert "watched for ten minutes instead" in result["description"]
    response = "array('response' => array('code' => 200), 'body' => '')"
    works = f"add_filter('pre_http_request', function () {{ return {response}; }});"
    assert health(wp, "loopback", works)["status"] == "good"


def test_the_asynchronous_test_is_only_for_administrators(wp, ana) -> None:
    page = ana.session.get(f"{wp.url}/wp-admin/site-health.php", timeout=60).text
    (nonce,) = re.findall(r'"site_status":"(\w+)"', page)
    url = f"{wp.url}/wp-admin/admin-ajax.php"
    fields = {"action": "health-check-siteagent-loopback"}
    result = ana.session.post(url, data=fields | {"_wpnonce": nonce}, timeout=60).json()
    assert result["data"]["test"] == "siteagent_loopback"
    assert ana.session.post(url, data=fields | {"_wpnonce": "0"}, timeout=60).status_code == 403
    assert Person(wp.url).session.post(url, data=fields, timeout=60).text == "0"


def test_the_waiting_page_can_stop_refreshing(wp, ana) -> None:
    forget(wp)
    agree(ana, new_token(wp.url).text())
    waiting = ana.page()
    assert "Refresh" in waiting.headers
    assert "refresh=off" in waiting.text
    stopped = ana.page("&refresh=off")
    assert "Refresh" not in stopped.headers
    assert "This page no longer refreshes automatically." in words(stopped.text)
    forget(wp)


def test_a_moved_site_stays_paused_by_default(wp, ana, paired) -> None:
    wp.evaluate(
        "$o = get_option('siteagent'); $o['connection']['home'] = 'https://elsewhere.example';"
        "update_option('siteagent', $o); return 0;"
    )
    choices = re.findall(r'name="choice" value="(\w+)"([^>]*)>', ana.page().text)
    assert [name for name, _ in choices] == ["later", "moved", "copy"]
    assert [name for name, more in choices if "checked" in more] == ["later"]
