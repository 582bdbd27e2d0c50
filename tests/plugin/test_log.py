"""Write the site's log: one hash chain, concurrent writers, trimming and found changes."""

from __future__ import annotations

import hashlib

import pytest

from app.protocol import canonical, chain_genesis, site_log_hash

NEW = """
global $wpdb;
$log = new Siteagent_Audit_Log($wpdb);
$reader = new Siteagent_Audit_Log_Reader($wpdb, $log);
$verifier = new Siteagent_Audit_Log_Verifier($wpdb, $log);
$log->drop();
$table = $wpdb->base_prefix . 'siteagent_log';
"""
THREE = (
    NEW
    + """
$log->append('one', array('n' => 1), 'user:1');
$log->append('two', array('text' => 'é 😀 </script>'), 'dashboard');
$log->append('three', array(), 'site');
"""
)


def test_entries_come_back_newest_first(wp):
    entries = wp.evaluate(THREE + "return $reader->recent(10, 0);")
    assert [(entry["seq"], entry["event"], entry["actor"]) for entry in entries] == [
        (3, "three", "site"),
        (2, "two", "dashboard"),
        (1, "one", "user:1"),
    ]
    assert entries[1]["facts"] == {"text": "é 😀 </script>"}
    assert wp.evaluate(THREE + "return array_column($reader->recent(1, 1), 'seq');") == [2]


def test_the_first_entry_creates_the_table(wp):
    assert wp.evaluate(NEW + "return $log->head();")["n"] == 0
    assert wp.evaluate(THREE + "return $reader->count();") == 3


def test_the_chain_follows_the_protocol(wp):
    name, rows = wp.evaluate(
        THREE + "return array(get_site_option('siteagent_log'),"
        '$wpdb->get_results("SELECT seq, prev, body, hash FROM $table ORDER BY seq", ARRAY_A));'
    )
    previous = chain_genesis(name)
    for row in rows:
        body = row["body"].encode()
        assert row["prev"] == previous.hex()
        previous = site_log_hash(int(row["seq"]), previous, hashlib.sha256(body).digest())
        assert row["hash"] == previous.hex()
    assert len(rows) == 3


def test_bodies_are_canonical_and_whole(wp):
    import json

    bodies = wp.evaluate(THREE + 'return $wpdb->get_col("SELECT body FROM $table ORDER BY seq");')
    for body in bodies:
        document = json.loads(body)
        assert canonical(document).decode() == body
        assert set(document) == {"v", "at", "event", "actor", "facts"}


def test_the_head_is_the_newest_entry(wp):
    head, newest = wp.evaluate(THREE + "return array($log->head(), $reader->recent(1, 0)[0]);")
    assert head == {"n": 3, "hash": newest["hash"], "at": newest["at"]}


def test_an_unaltered_log_verifies(wp):
    assert wp.evaluate(THREE + "return $verifier->verify();") == {
        "ok": True,
        "checked": 3,
        "broken_at": None,
    }
    assert wp.evaluate(NEW + "return $verifier->verify();")["ok"] is True


@pytest.mark.parametrize(
    ("statement", "broken_at"),
    [
        ("UPDATE $table SET body = REPLACE(body, 'two', 'tvo') WHERE seq = 2", 2),
        ("UPDATE $table SET hash = REVERSE(hash) WHERE seq = 2", 2),
        ("UPDATE $table SET prev = REVERSE(prev) WHERE seq = 2", 2),
        ("UPDATE $table SET at = at - 1 WHERE seq = 2", 2),
        ("DELETE FROM $table WHERE seq = 2", 3),
        ("DELETE FROM $table WHERE seq = 1", 2),
        ("UPDATE $table SET seq = seq + 1 ORDER BY seq DESC", 2),
        ("UPDATE $table SET body = 'x' WHERE seq = 3", 3),
        ("UPDATE $table SET body = CONCAT('{', CHAR(34), 'at', CHAR(34), ':5}') WHERE seq = 3", 3),
        ("UPDATE $table SET prev = 'none' WHERE seq = 3", 3),
    ],
)
def test_an_altered_entry_is_found(wp, statement, broken_at):
    verified = wp.evaluate(THREE + f'$wpdb->query("{statement}"); return $verifier->verify();')
    assert verified["ok"] is False
    assert verified["broken_at"] == broken_at


