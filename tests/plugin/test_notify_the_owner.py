"""Notify the site's owner: e-mail, and notices in wp-admin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugin.support.changing import GALLERY, ApprovedChange, grant, reset
from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

ITEM = {"kind": "plugin", "id": GALLERY, "from": "1.0.0", "to": "1.1.0"}
# Send e-mails as WP-Cron does, with a mail server that keeps every e-mail.
SEND_EMAILS = """
$GLOBALS['sent'] = array();
add_filter('pre_wp_mail', function ($nothing, $mail) {
    $GLOBALS['sent'][] = $mail; return true;
}, 10, 2);
siteagent()->email_notifications()->send(time());
return $GLOBALS['sent'];
"""
NEXT_SEND_AT = "return (int) wp_next_scheduled('siteagent_send_email');"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    reset(wp, "tide-gallery", "1.0.0")
    connection = connect(wp)
    wp.evaluate(
        "siteagent()->notification_queue()->set_enabled(true);"
        "siteagent()->notification_queue()->take();"
        "delete_metadata('user', 0, 'siteagent_seen_entry', '', true);"
        "wp_unschedule_hook('siteagent_send_email');"
        "siteagent()->audit_log()->drop(); siteagent()->create_tables(); return 0;"
    )
    yield connection
    forget(wp)


@pytest.fixture
def ana(wp) -> Person:
    return Person(wp.url, wp.admin, wp.password)


def emails(wp) -> list[dict[str, Any]]:
    return wp.evaluate(SEND_EMAILS)


def dashboard(wp, ana: Person) -> str:
    return words(ana.session.get(f"{wp.url}/wp-admin/index.php", timeout=60).text)


# ---- e-mail ----


def test_an_update_that_waits_for_approval_is_mailed_once(wp, paired) -> None:
    grant(wp, "plugins", here=True)
    change = ApprovedChange.of(wp, paired, ITEM)
    assert change.send()["outcome"] == "waiting"
    assert wp.evaluate(NEXT_SEND_AT) > 0
    (email,) = emails(wp)
    assert email["to"] == wp.evaluate("return get_option('admin_email');")
    assert email["subject"].endswith("SiteAgent: 1 update is waiting for your approval")
    assert "* Plugin tide-gallery from 1.0.0 to 1.1.0 (expires " in email["message"]
    assert "options-general.php?page=siteagent&tab=permissions" in email["message"]
    assert change.send()["outcome"] == "waiting"
    assert emails(wp) == []


def test_a_pause_and_other_limits_are_mailed_together(wp, paired) -> None:
    emails(wp)
    decisions = "siteagent()->limit_decisions()"
    wp.evaluate(
        f"{decisions}->pause('Summer sale', 'user:1');"
        f"{decisions}->save_window(new Siteagent_Update_Window(array(1, 7), 22, 4), 'user:1');"
        f"{decisions}->save_exclusions(array('plugin' => array('{GALLERY}' => 'none')), 'user:1');"
    )
    wp.evaluate(
        f"{decisions}->resume('user:1'); {decisions}->save_window(null, 'user:1');"
        f"{decisions}->save_exclusions(array('plugin' => array('{GALLERY}' => 'all')), 'user:1');"
    )
    (email,) = emails(wp)
    for line in (
        "Paused updates. Reason: Summer sale (webmaster)",
        "Changed when updates may start. Monday, Sunday, from 22:00 to 04:00",
        "Changed which plugins and themes are updated. tide-gallery: Never (webmaster)",
        "Resumed updates. (webmaster)",
        "Changed when updates may start. any time (webmaster)",
    ):
        assert line in email["message"]


# Send e-mails this many hours later, with a mail server that refuses them.
SEND_REFUSED = """
add_filter('pre_wp_mail', '__return_false');
siteagent()->email_notifications()->send(time() + %d * HOUR_IN_SECONDS);
return (int) wp_next_scheduled('siteagent_send_email');
"""


def test_an_email_that_the_mail_server_refused_is_sent_later(wp, paired) -> None:
    emails(wp)
    wp.evaluate(
        "siteagent()->limit_decisions()->pause('Sale', 'user:1');"
        "siteagent()->limit_decisions()->resume('user:1');"
        "wp_unschedule_hook('siteagent_send_email');"
    )
    assert wp.evaluate(SEND_REFUSED % 0) > 0
    (email,) = emails(wp)
    assert "Paused updates. Reason: Sale" in email["message"]
    assert emails(wp) == []


def test_an_email_that_fails_for_a_day_is_dropped(wp, paired) -> None:
    emails(wp)
    wp.evaluate("siteagent()->limit_decisions()->pause('Sale', 'user:1');")
    wp.evaluate("siteagent()->limit_decisions()->resume('user:1');")
    wp.evaluate("wp_unschedule_hook('siteagent_send_email');")
    assert wp.evaluate(SEND_REFUSED % 25) == 0
    assert emails(wp) == []


def test_an_update_that_is_already_decided_is_not_mailed(wp, paired) -> None:
    grant(wp, "plugins", here=True)
    ApprovedChange.of(wp, paired, ITEM).send()
    wp.evaluate(
        "$waiting = siteagent()->pending_approvals();"
        "$waiting->decide(array_keys($waiting->waiting(time()))[0], 'refused', time()); return 0;"
    )
    assert emails(wp) == []


def test_updates_and_changed_permissions_share_one_email(wp, ana, paired) -> None:
    page = ana.page("&tab=permissions").text
    ana.submit(page, "siteagent_permissions", **{"permissions[0]": "plugins"})
    assert ApprovedChange.of(wp, paired, ITEM).send()["outcome"] == "succeeded"
    (email,) = emails(wp)
    assert email["subject"].endswith("SiteAgent: Activity on your site")
    assert f"Changed the permissions. Allowed: Plugins. ({wp.admin})" in email["message"]
    assert "Installed an update. Plugin tide-gallery from 1.0.0 to 1.1.0" in email["message"]
    assert emails(wp) == []


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ("rolled_back", "Rolled back an update: the new version did not work."),
        ("failed", "An update failed."),
    ],
)
def test_an_update_that_did_not_work_is_mailed(wp, paired, outcome, text) -> None:
    wp.evaluate(
        "siteagent()->audit_log()->append('update_settled', array('kind' => 'plugin', 'id' => 'a',"
        f"'from' => '1', 'to' => '2', 'outcome' => '{outcome}'), 'site'); return 0;"
    )
    (email,) = emails(wp)
    assert text in email["message"]


def test_routine_requests_are_not_mailed(wp, paired) -> None:
    paired.ask("ping")
    paired.ask("report", have=None)
    assert wp.evaluate(NEXT_SEND_AT) == 0
    assert emails(wp) == []


def test_turning_emails_off_sends_a_last_email(wp, ana, paired) -> None:
    page = ana.page("&tab=permissions").text
    assert 'name="email" value="1" checked' in page
    after = ana.submit(page, "siteagent_notifications")
    assert "E-mail notifications saved." in words(after)
    assert 'name="email" value="1" checked' not in after
    (email,) = emails(wp)
    assert "Changed the e-mail notifications. E-mail: off" in email["message"]
    grant(wp, "plugins", here=True)
    ApprovedChange.of(wp, paired, ITEM).send()
    assert emails(wp) == []
    again = ana.submit(after, "siteagent_notifications", email="1")
    assert 'name="email" value="1" checked' in again
    assert "No changes to save." in words(ana.submit(again, "siteagent_notifications", email="1"))


def test_an_exception_in_a_logged_hook_does_not_prevent_logging(wp, paired) -> None:
    before, after = wp.evaluate(
        "add_action('siteagent_logged', function () { throw new Exception('broken'); });"
        "$log = siteagent()->audit_log(); $before = $log->head()['n'];"
        "$log->append('connected', array(), 'dashboard');"
        "return array($before, $log->head()['n']);"
    )
    assert after == before + 1


# ---- notices ----


def test_recent_activity_is_a_notice_until_the_log_is_opened(wp, ana, paired) -> None:
    wp.evaluate(
        "$log = siteagent()->audit_log();"
        "$facts = array('kind' => 'plugin', 'id' => 'a', 'from' => '1', 'to' => '2');"
        "foreach (array('succeeded', 'succeeded', 'rolled_back', 'waiting') as $outcome) {"
        "$log->append('update_answered', $facts + array('outcome' => $outcome), 'dashboard'); }"
        "$log->append('permissions_changed', array(), 'user:99'); return 0;"
    )
    notice = "SiteAgent: 2 updates installed, 1 update rolled back, permissions changed since you"
    assert notice in dashboard(wp, ana)
    ana.page("&tab=log")
    assert "since you last opened the activity log" not in dashboard(wp, ana)


def test_an_administrator_gets_no_notice_of_their_own_changes(wp, ana, paired) -> None:
    page = ana.page("&tab=permissions").text
    ana.submit(page, "siteagent_permissions", **{"permissions[0]": "plugins"})
    assert "since you last opened the activity log" not in dashboard(wp, ana)


def test_a_pending_update_is_a_notice_and_a_count_in_the_menu(wp, ana, paired) -> None:
    grant(wp, "plugins", here=True)
    ApprovedChange.of(wp, paired, ITEM).send()
    page = ana.session.get(f"{wp.url}/wp-admin/index.php", timeout=60).text
    assert "SiteAgent: 1 update is waiting for your approval." in words(page)
    # "Settings" shows the count as well, because it hides the submenu on other screens.
    for menu in ("SiteAgent", "Settings"):
        assert f'{menu} <span class="awaiting-mod count-1">' in page
