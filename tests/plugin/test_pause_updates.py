"""Pause updates: no signed plan changes the site until its owner resumes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.plugin.support.changing import (
    GALLERY,
    ApprovedChange,
    ask,
    disk,
    grant,
    injected_faults,
    reached,
    reset,
    version,
    wake,
)
from tests.plugin.support.dashboard import Paired, new_token, pair
from tests.plugin.support.forms import agree, nonce_of, user_with_role
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

ITEM = {"kind": "plugin", "id": GALLERY, "from": "1.0.0", "to": "1.1.0"}
PAUSE = "siteagent()->limit_decisions()->pause('Summer sale', 'user:1');"
RESUME = "siteagent()->limit_decisions()->resume('user:1');"
LIMITS = "&tab=limits"
_ADMIN = "require_once ABSPATH . 'wp-admin/includes/admin.php';"

# Run a command as WP-CLI does; return the lines that it prints.
WP_CLI = """
class WP_CLI {
    public static $output = array();
    public static function success($text) { self::$output[] = "success: $text"; }
    public static function warning($text) { self::$output[] = "warning: $text"; }
    public static function line($text) { self::$output[] = $text; }
    public static function halt($code) { self::$output[] = "status $code"; }
    public static function error($text) { throw new Exception("error: $text"); }
}
try {
    siteagent()->updates_command()->%s;
} catch (Exception $error) {
    WP_CLI::$output[] = $error->getMessage();
}
return WP_CLI::$output;
"""


@pytest.fixture
def paired(wp: Any) -> Iterator[Paired]:
    forget(wp)
    wp.evaluate(RESUME)
    reset(wp, "tide-gallery", "1.0.0")
    connection = connect(wp)
    grant(wp, "plugins", "siteagent")
    yield connection
    wp.evaluate(RESUME)
    forget(wp)


@pytest.fixture
def ana(wp: Any) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def pause(ana: Person, reason: str = "") -> str:
    return words(ana.submit(ana.page(LIMITS).text, "siteagent_pause", reason=reason))


def refused(change: ApprovedChange) -> str:
    answer = change.send()
    assert answer["outcome"] == "refused", answer
    return answer["reason"]


def newest_entry(wp: Any, event: str) -> dict[str, Any]:
    """Return the newest log entry of this event."""
    entries = wp.evaluate("return siteagent()->audit_log_reader()->recent(40, 0);")
    return next(entry for entry in entries if entry["event"] == event)


def limits(paired: Paired) -> dict[str, Any]:
    return paired.ask("report", have=None).document["report"]["agent"]["limits"]


# ---- in wp-admin ----


@pytest.mark.smoke
def test_the_pause_button_stops_a_signed_approved_plan(wp, ana, paired) -> None:
    change, before = ApprovedChange.of(wp, paired, ITEM), disk(wp, GALLERY)
    assert "Updates paused." in pause(ana)
    for _ in range(2):
        assert refused(change) == "paused_by_owner"
    assert disk(wp, GALLERY) == before
    # The plan was not used up: it may run once the owner resumes, and not before.
    assert change.status()["state"] == "never"
    after = words(ana.submit(ana.page(LIMITS).text, "siteagent_resume"))
    assert "Updates resumed." in after
    assert change.send()["outcome"] == "succeeded"
    assert version(wp, GALLERY) == "1.1.0"


def test_the_page_shows_when_by_whom_and_why_updates_were_paused(wp, ana, paired) -> None:
    pause(ana, "Summer <b>sale</b> until Sunday")
    page = words(ana.page(LIMITS).text)
    assert "Updates have been paused since" in page
    assert f"by {wp.admin}." in page
    assert "Reason: Summer sale until Sunday" in page
    for tab in ("", "&tab=permissions", "&tab=log"):
        assert "Updates have been paused since" in words(ana.page(tab).text)


def test_the_report_contains_the_pause_and_reading_continues(wp, ana, paired) -> None:
    not_paused = {"paused": False, "read_only": False, "paused_at": None, "reason": ""}
    assert limits(paired).items() >= not_paused.items()
    digest = paired.ask("report", have=None).document["digest"]
    pause(ana, "Summer sale")
    # Even a site that remembers its last report must not answer "unchanged".
    document = paired.ask("report", have=digest).document
    assert document.get("unchanged") is None
    reported = document["report"]["agent"]["limits"]
    assert (reported["paused"], reported["reason"]) == (True, "Summer sale")
    assert abs(reported["paused_at"] - time.time()) < 120
    assert paired.ask("ping").document["ok"] is True
    assert paired.ask("log", after=0).document["entries"]
    checked = ask(paired, "change.check", item=ITEM)
    assert (checked["eligible"], checked["reasons"]) == (False, ["paused_by_owner"])


def test_pausing_and_resuming_are_logged(wp, ana, paired) -> None:
    pause(ana, "Summer sale")
    entry = newest_entry(wp, "updates_paused")
    assert (entry["actor"], entry["facts"]) == ("user:1", {"pause_reason": "Summer sale"})
    ana.submit(ana.page(LIMITS).text, "siteagent_resume")
    assert newest_entry(wp, "updates_resumed")["actor"] == "user:1"
    shown = words(ana.page("&tab=log").text)
    assert "Paused updates. Reason: Summer sale" in shown
    assert "Resumed updates." in shown


def test_pausing_twice_keeps_the_first_pause(wp, ana, paired) -> None:
    page = ana.page(LIMITS).text
    pause(ana, "Summer sale")
    again = words(ana.submit(page, "siteagent_pause", reason="Another one"))
    assert "No changes to save." in again
    assert limits(paired)["reason"] == "Summer sale"


@pytest.mark.parametrize("role", ["subscriber", "author", "editor"])
def test_only_an_administrator_pauses_or_resumes(wp, paired, role) -> None:
    person = user_with_role(wp, role)
    for action in ("siteagent_pause", "siteagent_resume"):
        answer = person.send(action, _wpnonce=nonce_of(wp, person, action))
        assert answer.status_code == 403
    assert limits(paired)["paused"] is False


def test_a_form_with_a_wrong_nonce_resumes_nothing(wp, ana, paired) -> None:
    pause(ana)
    for nonce in ("", "0123456789", nonce_of(wp, ana, "siteagent_pause")):
        assert ana.send("siteagent_resume", _wpnonce=nonce).status_code == 403
    assert limits(paired)["paused"] is True


_CONVERT = 'global $wpdb; return $wpdb->query("ALTER TABLE $wpdb->options CONVERT TO %s");'


def test_a_reason_loses_only_characters_that_utf8_tables_cannot_store(wp, paired) -> None:
    """WordPress refuses a query with an emoji on such a table, so the pause would be lost."""
    wp.evaluate(_CONVERT % "CHARACTER SET utf8")
    try:
        wp.evaluate(PAUSE.replace("Summer sale", "Été 😀 sale"))
    finally:
        wp.evaluate(_CONVERT % "CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci")
    assert limits(paired)["reason"] == "Été  sale"


# ---- during an update ----


@pytest.mark.parametrize("moment", ["download", "before"])
def test_a_pause_stops_an_update_that_has_not_replaced_files_yet(wp, paired, moment) -> None:
    """The package is downloaded or even unpacked, but no file of the site is replaced."""
    # An inactive plugin, because no form can be sent to a site in maintenance.
    wp.evaluate(f"{_ADMIN} deactivate_plugins('{GALLERY}', true);")
    before = disk(wp, GALLERY)
    with injected_faults(wp, sleep={moment: 30}), ThreadPoolExecutor(1) as pool:
        change = ApprovedChange.of(wp, paired, ITEM)
        sent = pool.submit(change.send)
        reached(wp)
        wp.evaluate(PAUSE)
        wake(wp)
        answer = sent.result()
    assert (answer["outcome"], answer["reason"]) == ("refused", "paused_by_owner")
    assert disk(wp, GALLERY) == before
    assert change.status()["state"] == "never"
    wp.evaluate(RESUME)
    assert change.send()["outcome"] == "succeeded"
    wp.evaluate(f"{_ADMIN} activate_plugin('{GALLERY}', '', false, true);")


# ---- in wp-config.php ----


def test_a_pause_in_wp_config_cannot_be_resumed_elsewhere(wp, ana, paired) -> None:
    change, before = ApprovedChange.of(wp, paired, ITEM), disk(wp, GALLERY)
    with injected_faults(wp, constants={"SITEAGENT_READ_ONLY": True}):
        state = limits(paired)
        assert (state["paused"], state["read_only"], state["paused_at"]) == (True, True, None)
        assert refused(change) == "paused_by_owner"
        page = ana.page(LIMITS).text
        assert "remove the constant SITEAGENT_READ_ONLY" in words(page)
        assert "Resume updates" not in page
        nonce = nonce_of(wp, ana, "siteagent_resume")
        assert ana.send("siteagent_resume", _wpnonce=nonce).status_code == 303
        assert "They cannot be resumed here." in words(ana.page(LIMITS).text)
        (output,) = wp.evaluate(WP_CLI % "resume()")
        assert output.startswith("error: Updates are paused in wp-config.php.")
        assert refused(change) == "paused_by_owner"
    assert disk(wp, GALLERY) == before
    assert change.send()["outcome"] == "succeeded"


# ---- with WP-CLI ----


def test_wp_cli_pauses_shows_and_resumes(wp, paired) -> None:
    pausing = "pause(array(), array('reason' => 'Summer sale'))"
    assert wp.evaluate(WP_CLI % "status()") == [
        "Updates are not paused.",
        "Updates may start: any time",
        "Releases have to be known for: any age",
    ]
    assert wp.evaluate(WP_CLI % pausing) == ["success: Updates paused."]
    assert wp.evaluate(WP_CLI % pausing) == ["warning: Updates were paused already."]
    assert newest_entry(wp, "updates_paused")["actor"] == "terminal"
    state = wp.evaluate(WP_CLI % "status()")
    assert state[0].startswith("Updates have been paused since ")
    assert state[0].endswith(", by WP-CLI.")
    assert state[1:] == [
        "Reason: Summer sale",
        "Updates may start: any time",
        "Releases have to be known for: any age",
        "status 1",
    ]
    assert refused(ApprovedChange.of(wp, paired, ITEM)) == "paused_by_owner"
    assert wp.evaluate(WP_CLI % "resume()") == ["success: Updates resumed."]
    assert wp.evaluate(WP_CLI % "resume()") == ["warning: Updates were not paused."]


# ---- a hostile dashboard ----


def test_no_plan_or_operation_of_a_dashboard_ends_a_pause(wp, ana, paired) -> None:
    """The dashboard has all keys and valid signatures."""
    pause(ana)
    before, gallery = limits(paired), disk(wp, GALLERY)
    extras: list[dict[str, Any]] = [
        {"limits": {"paused": False}},
        {"override": "The owner agreed by phone."},
        {"approval": {"by": "The owner", "how": "client", "at": 1, "reason": "Resumed"}},
        {"not_before": 0, "not_after": 31 * 86400 - 1},
    ]
    reasons = [refused(ApprovedChange.of(wp, paired, ITEM, **extra)) for extra in extras]
    assert reasons == [*["paused_by_owner"] * 3, "outside_window"]
    siteagent = {"kind": "siteagent", "id": "siteagent/siteagent.php", "from": "1", "to": "2"}
    change = ApprovedChange.of(wp, paired, siteagent, op="agent.update")
    assert refused(change) == "paused_by_owner"
    names = wp.evaluate("return array_keys(Siteagent_Operation_Registry::ALL);")
    assert not [name for name in names if "pause" in name or "resume" in name or "limit" in name]
    assert limits(paired) == before
    assert disk(wp, GALLERY) == gallery


def test_a_new_pairing_does_not_end_a_pause(wp, ana, paired) -> None:
    pause(ana)
    token = new_token(wp.url)
    agree(ana, token.text(), replace="1")
    fresh = pair(token)
    grant(wp, "plugins")
    assert limits(fresh)["paused"] is True
    assert refused(ApprovedChange.of(wp, fresh, ITEM)) == "paused_by_owner"
