"""Show the "Activity log" tab: important entries first, filters by kind and plain words."""

from __future__ import annotations

import re

import pytest

from tests.plugin.support.wp_admin import Person, words

UPDATE = "array('kind' => 'plugin', 'id' => 'contact-desk/contact-desk.php', 'from' => '1.9',"
FILLED = f"""
$log = siteagent()->audit_log();
$log->drop();
$log->append('connected', array('dashboard' => 'https://aura.example'), 'dashboard');
for ($i = 0; $i < 60; $i++) {{
    $log->append('answered', array('operation' => 'ping', 'by' => "ana $i", 'nonce' => 'N'),
        'dashboard');
}}
$log->append('permissions_changed', array(
    'before' => array('granted' => '', 'approval_on_site' => false),
    'after' => array('granted' => 'plugins, themes', 'approval_on_site' => true)), 'user:1');
$log->append('update_answered', {UPDATE} 'to' => '2.0', 'op_id' => 'op-7',
    'outcome' => 'rolled_back', 'reason' => 'fatal_after', 'by' => 'ben', 'plan' => 'abc'),
    'dashboard');
return 0;
"""


@pytest.fixture
def ana(wp) -> Person:
    wp.evaluate(FILLED)
    return Person(wp.url, wp.admin, wp.password)


def rows(page: str) -> list[str]:
    """Return the text of each table entry without its technical details."""
    table = page.split("<tbody>")[1].split("</tbody>")[0]
    shown = re.sub(r"<details.*?</details>", "", table, flags=re.DOTALL)
    return [words(row) for row in shown.split("<tr>")[1:]]


def test_routine_requests_do_not_hide_what_matters(ana) -> None:
    page = ana.page("&tab=log").text
    assert len(rows(page)) == 3
    assert (
        "Important (3) Decisions and updates (2) Connection (1) Routine requests (60) All (63)"
        in words(page)
    )


@pytest.mark.parametrize(
    ("kind", "count", "text"),
    [
        ("decisions", 2, "Changed the permissions."),
        ("connection", 1, "Connected to the dashboard."),
        ("routine", 50, "Answered a connection test."),
        ("all", 50, "Rolled back an update"),
        ("none such", 3, "Connected to the dashboard."),
    ],
)
def test_a_filter_lists_one_kind_of_entry(ana, kind, count, text) -> None:
    found = rows(ana.page(f"&tab=log&kind={kind}").text)
    assert len(found) == count
    assert any(text in row for row in found)


def test_other_pages_keep_the_filter_and_the_search(ana) -> None:
    page = ana.page("&tab=log&kind=routine&words=ana").text
    links = re.findall(r'href="([^"]+)">Older<', page)
    assert len(links) == 2
    older = ana.session.get(links[0].replace("&#038;", "&"), timeout=60).text
    assert len(rows(older)) == 10
    assert "Page 2 of 2" in words(older)
    assert 'name="words" value="ana"' in older
    assert re.search(r'class="current"[^>]*>Routine requests', older)


def test_a_search_covers_all_kinds(ana) -> None:
    (row,) = rows(ana.page("&tab=log&words=ana%2059").text)
    assert "Answered a connection test. Requested by: ana 59" in row


def test_an_entry_is_read_without_internal_names(ana) -> None:
    update, permissions, _ = rows(ana.page("&tab=log").text)
    assert "Rolled back an update: the new version did not work." in update
    assert "Plugin contact-desk from 1.9 to 2.0" in update
    assert (
        "Approved in the dashboard by: ben · Reason: the new version caused a fatal error" in update
    )
    assert "Allowed: Plugins, Themes. Each update needs approval on this site." in permissions
    assert "op-7" not in update


def test_internal_values_are_in_the_technical_details(ana) -> None:
    page = ana.page("&tab=log").text
    folded = words(" ".join(re.findall(r"<details.*?</details>", page, re.DOTALL)))
    for text in ("Operation ID op-7", "Digest of the plan abc", "Event update_answered"):
        assert text in folded


ALTERED = """
global $wpdb;
foreach (array('"id":"contact-desk/contact-desk.php"' => '"id":7',
    '"actor":"user:1"' => '"actor":[]', '"event":"connected"' => '"event":{}') as $from => $to) {
    $wpdb->query($wpdb->prepare("UPDATE {$wpdb->prefix}siteagent_log"
        . ' SET body = REPLACE(body, %s, %s)', $from, $to));
}
return 0;
"""


@pytest.mark.parametrize("tab", ["log", "history"])
def test_an_altered_log_is_still_shown(wp, ana, tab) -> None:
    """An entry that breaks the page would hide that the log was altered."""
    wp.evaluate(ALTERED)
    page = ana.page(f"&tab={tab}")
    assert page.status_code == 200
    assert rows(page.text)
    assert "critical error" not in page.text
    if tab == "log":
        assert "Log verification failed at entry 1." in words(page.text)
