"""Run one approved change on a real site: install, roll back and report the outcome."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from app.http.site_client import CallError
from tests.plugin.support.changing import (
    DESK,
    GALLERY,
    ApprovedChange,
    ask,
    disk,
    injected_faults,
    item_of,
    publish,
    reached,
    reset,
    same_files,
    update,
    version,
    wake,
)
from tests.plugin.support.dashboard import Paired

COUNT = "global $wpdb; return array(count_users()['total_users'], (int) $wpdb->get_var(%s));"
SESSIONS = COUNT % (
    "\"SELECT COUNT(*) FROM $wpdb->usermeta WHERE meta_key IN ('session_tokens',"
    " '_application_passwords')\""
)

GRANTED = ("plugins",)


@pytest.fixture
def desk(wp, paired) -> Iterator[dict[str, Any]]:
    """Return the disk state of an active plugin that has a working update."""
    before = reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    assert (before["version"], before["active"], before["left"]) == ("2.3.1", True, [])
    yield before
    assert disk(wp, DESK)["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


def run_change(
    wp, paired: Paired, to: str, component: str = DESK, **changed: Any
) -> dict[str, Any]:
    return ApprovedChange.of(wp, paired, item_of(wp, component, to), **changed).send()


def run_broken_version(wp, paired: Paired, to: str) -> dict[str, Any]:
    """Publish a broken version and return the result of the update to it."""
    update(wp, "contact-desk", to)
    return run_change(wp, paired, to)


# ---- versions that work ----


@pytest.mark.smoke
def test_the_approved_version_is_installed_and_stays_active(wp, paired, desk) -> None:
    accounts = wp.evaluate(SESSIONS)
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    assert change.status()["state"] == "never"
    result = change.send()
    assert (result["outcome"], result["reason"]) == ("succeeded", None)
    evidence = result["evidence"]
    assert evidence["before"] == {"version": "2.3.1", "active": True, "probe": "ok"}
    assert evidence["after"] == {"version": "2.4.0", "active": True, "probe": "ok"}
    assert evidence["package_host"] == "downloads.wordpress.org"
    assert len(evidence["package_sha256"]) == 64
    assert evidence["kept_copy"] is True
    assert evidence["watched_until"] is None
    assert version(wp, DESK) == "2.4.0"
    assert wp.evaluate(SESSIONS) == accounts
    status = change.status()
    assert (status["state"], status["outcome"]) == ("done", "succeeded")
    assert status["evidence"] == evidence


@pytest.mark.smoke
def test_an_inactive_plugin_stays_inactive(wp, paired) -> None:
    reset(wp, "tide-gallery", "1.0.0")
    result = run_change(wp, paired, "1.1.0", GALLERY)
    assert result["outcome"] == "succeeded"
    after = disk(wp, GALLERY)
    assert (after["version"], after["active"], after["left"]) == ("1.1.0", False, [])


def test_unapproved_translations_are_not_installed(wp, paired, desk) -> None:
    """A hook of WordPress installs pending translations after each plugin update."""
    translations = "return glob(WP_LANG_DIR . '/plugins/contact-desk-*');"
    wp.evaluate(
        "array_map('unlink', (array) glob(WP_LANG_DIR . '/plugins/contact-desk-*'));"
        "$file = '/srv/wordpress.org/catalogue.json';"
        "$all = json_decode(file_get_contents($file), true);"
        "$all['translations'][0]['autoupdate'] = true;"
        "return file_put_contents($file, json_encode($all));"
    )
    result = run_change(wp, paired, "2.4.0")
    assert result["outcome"] == "succeeded"
    assert "translations" not in " ".join(result["evidence"]["messages"])
    assert wp.evaluate(translations) == []


def test_messages_name_no_path_and_no_address(wp, paired, desk) -> None:
    result = run_broken_version(wp, paired, "2.5.0")
    assert result["evidence"]["messages"]
    text = " ".join(result["evidence"]["messages"])
    assert "/var/www" not in text
    assert "://" not in text
    assert "wp-content/plugins/contact-desk/contact-desk.php" in text


# ---- versions that break the site ----


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("2.5.0", "fatal_after"),  # on load
        ("2.5.1", "fatal_after"),  # only on pages that visitors see
        ("2.5.2", "inactive_after"),
        ("2.5.4", "fatal_after"),  # the error is raised in a file of WordPress
    ],
)
def test_a_version_that_breaks_the_site_is_rolled_back(wp, paired, desk, to, reason) -> None:
    result = run_broken_version(wp, paired, to)
    assert (result["outcome"], result["reason"]) == ("rolled_back", reason), result
    assert result["evidence"]["after"] == {"version": "2.3.1", "active": True, "probe": "ok"}
    after = disk(wp, DESK)
    assert same_files(desk, after)
    assert after["active"] is True


def test_without_a_loopback_the_first_visitor_triggers_the_rollback(wp, paired, desk) -> None:
    """The version is fatal on load, so the first visitor sees one broken page."""
    update(wp, "contact-desk", "2.5.0")
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.0"))
    with injected_faults(wp, loopback="blocked"):
        result = change.send()
        assert requests.get(wp.url, timeout=60).status_code == 500
        assert requests.get(wp.url, timeout=60).status_code == 200
    assert result["outcome"] == "succeeded"
    assert result["evidence"]["after"]["probe"] == "could_not_tell"
    assert result["evidence"]["watched_until"] > 0
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "fatal_after")
    assert status["evidence"]["after"]["version"] == "2.3.1"
    assert change.send()["outcome"] == "rolled_back"
    assert same_files(desk, disk(wp, DESK))


def test_the_watch_ends_and_keeps_the_new_version(wp, paired, desk) -> None:
    with injected_faults(wp, loopback="cached"):
        change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
        assert change.send()["evidence"]["after"]["probe"] == "could_not_tell"
    wp.evaluate(
        "$file = glob(WP_CONTENT_DIR . '/siteagent-probation/*/settled')[0];"
        "file_put_contents($file, (string) (time() - 1));"
    )
    assert requests.get(wp.url, timeout=60).status_code == 200
    left = disk(wp, DESK)["left"]
    assert not any(name.startswith("siteagent-watchdog") for name in left)
    wp.evaluate(
        "global $wpdb; $store = new Siteagent_Option_Store($wpdb, false); "
        "$store->change(function ($data)"
        " { $data['run']['deadline'] = time() - 1; return $data; });"
    )
    assert change.status()["outcome"] == "succeeded"
    assert version(wp, DESK) == "2.4.0"


# ---- return values of WordPress's upgrader ----


@pytest.mark.parametrize("returned", ["true", "false", "null", "error"])
def test_an_unchanged_version_fails_whatever_the_upgrader_returns(
    wp, paired, desk, returned
) -> None:
    with injected_faults(wp, upgrader=returned):
        result = run_change(wp, paired, "2.4.0")
    assert (result["outcome"], result["reason"]) == ("failed", "install_failed")
    assert disk(wp, DESK) == desk


def test_a_working_version_succeeds_despite_upgrader_errors(wp, paired, desk) -> None:
    with injected_faults(wp, complains=True):
        result = run_change(wp, paired, "2.4.0")
    assert result["outcome"] == "succeeded"
    assert "Something was wrong at the end." in result["evidence"]["messages"]
    assert version(wp, DESK) == "2.4.0"


# ---- repeated and simultaneous changes ----


def test_a_repeated_change_gets_the_first_result(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    first = change.send()
    reset(wp, "contact-desk", "2.3.1")
    second = change.send()
    assert (second["outcome"], second["evidence"]) == (first["outcome"], first["evidence"])
    assert version(wp, DESK) == "2.3.1"


def test_eight_requests_with_one_op_id_install_once(wp, paired) -> None:
    reset(wp, "tide-gallery", "1.0.0")
    change = ApprovedChange.of(wp, paired, item_of(wp, GALLERY, "1.1.0"))
    gate = threading.Barrier(8)

    def send(_: int) -> str:
        gate.wait()
        try:
            result = change.send()
        except CallError as error:
            return str(error.evidence.get("state", error.error_code))
        return f"{result['outcome']} {result['reason'] or ''}".rstrip()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(send, range(8)))
    assert outcomes.count("succeeded") >= 1, outcomes
    assert set(outcomes) <= {"succeeded", "running"}
    assert count_installations(wp) == 1


def count_installations(wp) -> int:
    """Count the log entries that answer the plan of the newest `update_answered` entry."""
    entries = wp.evaluate("return siteagent()->audit_log_reader()->recent(40, 0);")
    found = [log for log in entries if log["event"] == "update_answered"]
    return len({log["seq"] for log in found if log["facts"]["plan"] == found[0]["facts"]["plan"]})


@pytest.mark.smoke
def test_a_second_change_at_the_same_time_is_refused_as_busy(wp, paired, desk) -> None:
    reset(wp, "tide-gallery", "1.0.0")
    first = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    second = ApprovedChange.of(wp, paired, item_of(wp, GALLERY, "1.1.0"))
    with injected_faults(wp, sleep={"download": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(first.send)
        reached(wp)
        result = second.send()
        assert (result["outcome"], result["reason"]) == ("refused", "busy")
        assert second.status()["state"] == "never"
        assert first.status()["state"] == "running"
        wake(wp)
        assert running.result()["outcome"] == "succeeded"
    assert second.send()["outcome"] == "succeeded"


def test_a_change_is_busy_during_a_wordpress_auto_update(wp, paired, desk) -> None:
    wp.evaluate("update_option('auto_updater.lock', time(), false);")
    try:
        result = run_change(wp, paired, "2.4.0")
        assert (result["outcome"], result["reason"]) == ("refused", "busy")
    finally:
        wp.evaluate("delete_option('auto_updater.lock');")
    wp.evaluate("update_option('core_updater.lock', time(), false);")
    try:
        assert run_change(wp, paired, "2.4.0")["reason"] == "busy"
    finally:
        wp.evaluate("delete_option('core_updater.lock');")
    assert disk(wp, DESK) == desk


def test_a_maintenance_file_of_another_program_stays(wp, paired, desk) -> None:
    """WordPress ignores a maintenance file after ten minutes, and its upgrader removes it."""
    page = "<?php $upgrading = 1000000000; ?>"
    wp.evaluate(f"file_put_contents(ABSPATH . '.maintenance', '{page}');")
    try:
        assert run_change(wp, paired, "2.4.0")["outcome"] == "succeeded"
        assert wp.evaluate("return file_get_contents(ABSPATH . '.maintenance');") == page
    finally:
        wp.evaluate("unlink(ABSPATH . '.maintenance');")


def test_a_package_without_its_main_file_touches_nothing(wp, paired, desk) -> None:
    update(wp, "contact-desk", "2.6.0")
    publish(wp, "plugin/contact-desk.2.6.0.zip", {"contact-desk/readme.txt": "Nothing here."})
    result = run_change(wp, paired, "2.6.0")
    assert (result["outcome"], result["reason"]) == ("refused", "package_mismatch")
    assert disk(wp, DESK) == desk


def test_the_dry_run_returns_the_facts_of_a_plan(wp, paired, desk) -> None:
    checked = ask(paired, "change.check", item=item_of(wp, DESK, "2.4.0"))
    assert (checked["eligible"], checked["reasons"]) == (True, [])
    wordpress, php = wp.evaluate("return array(get_bloginfo('version'), PHP_VERSION);")
    assert checked["facts"] == {
        "home": wp.url,
        "wp": wordpress,
        "php": php,
        "version": "2.3.1",
        "active": True,
        "available": "2.4.0",
        "package_host": "downloads.wordpress.org",
        "package_path": "/plugin/contact-desk.2.4.0.zip",
        "package_sha256": None,
        "tree_sha256": None,
        "permission": "plugins",
        "approval_on_site": False,
        "rollback": True,
        "busy": False,
        "changelog": {"text": None, "part": None, "source": None, "cut": False, "why": "none"},
    }
    assert disk(wp, DESK) == desk
