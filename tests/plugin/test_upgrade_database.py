"""Run WordPress's database upgrade as an approved change, on a real site."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.changing import ApprovedChange, ask, disk, grant, php_text, reached
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.servers import shell
from tests.plugin.support.wp_admin import Person, words
from tests.wordpress.engine import docker

pytestmark = pytest.mark.smoke

# Older than the last database changes in WordPress 6.1, the oldest supported version.
OLD = "51917"


@pytest.fixture
def item(wp, paired) -> Iterator[dict[str, str]]:
    """Set up a database that needs an upgrade, which the owner allows."""
    grant(wp, "database")
    needed = wp.evaluate(
        f"update_option('db_version', '{OLD}'); return (string) $GLOBALS['wp_db_version'];"
    )
    yield {
        "kind": "database",
        "id": "wordpress",
        "from": OLD,
        "to": needed,
        "package_host": "none",
    }
    wp.evaluate("update_option('db_version', $GLOBALS['wp_db_version']);")
    assert disk(wp, "contact-desk/contact-desk.php")["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


@contextmanager
def hooked(wp, code: str) -> Iterator[None]:
    """Run this code in a must-use plugin for a while."""
    file = "WPMU_PLUGIN_DIR . '/hooked.php'"
    wp.evaluate(f"return file_put_contents({file}, {php_text('<?php ' + code)});")
    try:
        yield
    finally:
        wp.evaluate(f"return unlink({file});")


def stored_version(wp) -> str:
    return wp.evaluate("return (string) get_option('db_version');")


def run(wp, paired: Paired, item: dict[str, str], **changed: Any) -> dict[str, Any]:
    return ApprovedChange.of(wp, paired, item, **changed).send()


def test_an_approved_upgrade_runs_and_reports_both_versions(wp, paired, item) -> None:
    bare = {name: item[name] for name in ("kind", "id", "from", "to")}
    checked = ask(paired, "change.check", item=bare)
    assert (checked["eligible"], checked["reasons"]) == (True, [])
    facts = {"permission": "database", "package_host": "none", "rollback": False, "version": OLD}
    assert facts.items() <= checked["facts"].items()
    upgraded = "add_action('wp_upgrade', function () { update_option('upgraded_by_wp', 'yes'); });"
    with hooked(wp, upgraded):
        change = ApprovedChange.of(wp, paired, item)
        result = change.send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None), result
    assert result["evidence"]["before"] == {"version": OLD, "active": True, "probe": "ok"}
    assert result["evidence"]["after"] == {"version": item["to"], "active": True, "probe": "ok"}
    assert result["evidence"]["kept_copy"] is False
    assert stored_version(wp) == item["to"]
    assert wp.evaluate("return get_option('upgraded_by_wp');") == "yes"
    assert change.status()["outcome"] == "succeeded"
    entry = wp.evaluate("return siteagent()->audit_log_reader()->recent(9, 0, 'update_answered');")
    assert entry[0]["facts"]["outcome"] == "succeeded"
    history = words(Person(wp.url, wp.admin, wp.password).page("&tab=history").text)
    assert f"WordPress’s database from {OLD} to {item['to']}" in history
    report = paired.ask("report", have=None).document["report"]
    assert report["health"]["database_upgrades"] == []


def test_without_the_owners_permission_nothing_runs(wp, paired, item) -> None:
    grant(wp, "core_minor", "core_major", "plugins")
    result = run(wp, paired, item)
    assert (result["outcome"], result["reason"]) == ("refused", "permission_off")
    assert stored_version(wp) == OLD


def test_the_owners_pause_stops_it_until_it_ends(wp, paired, item) -> None:
    change = ApprovedChange.of(wp, paired, item)
    wp.evaluate("siteagent()->limit_decisions()->pause('Summer sale', 'user:1');")
    try:
        result = change.send()
        assert (result["outcome"], result["reason"]) == ("refused", "paused_by_owner")
        assert stored_version(wp) == OLD
    finally:
        wp.evaluate("siteagent()->limit_decisions()->resume('user:1');")
    assert change.send()["outcome"] == "succeeded"
    assert stored_version(wp) == item["to"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"from": "51000"}, "version_changed"),
        ({"to": "99999"}, "other_version_available"),
        ({"package_host": "downloads.wordpress.org"}, "package_host"),
    ],
)
def test_an_upgrade_that_was_not_approved_is_refused(wp, paired, item, changed, reason) -> None:
    result = run(wp, paired, {**item, **changed})
    assert (result["outcome"], result["reason"]) == ("refused", reason)
    assert stored_version(wp) == OLD


def test_an_unknown_database_is_refused(wp, paired, item) -> None:
    with pytest.raises(CallError) as refused:
        run(wp, paired, {**item, "id": "woocommerce"})
    assert refused.value.evidence["argument"] == "item"


def test_a_database_that_is_up_to_date_is_refused(wp, paired, item) -> None:
    wp.evaluate("update_option('db_version', $GLOBALS['wp_db_version']);")
    result = run(wp, paired, item)
    assert (result["outcome"], result["reason"]) == ("refused", "version_changed")


def test_an_upgrade_with_an_error_is_reported_as_failed(wp, paired, item) -> None:
    broken = "add_filter('dbdelta_queries', function () { throw new Error('stopped midway'); });"
    with hooked(wp, broken):
        result = run(wp, paired, item)
    assert (result["outcome"], result["reason"]) == ("failed", "install_failed"), result
    assert result["evidence"]["after"]["version"] == OLD
    assert "stopped midway" in " ".join(result["evidence"]["messages"])


def test_a_killed_upgrade_is_reported_as_failed(wp, paired, item) -> None:
    sleeps = (
        "add_filter('dbdelta_queries', function ($queries) {"
        " file_put_contents('/tmp/fault_injection', getmypid()); sleep(60); return $queries; });"
    )
    change = ApprovedChange.of(wp, paired, item)
    with hooked(wp, sleeps), ThreadPoolExecutor(1) as pool:
        running = pool.submit(change.send)
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        assert isinstance(running.exception(60), CallError)
    shell(wp, "rm -f /tmp/fault_injection")
    end = change.status()
    assert (end["state"], end["outcome"], end["reason"]) == ("done", "failed", "interrupted")
    assert end["evidence"]["after"]["version"] == OLD
