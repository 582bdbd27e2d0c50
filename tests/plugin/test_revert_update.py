"""Revert an update that breaks a page: when the site does it, and when it refuses."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from app import keys
from app.domain.page_checks.comparison import Requirements, Verdict, compare
from app.domain.page_checks.looks import PageToCheck, look_twice
from app.http.site_client import CallError
from app.models.sites import Site
from tests.plugin.support.changing import (
    DESK,
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
)
from tests.plugin.support.dashboard import NETS, Paired
from tests.plugin.support.servers import shell
from tests.wordpress.engine import docker
from tests.wordpress.repository import FIXTURES

COPIES = "/var/www/wordpress/wp-content/siteagent-copies"
FORM = '<form method="post" action="/contact/"><input name="email"><button>Send</button></form>'
SLIDE = '<div class="swiper"><h3>%s</h3></div>'
REQUIRED = Requirements(phrase="Send", form_action="/contact/")

GRANTED = ("plugins",)


@pytest.fixture(scope="module")
def path(wp, paired) -> str:
    """Create a page with the plugin's form; return its path."""
    page = wp.evaluate(
        "return wp_insert_post(array('post_type' => 'page', 'post_status' => 'publish',"
        " 'post_title' => 'Contact', 'post_content' => '[contact_desk]'));"
    )
    return f"/?page_id={page}"


_RESULT = ("outcome", "reason", "evidence")


def plugin(number: str, markup: str) -> str:
    """Return the source of a version of the plugin whose shortcode prints this markup."""
    text = (FIXTURES / "plugins/contact-desk/2.3.1/contact-desk.php").read_text("utf-8")
    head, _, _ = text.replace("2.3.1", number).partition("add_shortcode(")
    return f"{head}add_shortcode('contact_desk', static fn(): string => '{markup}');\n"


def release(wp, number: str, markup: str) -> None:
    publish(
        wp,
        f"plugin/contact-desk.{number}.zip",
        {"contact-desk/contact-desk.php": plugin(number, markup)},
    )
    update(wp, "contact-desk", number)


@pytest.fixture
def desk(wp, paired, path) -> Iterator[dict[str, Any]]:
    """Install the plugin with a working form and a carousel; return its files."""
    shell(wp, f"rm -rf {COPIES}")
    reset(wp, "contact-desk", "2.3.1")
    release(wp, "2.6.0", FORM + SLIDE % "Monday")
    assert (
        ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.6.0")).send()["outcome"] == "succeeded"
    )
    yield disk(wp, DESK)
    assert disk(wp, DESK)["left"] == []
    assert requests.get(wp.url, timeout=60).status_code == 200


def look(wp, path: str) -> list[Any]:
    site, config = Site(url=wp.url, server_login_sealed=""), SimpleNamespace(allow_nets=NETS)
    return list(look_twice(site, [PageToCheck(path, REQUIRED)], config=config)[path])


def update_and_compare(
    wp, paired: Paired, path: str, number: str, markup: str
) -> tuple[ApprovedChange, Verdict]:
    """Update the plugin, and compare the page before and after."""
    release(wp, number, markup)
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, number))
    before = look(wp, path)
    assert change.send()["outcome"] == "succeeded"
    return change, compare(before, look(wp, path), REQUIRED)


def break_form(wp, paired: Paired, path: str) -> ApprovedChange:
    """Run an update after which the form has no action."""
    change, verdict = update_and_compare(
        wp, paired, path, "2.6.2", FORM.replace(' action="/contact/"', "")
    )
    assert verdict.must_go_back
    return change


def revert(change: ApprovedChange, **changed: Any) -> dict[str, Any]:
    return ask(change.paired, "change.revert", **{**change.signed(), **changed})


@pytest.mark.smoke
def test_an_update_that_breaks_a_form_is_rolled_back(wp, paired, path, desk) -> None:
    change = break_form(wp, paired, path)
    result = revert(change)
    assert (result["outcome"], result["reason"]) == ("rolled_back", "page_broken")
    assert result["evidence"]["before"]["version"] == "2.6.0"
    assert result["evidence"]["during"]["version"] == "2.6.2"
    assert result["evidence"]["after"] == {"version": "2.6.0", "active": True, "probe": "ok"}
    assert same_files(disk(wp, DESK), desk)
    assert not look(wp, path)[0].unmet
    status = change.status()
    assert (status["outcome"], status["evidence"]) == ("rolled_back", result["evidence"])
    again = revert(change)
    assert [again[name] for name in _RESULT] == [result[name] for name in _RESULT]
    recent = wp.evaluate("return siteagent()->audit_log_reader()->recent(12, 0);")
    events = [entry["event"] for entry in recent]
    assert events.count("update_settled") == 1
    assert "restore_ended" not in events


