"""One approved change on a real site: what is installed, what is taken back, and what is told."""

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
    """An active plugin with an update that works, as the disk holds it."""
    before = reset(wp, "contact-desk", "2.3.1", available="2.4.0")
    assert (before["version"], before["active"], before["left"]) == ("2.3.1", True, [])
    yield before
    assert disk(wp, DESK)["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


def run(wp, paired: Paired, to: str, component: str = DESK, **changed: Any) -> dict[str, Any]:
    return ApprovedChange.of(wp, paired, item_of(wp, component, to), **changed).send()


def broken(wp, paired: Paired, to: str) -> dict[str, Any]:
    """What came of a version that is no good."""
    update(wp, "contact-desk", to)
    return run(wp, paired, to)


@pytest.mark.smoke
# ---- what works ----


def test_what_was_approved_is_on_disk_and_as_active_as_before(wp, paired, desk) -> None:
    accounts = wp.evaluate(SESSIONS)
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    assert change.status()["state"] == "never"
    told = change.send()
    assert (told["outcome"], told["reason"]) == ("succeeded", None)
    evidence = told["evidence"]
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
    told = run(wp, paired, "1.1.0", GALLERY)
    assert told["outcome"] == "succeeded"
    after = disk(wp, GALLERY)
    assert (after["version"], after["active"], after["left"]) == ("1.1.0", False, [])


def test_translations_nobody_approved_are_not_installed_beside_it(wp, paired, desk) -> None:
    """WordPress's own upgrader fetches them after every plugin, by a hook of its own."""
    there = "return glob(WP_LANG_DIR . '/plugins/contact-desk-*');"
    wp.evaluate(
        "array_map('unlink', (array) glob(WP_LANG_DIR . '/plugins/contact-desk-*'));"
        "$file = '/srv/wordpress.org/catalogue.json';"
        "$all = json_decode(file_get_contents($file), true);"
        "$all['translations'][0]['autoupdate'] = true;"
        "return file_put_contents($file, json_encode($all));"
    )
    told = run(wp, paired, "2.4.0")
    assert told["outcome"] == "succeeded"
    assert "translations" not in " ".join(told["evidence"]["messages"])
    assert wp.evaluate(there) == []


def test_messages_name_no_path_and_no_address(wp, paired, desk) -> None:
    told = broken(wp, paired, "2.5.0")
    assert told["evidence"]["messages"]
    text = " ".join(told["evidence"]["messages"])
    assert "/var/www" not in text
    assert "://" not in text
    assert "wp-content/plugins/contact-desk/contact-desk.php" in text


# ---- a version that is no good ----


@pytest.mark.smoke
@pytest.mark.smoke
@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("2.5.0", "fatal_after"),  # on load
        ("2.5.1", "fatal_after"),  # only on pages that visitors see
        ("2.5.2", "inactive_after"),
        ("2.5.4", "fatal_after"),  # the error shows in a file of WordPress's own
    ],
)
def test_a_version_that_breaks_the_site_is_taken_back(wp, paired, desk, to, reason) -> None:
    told = broken(wp, paired, to)
    assert (told["outcome"], told["reason"]) == ("rolled_back", reason), told
    assert told["evidence"]["after"] == {"version": "2.3.1", "active": True, "probe": "ok"}
    after = disk(wp, DESK)
    assert same_files(desk, after)
    assert after["active"] is True


def test_a_site_that_cannot_ask_itself_is_watched_until_somebody_looks(wp, paired, desk) -> None:
    """Fatal on load, but the loopback is blocked: the first visitor pays with one broken page."""
    update(wp, "contact-desk", "2.5.0")
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.5.0"))
    with injected_faults(wp, loopback="blocked"):
        told = change.send()
        assert requests.get(wp.url, timeout=60).status_code == 500
        assert requests.get(wp.url, timeout=60).status_code == 200
    assert told["outcome"] == "succeeded"
    assert told["evidence"]["after"]["probe"] == "could_not_tell"
    assert told["evidence"]["watched_until"] > 0
    status = change.status()
    assert (status["outcome"], status["reason"]) == ("rolled_back", "fatal_after")
    assert status["evidence"]["after"]["version"] == "2.3.1"
    assert change.send()["outcome"] == "rolled_back"
    assert same_files(desk, disk(wp, DESK))


def test_watching_ends_by_itself_and_leaves_the_new_version(wp, paired, desk) -> None:
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


# ---- what an upgrader says is not believed ----


@pytest.mark.parametrize("said", ["true", "false", "null", "error"])
def test_whatever_an_upgrader_answers_an_unchanged_version_is_no_success(
    wp, paired, desk, said
) -> None:
    with injected_faults(wp, upgrader=said):
        told = run(wp, paired, "2.4.0")
    assert (told["outcome"], told["reason"]) == ("failed", "install_failed")
    assert disk(wp, DESK) == desk


