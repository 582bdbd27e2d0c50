"""Deleting SiteAgent leaves the site as it was before."""

from __future__ import annotations

import pytest

from app.http.site_client import CallError
from tests.plugin.support.dashboard import new_token, pair
from tests.plugin.support.forms import agree
from tests.plugin.support.signed_requests import forget
from tests.plugin.support.uninstalling import UNINSTALL
from tests.plugin.support.wp_admin import Person

# Names and hashes of everything that a plugin can leave in a database.
SNAPSHOT = """
global $wpdb;
wp_cache_flush();
$seen = array('tables' => $wpdb->get_col('SHOW TABLES'), 'options' => array(), 'cron' => array());
foreach ($wpdb->get_results("SELECT option_name, option_value FROM $wpdb->options") as $row) {
    $seen['options'][$row->option_name] = md5($row->option_value);
}
foreach (_get_cron_array() as $events) {
    foreach (array_keys((array) $events) as $hook) { $seen['cron'][$hook] = true; }
}
$seen['usermeta'] = $wpdb->get_col("SELECT DISTINCT meta_key FROM $wpdb->usermeta");
return $seen;
"""
ACTIVATE = """
require_once ABSPATH . 'wp-admin/includes/admin.php';
$wrong = activate_plugin('siteagent/siteagent.php');
return is_wp_error($wrong) ? $wrong->get_error_message() : 'ok';
"""
# WordPress changes these options at any time.
CHANGING_OPTIONS = ("_transient", "_site_transient", "cron", "rewrite_rules", "recently_activated")


@pytest.fixture
def ana(wp) -> Person:
    yield Person(wp.url, wp.admin, wp.password)
    assert wp.evaluate(ACTIVATE) == "ok"


def test_uninstalling_removes_only_siteagents_data(wp, ana):
    forget(wp)
    ana.page()  # WordPress schedules its own events on the first visit to wp-admin
    wp.evaluate(UNINSTALL)
    wp.evaluate(
        "update_option('siteagents_of_another_plugin', 'stays');"
        "set_transient('siteagentx', 'stays');"
        "wp_schedule_event(time() + 9000, 'daily', 'another_siteagent_hook');"
    )
    before = wp.evaluate(SNAPSHOT)
    assert wp.evaluate(ACTIVATE) == "ok"

    token = new_token(wp.url)
    agree(ana, token.text())
    paired = pair(token)
    paired.ask("report", have=None)
    ana.page("&tab=data")
    ana.page("&tab=log")
    ana.submit(ana.page("&step=token").text, "siteagent_read_token", token="half a token")
    used = wp.evaluate(SNAPSHOT)
    assert set(used["tables"]) - set(before["tables"])
    assert "siteagent" in used["options"]
    assert "siteagent_seen_entry" in used["usermeta"]
    assert "siteagent_send_email" in used["cron"]

    sent = wp.evaluate(UNINSTALL)
    after = wp.evaluate(SNAPSHOT)

    assert after["tables"] == before["tables"]
    assert after["cron"] == before["cron"]
    assert not [name for name in after["usermeta"] if "siteagent" in name]
    assert stable_options(after) == stable_options(before)
    ours = {name for name in after["options"] if "siteagent" in name} - set(before["options"])
    assert ours == set()
    assert len(sent) == 1
    assert sent[0][0] == f"{token.origin}/agent/notice"
    assert '"op":"disconnect"' in sent[0][1]


def test_a_former_key_is_refused_after_reinstalling(wp, ana):
    forget(wp)
    token = new_token(wp.url)
    agree(ana, token.text())
    paired = pair(token)
    wp.evaluate(UNINSTALL)
    assert wp.evaluate(ACTIVATE) == "ok"
    with pytest.raises(CallError) as refused:
        paired.ask("ping")
    assert refused.value.error_code == "unauthorized"


def test_deleting_an_unconnected_plugin_sends_no_notice(wp, ana):
    forget(wp)
    assert wp.evaluate(UNINSTALL) == []


def stable_options(snapshot: dict) -> dict:
    options = snapshot["options"].items()
    return {name: value for name, value in options if not name.startswith(CHANGING_OPTIONS)}