@pytest.mark.smoke
def test_an_update_that_only_changes_a_carousel_stays(wp, paired, path, desk) -> None:
    _, verdict = update_and_compare(wp, paired, path, "2.6.1", FORM + SLIDE % "Tuesday")
    assert (verdict.answer, verdict.must_go_back) == ("same", False)
    assert version(wp, DESK) == "2.6.1"


def test_two_simultaneous_reverts_restore_the_version_once(wp, paired, path, desk) -> None:
    change = break_form(wp, paired, path)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: revert(change), range(2)))
    outcomes = sorted((result["outcome"], result["reason"]) for result in results)
    assert outcomes in (
        [("refused", "busy"), ("rolled_back", "page_broken")],
        [("rolled_back", "page_broken")] * 2,
    )
    assert same_files(disk(wp, DESK), desk)


def test_a_killed_revert_keeps_the_update_and_can_be_repeated(wp, paired, path, desk) -> None:
    change = break_form(wp, paired, path)
    after = disk(wp, DESK)
    with injected_faults(wp, sleep={"half_way": 60}), ThreadPoolExecutor(1) as pool:
        running = pool.submit(revert, change)
        docker("exec", wp.container, "kill", "-9", str(reached(wp)))
        assert isinstance(running.exception(60), CallError)
    assert change.status()["outcome"] == "succeeded"
    assert same_files(disk(wp, DESK), after)
    assert revert(change)["outcome"] == "rolled_back"
    assert same_files(disk(wp, DESK), desk)


def test_an_update_that_was_never_made_is_not_reverted(wp, paired, path, desk) -> None:
    change = break_form(wp, paired, path)
    after = disk(wp, DESK)
    other = ApprovedChange.of(wp, paired, change.plan["item"])
    with pytest.raises(CallError) as caught:
        revert(other)
    assert caught.value.evidence["code"] == "invalid_arguments"
    forged = ApprovedChange(paired, change.plan, keys.new_signing_key())
    with pytest.raises(CallError):
        revert(forged)
    changed = ApprovedChange(
        paired, {**change.plan, "not_after": change.plan["not_after"] + 60}, paired.seed
    )
    with pytest.raises(CallError) as caught:
        revert(changed)
    assert caught.value.evidence["argument"] == "op_id"
    assert disk(wp, DESK) == after


_AN_HOUR_LATER = (
    'global $wpdb; return $wpdb->query("UPDATE {$wpdb->prefix}siteagent_operation'
    " SET at = at - 3700 WHERE op_id = '%s'\");"
)


@pytest.mark.parametrize(
    ("setup", "undo", "reason"),
    [
        (f"@exec('rm -rf {COPIES}'); return 1;", "return 1;", "copy_gone"),
        (_AN_HOUR_LATER, "return 1;", "too_late"),
        (
            "return siteagent()->permissions()->grant(array(), false);",
            "return siteagent()->permissions()->grant(array('plugins'), false);",
            "permission_off",
        ),
    ],
    ids=["copy_gone", "too_late", "permission_off"],
)
def test_a_refused_revert_has_a_reason(
    wp, paired, path, desk, setup: str, undo: str, reason: str
) -> None:
    change = break_form(wp, paired, path)
    after = disk(wp, DESK)
    wp.evaluate(setup.replace("%s", change.op_id))
    try:
        result = revert(change)
    finally:
        wp.evaluate(undo)
    assert (result["outcome"], result["reason"]) == ("refused", reason)
    assert disk(wp, DESK) == after
    assert change.status()["outcome"] == "succeeded"


def test_a_version_that_was_installed_later_is_not_reverted(wp, paired, path, desk) -> None:
    change = break_form(wp, paired, path)
    release(wp, "2.6.3", FORM)
    assert (
        ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.6.3")).send()["outcome"] == "succeeded"
    )
    result = revert(change)
    assert (result["outcome"], result["reason"]) == ("refused", "version_changed")
    assert version(wp, DESK) == "2.6.3"


def test_an_expired_plan_reverts_nothing(wp, paired, path, desk) -> None:
    release(wp, "2.6.2", "")
    now = int(time.time())
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.6.2"), not_after=now + 12)
    assert change.send()["outcome"] == "succeeded"
    while time.time() <= now + 13:
        time.sleep(0.5)
    result = revert(change)
    assert (result["outcome"], result["reason"]) == ("refused", "outside_window")
    assert version(wp, DESK) == "2.6.2"
