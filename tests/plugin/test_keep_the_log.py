"""Keep decisions in the site's log, however many requests arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugin.support.dashboard import Paired
from tests.plugin.support.signed_requests import connect, forget, is_turned_away, ping, send

REJECTED = "siteagent()->audit_log_reader()->recent(100, 0, 'unauthenticated_refused')"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


@pytest.fixture
def fresh_log(wp) -> None:
    wp.evaluate("siteagent()->audit_log()->drop(); siteagent()->rejected_requests()->delete();")


def test_rejected_requests_make_one_entry_an_hour_with_their_count(wp, paired, fresh_log) -> None:
    for _ in range(5):
        assert is_turned_away(send(ping(paired, key=b"x" * 32)))
    (entry,) = wp.evaluate(f"return {REJECTED};")
    assert entry["facts"] == {"reason": "bad_signature"}
    next_hour = wp.evaluate(
        f"siteagent()->rejected_requests()->record('unknown_key', time() + 3600); return "
        f"{REJECTED};"
    )
    assert len(next_hour) == 2
    assert next_hour[0]["facts"]["more"] == 4
    assert next_hour[0]["facts"]["since"].endswith(":00:00Z")
    same_hour = wp.evaluate(
        f"siteagent()->rejected_requests()->record('unknown_key', time() + 3600); return "
        f"{REJECTED};"
    )
    assert len(same_hour) == 2


def test_concurrent_rejected_requests_make_one_entry(wp, fresh_log) -> None:
    wp.evaluate_at_once(["siteagent()->rejected_requests()->record('x', 7200);"] * 6)
    assert len(wp.evaluate(f"return {REJECTED};")) == 1
    count = wp.evaluate("return get_option('siteagent_unauthenticated');")
    assert count == "2 6"


# Insert rows as append() writes them, because ten thousand single calls are slow.
FULL = """
global $wpdb;
$log = siteagent()->audit_log();
$log->drop();
$log->append('connected', array('dashboard' => 'https://aura.example'), 'dashboard');
$log->append('permissions_changed', array('after' => 'plugins'), 'user:1');
$hash = new ReflectionMethod($log, 'hash');
$hash->setAccessible(true);
$prev = $log->head()['hash'];
$rows = array();
for ($n = 3; $n < %d; $n++) {
    $at = time();
    $body = Siteagent_Canonical_JSON::encode(array('v' => 1, 'at' =>
        gmdate('Y-m-d\\TH:i:s\\Z', $at),
        'event' => 'answered', 'actor' => 'dashboard', 'facts' => new stdClass()));
    $next = $hash->invoke($log, $n, $prev, $body);
    $rows[] = "($n, $at, '$prev', '$body', '$next')";
    $prev = $next;
}
foreach (array_chunk($rows, 2000) as $some) {
    $wpdb->query("INSERT INTO {$wpdb->base_prefix}siteagent_log (seq, at, prev, body, hash) VALUES "
        . implode(',', $some));
}
$log->append('update_approved', array('id' => 'x'), 'user:1');
"""


def log_state(wp) -> dict[str, Any]:
    return wp.evaluate(
        "$log = siteagent()->audit_log_reader(); $names = array();"
        "foreach ($log->recent(20000, 0) as $entry) {"
        " $names[$entry['event']] = ($names[$entry['event']] ?? 0) + 1; }"
        "$since = $log->entries_after(0); $head = siteagent()->audit_log()->head();"
        "$first = null; foreach ($log->chain($head['n']) as $entry)"
        " { $first = $entry['seq']; break; }"
        "$verified = siteagent()->audit_log_verifier()->verify();"
        "return array('names' => $names, 'verified' => $verified, 'from' => $since['from'],"
        " 'first' => $since['entries'][0]['seq'], 'exported' => $first, 'head' => $head);"
    )


def test_requests_remove_no_decision_from_the_log(wp, fresh_log) -> None:
    wp.evaluate(FULL % 10500)
    state = log_state(wp)
    assert state["names"]["connected"] == 1
    assert state["names"]["permissions_changed"] == 1
    assert state["names"]["update_approved"] == 1
    assert state["names"]["log_trimmed"] == 1
    assert state["names"]["answered"] < 10000
    assert state["verified"]["ok"] is True
    # The dashboard and the export read only the part without gaps.
    assert state["from"] == state["first"] == state["exported"] == 501
    wp.evaluate(
        'global $wpdb; $wpdb->query("UPDATE {$wpdb->base_prefix}siteagent_log SET body ='
        " REPLACE(body, 'plugins', 'core___') WHERE seq = 2\");"
    )
    assert wp.evaluate("return siteagent()->audit_log_verifier()->verify();")["broken_at"] == 2


def test_concurrent_first_entries_begin_one_chain(wp) -> None:
    for _ in range(5):
        wp.evaluate("siteagent()->audit_log()->drop(); siteagent()->audit_log()->create_table();")
        wp.evaluate_at_once(["siteagent()->audit_log()->append('x', array(), 'site');"] * 3)
        verified = wp.evaluate("return siteagent()->audit_log_verifier()->verify();")
        assert verified["ok"] is True
        assert verified["checked"] == 3