def test_the_entries_of_another_log_do_not_verify(wp):
    verified = wp.evaluate(
        THREE
        + "update_site_option('siteagent_log', wp_generate_uuid4()); return $verifier->verify();"
    )
    assert verified["broken_at"] == 1


def test_strange_facts_become_plain_text(wp):
    (entry,) = wp.evaluate(
        NEW + "$log->append('odd', array('bytes' => \"caf\\xe9\", 'long' => str_repeat('é', 900),"
        "'float' => 1.5, 'none' => null, 'deep' => array('yes' => true)), \"a\\xff\");"
        "return $reader->recent(1, 0);"
    )
    assert entry["facts"]["bytes"] == "caf?"
    assert entry["facts"]["long"] == "é" * 500
    assert entry["facts"]["float"] == "1.5"
    assert entry["facts"]["none"] is None
    assert entry["facts"]["deep"] == {"yes": True}
    assert entry["actor"] == "a?"


def test_an_unwritable_log_raises_an_error(wp):
    message = wp.evaluate(
        NEW + '$wpdb->query("CREATE TABLE $table (seq INT)");'
        "try { $log->append('one', array(), 'site'); $message = 'silence'; }"
        "catch (RuntimeException $e) { $message = $e->getMessage(); }"
        "$log->drop(); return $message;"
    )
    assert "cannot be written" in message


def test_a_trimmed_log_still_verifies(wp):
    count, verified, trimmed = wp.evaluate(
        NEW + "for ($i = 0; $i < 10600; $i++) { $log->append('answered', array(), 'dashboard'); }"
        "$trimmed = array_values(array_filter($reader->recent(200, 0), function ($e) {"
        "return 'log_trimmed' === $e['event']; }));"
        "return array($reader->count(), $verifier->verify(), $trimmed);"
    )
    assert 10000 <= count <= 10500
    assert verified == {"ok": True, "checked": count, "broken_at": None}
    assert trimmed[0]["facts"]["through"] == 500


def test_entries_deleted_by_hand_are_found(wp):
    verified = wp.evaluate(
        NEW + "for ($i = 0; $i < 10600; $i++) { $log->append('many', array(), 'site'); }"
        '$wpdb->query("DELETE FROM $table WHERE seq <= 600"); return $verifier->verify();'
    )
    assert verified == {"ok": False, "checked": 0, "broken_at": 601}


def test_concurrent_writers_make_one_chain(wp):
    wp.evaluate(THREE + "return 0;")
    append = (
        "global $wpdb; $log = new Siteagent_Audit_Log($wpdb);"
        "for ($i = 0; $i < 40; $i++) { $log->append('race', array('i' => $i), 'site'); }"
    )
    wp.evaluate_at_once([append] * 4)
    count, verified = wp.evaluate(
        "return array(siteagent()->audit_log_reader()->count(), "
        "siteagent()->audit_log_verifier()->verify());"
    )
    assert count == 163
    assert verified["ok"] is True


def test_a_users_entries_can_be_exported_and_hold_no_name(wp):
    exported, erased, rows = wp.evaluate(
        NEW + "$ana = get_users(array('role' => 'administrator', 'number' => 1))[0];"
        "$log->append('pairing_cancelled', array(), 'user:' . $ana->ID);"
        "$log->append('other', array(), 'user:' . $ana->ID . '99');"
        "$tool = new Siteagent_Privacy($reader);"
        "return array($tool->export($ana->user_email), $tool->erase($ana->user_email),"
        'implode($wpdb->get_col("SELECT body FROM $table")));'
    )
    assert len(exported["data"]) == 1
    assert exported["done"] is True
    assert erased["items_removed"] is False
    assert erased["items_retained"] is True
    assert erased["messages"]
    assert wp.admin not in rows


def test_an_unknown_address_has_no_entries(wp):
    exported, erased = wp.evaluate(
        THREE + "$tool = new Siteagent_Privacy($reader);"
        "return array($tool->export('nobody@example.com'), $tool->erase('nobody@example.com'));"
    )
    assert exported == {"data": [], "done": True}
    assert erased["items_retained"] is False
