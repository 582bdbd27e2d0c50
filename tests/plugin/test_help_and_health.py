"""What people use to help themselves in wp-admin: help, Site Health, a page that stands still."""

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


def test_site_health_names_what_differs_from_its_release(wp, paired) -> None:
    result = (
        "array('id' => '%s', 'changed' => %d, 'missing' => 0, 'unknown' => 0, 'version' => '1')"
    )
    files = "add_filter('pre_option_siteagent_files', fn() => array('at' => %s, 'results' => %s));"
    tested = "return siteagent()->site_health()->test_files();"
    told = wp.evaluate(files % ("0", "array()") + tested)
    assert "has not compared" in told["label"]
    same = f"array({result % ('a/a.php', 0)})"
    told = wp.evaluate(files % ("time()", same) + tested)
    assert (told["status"], told["label"]) == ("good", "No file differs from its release")
    differs = f"array({result % ('a/a.php', 0)}, {result % ('<b>.php', 2)})"
    told = wp.evaluate(files % ("time()", differs) + tested)
    assert (told["status"], told["label"]) == (
        "recommended",
        "Some files differ from their releases",
    )
    assert "of: &lt;b&gt;.php." in told["description"]


def test_site_health_knows_whether_the_dashboard_still_calls(wp, paired) -> None:
    paired.ask("ping")
    told = health(wp, "connection")
    assert (told["status"], told["label"]) == ("good", "SiteAgent is connected")
    assert "Last request: " in told["description"]
    wp.evaluate(
        "$o = get_option('siteagent'); $o['connection']['paired_at'] -= 400000;"
        "$o['connection']['last_contact_at'] -= 200000; update_option('siteagent', $o); return 0;"
    )
    told = health(wp, "connection")
    assert told["status"] == "recommended"
    assert "has not heard from your dashboard" in told["label"]


def test_site_health_of_a_site_without_a_dashboard_is_good(wp) -> None:
    forget(wp)
    assert health(wp, "connection")["label"] == "SiteAgent is not connected"


def test_site_health_knows_whether_updates_can_be_rolled_back(wp) -> None:
    assert health(wp, "rollback")["status"] == "good"
    ftp = "add_filter('filesystem_method', function () { return 'ftpext'; });"
    assert health(wp, "rollback", ftp)["status"] == "recommended"


def test_site_health_knows_whether_a_new_version_can_be_checked(wp) -> None:
    broken = "add_filter('pre_http_request', function () { return new WP_Error('x', 'No way'); });"
    told = health(wp, "loopback", broken)
    assert told["status"] == "recommended"
    assert "watched for ten minutes instead" in told["description"]
    answer = "array('response' => array('code' => 200), 'body' => '')"
    works = f"add_filter('pre_http_request', function () {{ return {answer}; }});"
    assert health(wp, "loopback", works)["status"] == "good"


def test_the_result_that_comes_later_is_for_administrators_alone(wp, ana) -> None:
    page = ana.session.get(f"{wp.url}/wp-admin/site-health.php", timeout=60).text
    (nonce,) = re.findall(r'"site_status":"(\w+)"', page)
    url = f"{wp.url}/wp-admin/admin-ajax.php"
    fields = {"action": "health-check-siteagent-loopback"}
    result = ana.session.post(url, data=fields | {"_wpnonce": nonce}, timeout=60).json()
    assert result["data"]["test"] == "siteagent_loopback"
    assert ana.session.post(url, data=fields | {"_wpnonce": "0"}, timeout=60).status_code == 403
    assert Person(wp.url).session.post(url, data=fields, timeout=60).text == "0"


def test_the_page_that_waits_can_be_stopped_from_refreshing(wp, ana) -> None:
    forget(wp)
    agree(ana, new_token(wp.url).text())
    waiting = ana.page()
    assert "Refresh" in waiting.headers
    assert "refresh=off" in waiting.text
    stopped = ana.page("&refresh=off")
    assert "Refresh" not in stopped.headers
    assert "This page no longer refreshes automatically." in words(stopped.text)
    forget(wp)


def test_a_site_that_moved_stays_paused_unless_something_else_is_chosen(wp, ana, paired) -> None:
    wp.evaluate(
        "$o = get_option('siteagent'); $o['connection']['home'] = 'https://elsewhere.example';"
        "update_option('siteagent', $o); return 0;"
    )
    choices = re.findall(r'name="choice" value="(\w+)"([^>]*)>', ana.page().text)
    assert [name for name, _ in choices] == ["later", "moved", "copy"]
    assert [name for name, more in choices if "checked" in more] == ["later"]
