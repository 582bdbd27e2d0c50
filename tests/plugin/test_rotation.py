"""Rotate the keys of a connection: the dashboard requests new keys and confirms them by use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app import keys
from app.http import site_client
from app.http.site_client import CallError
from app.protocol import b64u
from tests.plugin.support.dashboard import NETS, Paired, head_of
from tests.plugin.support.rotation_plan import Plan
from tests.plugin.support.signed_requests import connect, forget

ELSEWHERE = "http://elsewhere.example"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    wp.evaluate("update_option('home', get_option('siteurl'));")
    forget(wp)


def refused(call: Any, **facts: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        call()
    for name, value in facts.items():
        assert caught.value.evidence.get(name) == value, caught.value.evidence
    return caught.value


def test_both_generations_work_until_the_next_is_used(wp, paired) -> None:
    plan = Plan.of(wp, paired)
    fresh = plan.next(plan.send())
    assert paired.ask("ping").document["ok"] is True
    assert fresh.ask("ping").document["ok"] is True
    assert refused(lambda: paired.ask("ping")).error_code == "unauthorized"
    assert fresh.ask("report", have=None).document["ok"] is True
    stored = wp.evaluate("return siteagent()->connection_store()->connection()['fingerprint'];")
    assert stored == fresh.fingerprint
    again = Plan.of(wp, fresh)
    third = again.next(again.send())
    assert third.ask("ping").document["ok"] is True
    assert third.channel.keyid.endswith(".3")


def test_a_repeated_plan_gets_the_same_answer(wp, paired) -> None:
    plan = Plan.of(wp, paired)
    first, second = plan.send(), plan.send()
    assert first.document["e_s"] == second.document["e_s"]
    assert plan.next(second).ask("ping").document["ok"] is True


def test_an_unconfirmed_generation_is_replaced_by_a_later_one(wp, paired) -> None:
    lost = Plan.of(wp, paired)
    never_used = lost.next(lost.send())
    plan = Plan.of(wp, paired)
    fresh = plan.next(plan.send())
    assert refused(lambda: never_used.ask("ping")).error_code in (
        "unauthorized",
        "bad_reply_signature",
    )
    assert fresh.ask("ping").document["ok"] is True


def test_an_operation_id_is_valid_for_one_plan(wp, paired) -> None:
    plan = Plan.of(wp, paired)
    plan.send()
    other = Plan.of(wp, paired, op_id=plan.document["op_id"])
    refused(other.send, code="invalid_arguments", argument="op_id")


@pytest.mark.parametrize(
    ("changed", "argument"),
    [
        ({"do": "report"}, "do"),
        ({"site": "8a52c9b1-1d0e-4f0e-8a4e-3a1f5a0c9d22"}, "site"),
        ({"kid": "other.1"}, "kid"),
        ({"gen": 7}, "gen"),
        ({"gen": "2"}, "gen"),
        ({"e_d": "x"}, None),
        ({"e_d": b64u(bytes(32))}, None),
        ({"v": 2}, "v"),
    ],
)
def test_a_plan_for_anything_else_is_refused(wp, paired, changed, argument) -> None:
    error = refused(Plan.of(wp, paired, **changed).send, code="invalid_arguments")
    assert argument in (None, error.evidence.get("argument"))
    assert paired.ask("ping").document["ok"] is True


def test_the_connection_keys_alone_cannot_rotate_keys(wp, paired) -> None:
    """The thief has a full copy of the site and a recording of every message."""
    plan = Plan.of(wp, paired)
    recorded = b64u(keys.sign_plan(plan.seed, plan.bytes))
    thief = replace(plan, seed=keys.new_signing_key())
    refused(thief.send, code="invalid_arguments", argument="sig")
    refused(lambda: plan.send(sig=b64u(bytes(64))), code="invalid_arguments", argument="sig")
    other = Plan.of(wp, paired)
    refused(lambda: other.send(sig=recorded), code="invalid_arguments", argument="sig")
    refused(lambda: plan.send(sig="x"), code="invalid_arguments", argument="plan")
    altered = plan.bytes.replace(b'"gen":2', b'"gen":3')
    refused(lambda: plan.send(plan=b64u(altered)), code="invalid_arguments", argument="sig")


def test_a_recorded_rotation_is_refused_under_the_new_keys(wp, paired) -> None:
    """A thief replays a recorded rotation, signed with a key from a full copy of the site."""
    plan = Plan.of(wp, paired)
    fresh = plan.next(plan.send())
    assert fresh.ask("ping").document["ok"] is True
    stolen = replace(plan, paired=fresh)
    refused(stolen.send, code="invalid_arguments")
    rows = wp.evaluate("return get_option('siteagent');")
    assert "seed" not in json.dumps(rows["connection"])
    assert fresh.ask("ping").document["ok"] is True


def test_after_a_move_only_a_plan_for_the_new_address_is_accepted(wp, paired) -> None:
    wp.evaluate(f"update_option('home', '{ELSEWHERE}');")
    refused(lambda: paired.ask("ping"), code="identity_changed")
    refused(Plan.of(wp, paired).send, code="identity_changed")
    refused(Plan.of(wp, paired, home="http://third.example").send, code="identity_changed")
    plan = Plan.of(wp, paired, home=ELSEWHERE)
    fresh = plan.next(plan.send())
    refused(lambda: paired.ask("ping"), code="identity_changed")
    assert fresh.ask("ping").document["ok"] is True
    connection = wp.evaluate("return siteagent()->connection_store()->connection();")
    assert connection["home"] == ELSEWHERE
    assert f"{ELSEWHERE}/wp-json/siteagent/v1/rpc" in connection["endpoints"]


def test_a_plan_for_an_address_the_site_does_not_have_is_refused(wp, paired) -> None:
    refused(Plan.of(wp, paired, home=ELSEWHERE).send, code="identity_changed")
    assert paired.ask("ping").document["ok"] is True


def test_only_the_new_revocation_secret_is_accepted(wp, paired) -> None:
    plan = Plan.of(wp, paired)
    fresh = plan.next(plan.send())
    fresh.ask("ping")
    old = {"kid": fresh.channel.keyid, "r": b64u(paired.session.revoke)}
    assert refused(lambda: fresh.ask("revoke", **old)).error_code == "unauthorized"
    ended = fresh.ask("revoke", kid=fresh.channel.keyid, r=b64u(fresh.session.revoke))
    assert ended.document["a"] == b64u(fresh.session.revoke_ack)


def test_a_dashboard_that_missed_the_rotation_can_still_revoke(wp, paired) -> None:
    plan = Plan.of(wp, paired)
    fresh = plan.next(plan.send())
    fresh.ask("ping")
    document = {
        "v": 1,
        "op": "revoke",
        "by": "Ana",
        "kid": paired.channel.keyid,
        "r": b64u(paired.session.revoke),
    }
    status, answer = site_client.call_bearer(paired.channel.endpoint, document, allow_nets=NETS)
    assert (status, answer["a"]) == (200, b64u(paired.session.revoke_ack))
    assert answer["ended"] is True
    _, again = site_client.call_bearer(paired.channel.endpoint, document, allow_nets=NETS)
    assert (again["a"], again["ended"]) == (answer["a"], False)
    assert refused(lambda: fresh.ask("ping")).error_code == "unauthorized"


def test_the_log_head_is_reported_and_recognized(wp, paired) -> None:
    first = ask_with_head(paired, None)
    assert first["knows"] is None
    second = ask_with_head(paired, first)
    assert (second["knows"], second["n"]) == (True, first["n"] + 1)
    assert ask_with_head(paired, {"n": second["n"], "hash": "0" * 64})["knows"] is False
    assert ask_with_head(paired, {"n": second["n"] + 50, "hash": "0" * 64})["knows"] is False


def test_a_restored_backup_does_not_know_the_newer_head(wp, paired) -> None:
    newer_head = ask_with_head(paired, None)
    wp.evaluate(
        "global $wpdb; $t = $wpdb->prefix . 'siteagent_log';"
        f'$wpdb->query("DELETE FROM $t WHERE seq >= {newer_head["n"]}");'
    )
    # Another operation, because a second ping in the same second would write the same entry.
    log = {"n": newer_head["n"], "hash": newer_head["hash"]}
    assert paired.ask("report", have=None, log=log).document["knows"] is False


def ask_with_head(paired: Paired, head: dict[str, Any] | None) -> dict[str, Any]:
    log = {} if head is None else {"log": {"n": head["n"], "hash": head["hash"]}}
    answer = paired.ask("ping", **log)
    return {**head_of(answer), "knows": answer.document["knows"]}


def test_the_next_ping_reports_output_before_a_response(wp, paired) -> None:
    assert "output_started" not in paired.ask("ping").document
    wp.evaluate(
        "siteagent()->audit_log()->append('output_started', array('at' => 'x.php:7'), 'site');"
    )
    assert paired.ask("ping").document["output_started"] == "x.php:7"


def test_the_fallback_address_answers(wp, paired) -> None:
    ajax = f"{wp.url}/wp-admin/admin-ajax.php?action=siteagent_rpc"
    by_ajax = replace(paired, channel=replace(paired.channel, endpoint=ajax))
    assert by_ajax.ask("ping").document["ok"] is True
    assert by_ajax.ask("report", have=None).document["ok"] is True
    stranger = replace(by_ajax, channel=replace(by_ajax.channel, send_key=b"x" * 32))
    assert refused(lambda: stranger.ask("ping")).error_code == "unauthorized"


# ---- the dashboard's signing key ----


def test_a_replaced_signing_key_cannot_rotate_keys(wp, paired) -> None:
    fresh = keys.new_signing_key()
    public = b64u(keys.signing_public(fresh))
    plan = Plan.of(wp, paired, sign_d=public)
    refused(plan.send, code="invalid_arguments", argument="sig_next")
    by_former = b64u(keys.sign_plan(plan.seed, plan.bytes))
    refused(lambda: plan.send(sig_next=by_former), code="invalid_arguments", argument="sig_next")
    reply = plan.send(sig_next=b64u(keys.sign_plan(fresh, plan.bytes)))
    live = plan.next(reply)
    assert live.ask("ping").document["ok"] is True
    valid_plan, former_plan = Plan.of(wp, replace(live, seed=fresh)), Plan.of(wp, live)
    refused(former_plan.send, code="invalid_arguments", argument="checkpoint")
    valid_checkpoint = {"checkpoint": valid_plan.checkpoint}
    refused(lambda: former_plan.send(**valid_checkpoint), code="invalid_arguments", argument="sig")
    assert valid_plan.next(valid_plan.send()).ask("ping").document["ok"] is True