def test_a_new_version_that_works_is_a_success_whatever_the_upgrader_complains(
    wp, paired, desk
) -> None:
    with injected_faults(wp, complains=True):
        told = run(wp, paired, "2.4.0")
    assert told["outcome"] == "succeeded"
    assert "Something was wrong at the end." in told["evidence"]["messages"]
    assert version(wp, DESK) == "2.4.0"


# ---- once ----


def test_the_same_order_again_gets_the_same_answer_and_is_not_done_twice(wp, paired, desk) -> None:
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    first = change.send()
    reset(wp, "contact-desk", "2.3.1")
    again = change.send()
    assert (again["outcome"], again["evidence"]) == (first["outcome"], first["evidence"])
    assert version(wp, DESK) == "2.3.1"


def test_eight_at_once_with_one_op_id_install_once(wp, paired) -> None:
    reset(wp, "tide-gallery", "1.0.0")
    change = ApprovedChange.of(wp, paired, item_of(wp, GALLERY, "1.1.0"))
    gate = threading.Barrier(8)

    def send(_: int) -> str:
        gate.wait()
        try:
            told = change.send()
        except CallError as why:
            return str(why.evidence.get("state", why.error_code))
        return f"{told['outcome']} {told['reason'] or ''}".rstrip()

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(send, range(8)))
    assert said.count("succeeded") >= 1, said
    assert set(said) <= {"succeeded", "running"}
    assert installed(wp) == 1


@pytest.mark.smoke
def installed(wp) -> int:
    """How often the log tells that this plugin was changed since it was put back last."""
    entries = wp.evaluate("return siteagent()->audit_log_reader()->recent(40, 0);")
    told = [one for one in entries if one["event"] == "update_answered"]
    return len({one["seq"] for one in told if one["facts"]["plan"] == told[0]["facts"]["plan"]})


@pytest.mark.smoke
def test_two_changes_at_once_one_is_told_to_come_again(wp, paired, desk) -> None:
    reset(wp, "tide-gallery", "1.0.0")
    first = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    second = ApprovedChange.of(wp, paired, item_of(wp, GALLERY, "1.1.0"))
    with injected_faults(wp, sleep={"download": 30}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(first.send)
        reached(wp)
        told = second.send()
        assert (told["outcome"], told["reason"]) == ("refused", "busy")
        assert second.status()["state"] == "never"
        assert first.status()["state"] == "running"
        wake(wp)
        assert running.result()["outcome"] == "succeeded"
    assert second.send()["outcome"] == "succeeded"


def test_wordpress_updating_by_itself_comes_first(wp, paired, desk) -> None:
    wp.evaluate("update_option('auto_updater.lock', time(), false);")
    try:
        told = run(wp, paired, "2.4.0")
        assert (told["outcome"], told["reason"]) == ("refused", "busy")
    finally:
        wp.evaluate("delete_option('auto_updater.lock');")
    wp.evaluate("update_option('core_updater.lock', time(), false);")
    try:
        assert run(wp, paired, "2.4.0")["reason"] == "busy"
    finally:
        wp.evaluate("delete_option('core_updater.lock');")
    assert disk(wp, DESK) == desk


def test_a_maintenance_page_of_somebody_else_stays(wp, paired, desk) -> None:
    """A stale one: WordPress ignores it after ten minutes, and its upgrader would remove it."""
    page = "<?php $upgrading = 1000000000; ?>"
    wp.evaluate(f"file_put_contents(ABSPATH . '.maintenance', '{page}');")
    try:
        assert run(wp, paired, "2.4.0")["outcome"] == "succeeded"
        assert wp.evaluate("return file_get_contents(ABSPATH . '.maintenance');") == page
    finally:
        wp.evaluate("unlink(ABSPATH . '.maintenance');")


def test_a_package_without_its_main_file_touches_nothing(wp, paired, desk) -> None:
    update(wp, "contact-desk", "2.6.0")
    publish(wp, "plugin/contact-desk.2.6.0.zip", {"contact-desk/readme.txt": "Nothing here."})
    told = run(wp, paired, "2.6.0")
    assert (told["outcome"], told["reason"]) == ("refused", "package_mismatch")
    assert disk(wp, DESK) == desk


def test_the_dry_run_tells_what_a_plan_has_to_name(wp, paired, desk) -> None:
    told = ask(paired, "change.check", item=item_of(wp, DESK, "2.4.0"))
    assert (told["eligible"], told["reasons"]) == (True, [])
    wordpress, php = wp.evaluate("return array(get_bloginfo('version'), PHP_VERSION);")
    assert told["facts"] == {
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
