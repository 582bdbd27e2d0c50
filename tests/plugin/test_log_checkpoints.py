"""Exchange checkpoints: the site stores the dashboard's and sends one of its own log."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from app import keys
from app.http.errors import CallError
from app.protocol import b64u, from_b64u, parse_json, site_log_hash
from tests.plugin.support.changing import DESK, ApprovedChange, disk, grant, item_of
from tests.plugin.support.dashboard import Paired, checkpoint_of, head_of
from tests.plugin.support.signed_requests import connect, forget
from tests.plugin.support.wp_admin import Person, words

LAST = "return siteagent()->audit_log_reader()->recent(%d, 0);"
CHECKPOINTS = """
global $wpdb;
$table = $wpdb->prefix . 'siteagent_checkpoint';
return $wpdb->get_results("SELECT slot, n, hash FROM $table ORDER BY slot", ARRAY_A);
"""
# Back up SiteAgent's tables, and restore them.
TABLES = "foreach (array('options', 'siteagent_log', 'siteagent_checkpoint') as $name)"
KEEP = f"""
global $wpdb;
{TABLES} {{
    $wpdb->query("CREATE TABLE {{$wpdb->prefix}}{{$name}}_kept LIKE {{$wpdb->prefix}}$name");
    $wpdb->query(
        "INSERT INTO {{$wpdb->prefix}}{{$name}}_kept SELECT * FROM {{$wpdb->prefix}}$name"
    );
}}
"""
RESTORE = f"""
global $wpdb;
{TABLES} {{
    $wpdb->query("DELETE FROM {{$wpdb->prefix}}$name");
    $wpdb->query(
        "INSERT INTO {{$wpdb->prefix}}$name SELECT * FROM {{$wpdb->prefix}}{{$name}}_kept"
    );
    $wpdb->query("DROP TABLE {{$wpdb->prefix}}{{$name}}_kept");
}}
wp_cache_flush();
"""


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    forget(wp)


def now() -> int:
    return int(time.time())


def code(error: pytest.ExceptionInfo[CallError]) -> str:
    return str(error.value.evidence.get("code", error.value.error_code))


def send_older_checkpoint(paired: Paired) -> None:
    """Send a later checkpoint of fewer entries, as from an audit log that was restored."""
    paired.ask("ping", checkpoint=checkpoint_of(paired, 812, now() - 60))
    paired.ask("ping", checkpoint=checkpoint_of(paired, 791, now()))


def seen_in(reply: Any, paired: Paired) -> dict[str, Any]:
    """Return the entry that the site has seen, from the dashboard's own signed checkpoint."""
    signed = reply.document["seen"]
    body = from_b64u(signed["body"])
    public = keys.signing_public(paired.seed)
    assert keys.verify_checkpoint(public, body, from_b64u(signed["sig"]))
    checkpoint = parse_json(body)
    return {"n": checkpoint["n"], "hash": checkpoint["hash"]}


# ---- the dashboard's checkpoint ----


def test_a_checkpoint_is_stored_logged_and_returned_in_the_next_reply(wp, paired):
    at = now()
    assert paired.ask("ping", checkpoint=checkpoint_of(paired, 7, at)).document["seen"] is None
    reply = paired.ask("ping", checkpoint=checkpoint_of(paired, 9, at))
    assert seen_in(reply, paired) == {"n": 7, "hash": f"{7:064x}"}
    assert "checkpoint_refused" not in reply.document
    assert [(row["slot"], int(row["n"])) for row in wp.evaluate(CHECKPOINTS)] == [
        (time.strftime("%Y-%m-%d", time.gmtime()), 9),
        ("newest", 9),
    ]
    entry = wp.evaluate(LAST % 1)[0]
    assert entry["event"] == "answered"
    assert entry["facts"]["checkpoint"]["n"] == 9
    assert entry["facts"]["checkpoint"]["sig"] == checkpoint_of(paired, 9, at)["sig"]
    assert len(entry["facts"]["nonce"]) == 22


def test_the_sites_own_checkpoint_is_signed_and_names_its_newest_entry(wp, paired):
    reply = paired.ask("ping")
    signed = reply.document["checkpoint"]
    public = from_b64u(wp.evaluate("return siteagent()->site_identity()->signing_public_key();"))
    assert keys.verify_checkpoint(public, from_b64u(signed["body"]), from_b64u(signed["sig"]))
    assert head_of(reply) == {
        key: value
        for key, value in wp.evaluate("return siteagent()->audit_log()->head();").items()
        if key != "at"
    }


def test_each_call_adds_one_entry_and_its_reply_names_it(wp, paired):
    """The dashboard can match its calls to new entries without reading the log."""
    unchanged = {"checkpoint": checkpoint_of(paired, 7, now())}
    start = head_of(paired.ask("ping", **unchanged))["n"]
    ops = [("ping", {}), ("report", {"have": None}), ("log", {"after": 0}), ("ping", {})]
    heads = [head_of(paired.ask(op, **arguments, **unchanged))["n"] for op, arguments in ops]
    assert heads == [start + number for number in range(1, 5)]
    assert int(wp.evaluate(LAST % 1)[0]["seq"]) == heads[-1]


def test_an_older_checkpoint_is_recorded_once_and_does_not_block_reading(wp, paired):
    send_older_checkpoint(paired)
    reply = paired.ask("report", have=None, checkpoint=checkpoint_of(paired, 792, now()))
    assert reply.document["checkpoint_refused"] is True
    assert seen_in(reply, paired) == {"n": 812, "hash": f"{812:064x}"}
    refused = [entry for entry in wp.evaluate(LAST % 10) if entry["event"] == "checkpoint_refused"]
    assert len(refused) == 1
    assert refused[0]["facts"]["why"] == "goes back"
    assert refused[0]["facts"]["checkpoint"]["n"] == 791


def test_another_hash_for_a_known_entry_is_refused(wp, paired):
    at = now()
    paired.ask("ping", checkpoint=checkpoint_of(paired, 7, at))
    reply = paired.ask("ping", checkpoint=checkpoint_of(paired, 7, at, "f" * 64))
    assert reply.document["checkpoint_refused"] is True


def test_a_checkpoint_of_another_log_is_refused(wp, paired):
    at = now()
    paired.ask("ping", checkpoint=checkpoint_of(paired, 7, at))
    other = parse_json(from_b64u(checkpoint_of(paired, 9, at)["body"]))
    from app.protocol import canonical

    body = canonical({**other, "log": str(uuid.uuid4())})
    checkpoint = {"body": b64u(body), "sig": b64u(keys.sign_checkpoint(paired.seed, body))}
    assert paired.ask("ping", checkpoint=checkpoint).document["checkpoint_refused"] is True


def test_concurrent_calls_may_arrive_in_another_order(wp, paired):
    at = now()
    paired.ask("ping", checkpoint=checkpoint_of(paired, 9, at))
    for earlier in (at, at - 1):
        assert (
            "checkpoint_refused"
            not in paired.ask("ping", checkpoint=checkpoint_of(paired, 8, earlier)).document
        )
    assert seen_in(paired.ask("ping"), paired)["n"] == 9


def test_a_checkpoint_the_dashboard_did_not_sign_is_refused(wp, paired):
    other_dashboard = replace(paired, seed=keys.new_signing_key())
    with pytest.raises(CallError) as refused:
        paired.ask("ping", checkpoint=checkpoint_of(other_dashboard, 7, now()))
    assert code(refused) == "invalid_arguments"
    assert refused.value.evidence["argument"] == "checkpoint"


@pytest.mark.parametrize("op", ["change.run", "keys.rotate"])
def test_a_refused_checkpoint_blocks_changes_but_not_revoking(wp, paired, op):
    send_older_checkpoint(paired)
    more = {"sig_next": None} if op == "keys.rotate" else {}
    with pytest.raises(CallError) as refused:
        paired.ask(op, op_id=str(uuid.uuid4()), plan="e30", sig="x", **more)
    assert code(refused) == "audit_log_forked"
    assert refused.value.evidence["seen_n"] == 812
    secret = {"kid": paired.channel.keyid, "r": b64u(paired.session.revoke)}
    assert paired.ask("revoke", **secret).document["a"] == b64u(paired.session.revoke_ack)


@pytest.mark.parametrize("op", ["change.run", "agent.update", "keys.rotate"])
def test_nothing_is_changed_without_a_checkpoint(wp, paired, op):
    """Otherwise a thief with former keys could omit the checkpoint that reveals the theft."""
    more = {"sig_next": None} if op == "keys.rotate" else {}
    with pytest.raises(CallError) as refused:
        paired.ask(op, op_id=str(uuid.uuid4()), plan="e30", sig="x", **more)
    assert code(refused) == "invalid_arguments"
    assert refused.value.evidence["argument"] == "checkpoint"


def test_a_site_restored_from_a_backup_refuses_updates(wp, paired):
    """The backup is older than a revocation, so the revoked keys work again."""
    grant(wp, "plugins")
    paired.ask("ping", checkpoint=checkpoint_of(paired, 7, now() - 60))
    wp.evaluate(KEEP)
    seen = head_of(paired.ask("ping", checkpoint=checkpoint_of(paired, 9, now() - 30)))
    paired.ask("revoke", kid=paired.channel.keyid, r=b64u(paired.session.revoke))
    wp.evaluate(RESTORE)
    assert paired.ask("ping").document["ok"] is True
    before = disk(wp, DESK)
    change = ApprovedChange.of(wp, paired, item_of(wp, DESK, "2.4.0"))
    result = change.send(log=seen)
    assert (result["outcome"], result["reason"]) == ("refused", "site_log_forked")
    with pytest.raises(CallError) as refused:
        change.send(checkpoint=checkpoint_of(paired, 5, now()))
    assert code(refused) == "audit_log_forked"
    assert disk(wp, DESK) == before


def test_an_administrator_can_accept_the_audit_log_and_is_recorded(wp, paired):
    send_older_checkpoint(paired)
    ana = Person(wp.url, wp.admin, wp.password)
    page = ana.page().text
    assert "The dashboard’s history does not match this site’s records." in words(page)
    after = words(ana.submit(page, "siteagent_accept_audit_log"))
    assert "The dashboard’s current history was accepted." in after
    entry = wp.evaluate(LAST % 1)[0]
    assert (entry["event"], entry["facts"]["n"]) == ("checkpoint_accepted", 791)
    assert entry["actor"].startswith("user:")
    reply = paired.ask("ping", checkpoint=checkpoint_of(paired, 793, now()))
    assert "checkpoint_refused" not in reply.document


def test_pairing_again_accepts_the_audit_log_too(wp, paired):
    send_older_checkpoint(paired)
    forget(wp)
    dashboard = connect(wp)
    reply = dashboard.ask("ping", checkpoint=checkpoint_of(dashboard, 3, now()))
    assert reply.document["seen"] is None
    assert "checkpoint_refused" not in reply.document


# ---- the site's log ----


def read_log(paired: Paired, after: int = 0) -> tuple[list[dict], dict]:
    document = paired.ask("log", after=after).document
    return document["entries"], document


def test_the_log_starts_at_the_connection_and_ends_at_the_checkpoint(wp, paired):
    paired.ask("report", have=None)
    reply = paired.ask("log", after=0)
    entries = reply.document["entries"]
    events = [parse_json(from_b64u(entry["body"]))["event"] for entry in entries]
    assert events == ["connected", "answered", "answered"]
    assert reply.document["from"] == entries[0]["seq"]
    assert reply.document["more"] is False
    previous = bytes.fromhex(entries[0]["prev"])
    for entry in entries:
        previous = site_log_hash(entry["seq"], previous, sha256(from_b64u(entry["body"])).digest())
        assert entry["hash"] == previous.hex()
    assert {"n": entries[-1]["seq"], "hash": entries[-1]["hash"]} == head_of(reply)


def test_a_long_log_comes_in_batches_of_bounded_size(wp, paired):
    wp.evaluate(
        "for ($i = 0; $i < 700; $i++) { siteagent()->audit_log()->append('permissions_changed',"
        " array('n' => $i, 'text' => str_repeat('x', 400)), 'site'); } return 0;"
    )
    first, document = read_log(paired)
    assert (len(first), document["more"]) == (500, True)
    rest, document = read_log(paired, first[-1]["seq"])
    assert (rest[0]["seq"], document["more"]) == (first[-1]["seq"] + 1, False)
    assert read_log(paired, rest[-1]["seq"])[0][0]["seq"] == rest[-1]["seq"] + 1


def test_a_trimmed_log_names_its_oldest_entry(wp, paired):
    wp.evaluate(
        "for ($i = 0; $i < 10600; $i++) { siteagent()->audit_log()->append('many', array(), "
        "'site'); }"
    )
    entries, document = read_log(paired)
    assert document["from"] == entries[0]["seq"] > 1
    assert head_of(paired.ask("ping"))["n"] - document["from"] >= 9_999


def test_an_edited_entry_is_sent_as_stored(wp, paired):
    entries, _ = read_log(paired)
    wp.evaluate(
        'global $wpdb; $wpdb->query($wpdb->prepare("UPDATE {$wpdb->prefix}siteagent_log'
        f' SET body = %s WHERE seq = {entries[1]["seq"]}", "caf\\xe9")); return 0;'
    )
    edited, _ = read_log(paired)
    assert from_b64u(edited[1]["body"]) != from_b64u(entries[1]["body"])
    assert edited[1]["hash"] == entries[1]["hash"]
