"""Send requests to a real site: only the key holder gets an exact and signed reply."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import requests

from app import protocol
from app.http.site_client import CallError
from tests.plugin.support.signed_requests import (
    connect,
    document_of,
    is_turned_away,
    ping,
    refused_as,
    send,
    sign,
)
from tests.plugin.support.wp_admin import Person

pytestmark = pytest.mark.smoke


# ---- what works ----


def test_a_signed_request_gets_a_signed_response(wp, paired) -> None:
    sent = ping(paired)
    response = send(sent)
    assert document_of(paired, sent, response)["ok"] is True
    assert response.headers["Cache-Control"] == "no-store, no-transform"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("path", ["/wp-json/siteagent/v1/rpc", "/?rest_route=/siteagent/v1/rpc"])
def test_every_address_of_the_site_answers(wp, paired, path) -> None:
    sent = ping(paired, url=wp.url + path)
    assert document_of(paired, sent, send(sent))["ok"] is True


def test_an_unchanged_report_is_sent_only_once(wp, paired) -> None:
    digest = paired.ask("report", have=None).document["digest"]
    # Free disk space and overdue cron events change between two reports, but not each time.
    for _ in range(5):
        reply = dict(paired.ask("report", have=digest).document)
        if "report" not in reply:
            break
        digest = reply["digest"]
    assert (reply.pop("knows"), reply.pop("seen"), set(reply.pop("checkpoint"))) == (
        None,
        None,
        {"body", "sig"},
    )
    assert reply == {
        "v": 1,
        "ok": True,
        "op": "report",
        "digest": digest,
        "files_checked_at": 0,
        "unchanged": True,
    }


# ---- requests without the key ----


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest", "Content-Type"])
def test_missing_empty_and_doubled_headers_are_turned_away(wp, paired, name) -> None:
    sent = ping(paired)
    others = {key: value for key, value in sent.headers.items() if key != name}
    assert is_turned_away(send(sent, headers=others))
    assert is_turned_away(send(sent, headers={**others, name: ""}))
    doubled = f"{sent.headers[name]}, {sent.headers[name]}"
    assert is_turned_away(send(sent, headers={**others, name: doubled}))


def test_an_oversized_header_is_turned_away(wp, paired) -> None:
    sent = ping(paired)
    headers = sent.headers | {"Signature-Input": sent.headers["Signature-Input"] + "A" * 5000}
    response = send(sent, headers=headers)
    assert response.status_code in (400, 413, 431)
    assert not protocol.is_signed(response.headers)


def test_unknown_key_wrong_mac_and_no_signature_get_the_same_bytes(wp, paired) -> None:
    responses = [
        send(ping(paired, keyid="nobody.1")),
        send(ping(paired, key=b"x" * 32)),
        requests.post(paired.channel.endpoint, data=b"{}", timeout=30),
        requests.post(paired.channel.endpoint, timeout=30),
    ]
    assert all(is_turned_away(response) for response in responses)
    assert len({response.content for response in responses}) == 1


def test_a_request_for_another_site_is_turned_away(wp, paired) -> None:
    sent = ping(paired, url="https://other.example/wp-json/siteagent/v1/rpc")
    assert is_turned_away(send(sent, url=paired.channel.endpoint))


def test_a_message_reflected_in_the_other_direction_is_turned_away(wp, paired) -> None:
    sent = ping(paired)
    response = send(sent)
    headers = {name: response.headers[name] for name in sent.headers if name in response.headers}
    assert is_turned_away(send(sent, headers=headers, data=response.content))
    own_key = ping(paired, key=paired.channel.receive_key)
    assert is_turned_away(send(own_key))


def test_a_swapped_algorithm_or_another_version_is_turned_away(wp, paired) -> None:
    sent = ping(paired)
    signature_input = sent.headers["Signature-Input"]
    for old, new in (
        ("hmac-sha256", "none"),
        ("hmac-sha256", "ed25519"),
        ("siteagent-req/1", "siteagent-req/0"),
        ("siteagent-req/1", "siteagent-note/1"),
    ):
        changed = sent.headers | {"Signature-Input": signature_input.replace(old, new)}
        assert is_turned_away(send(sent, headers=changed))


@pytest.mark.parametrize("created", [-1, 1.5, "x", 10**13])
def test_an_impossible_moment_is_turned_away(wp, paired, created) -> None:
    sent = ping(paired)
    signature_input = sent.headers["Signature-Input"]
    now = signature_input.split("created=")[1].split(";")[0]
    changed = sent.headers | {"Signature-Input": signature_input.replace(now, str(created))}
    assert is_turned_away(send(sent, headers=changed))


def test_an_oversized_body_is_turned_away_unread(wp, paired) -> None:
    response = requests.post(
        paired.channel.endpoint, data=b"x" * (10 * 1024 * 1024), headers=ping(paired).headers,
        timeout=60,
    )  # fmt: skip
    assert response.status_code == 413
    assert response.json() == {"siteagent": 1, "code": "too_large"}


def test_an_administrators_cookie_alone_gives_no_access(wp, paired) -> None:
    ana = Person(wp.url, wp.admin, wp.password)
    nonce = wp.evaluate("wp_set_current_user(1); return wp_create_nonce('wp_rest');")
    for headers in ({}, {"X-WP-Nonce": nonce}):
        response = ana.session.post(
            paired.channel.endpoint, json={"v": 1, "op": "report"}, headers=headers, timeout=30
        )
        assert is_turned_away(response)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_give_no_access(wp, paired, method) -> None:
    response = send(ping(paired), method=method)
    assert not protocol.is_signed(response.headers)
    assert b'"ok":true' not in response.content


@pytest.mark.parametrize("more", ["_method=GET", "_envelope", "_jsonp=x", "_fields=op", "x=1"])
def test_a_query_beside_the_route_is_turned_away(wp, paired, more) -> None:
    sent = ping(paired)
    assert is_turned_away(send(sent, url=f"{sent.url}&{more}"))
    pretty = ping(paired, url=f"{wp.url}/wp-json/siteagent/v1/rpc")
    assert is_turned_away(send(pretty, url=f"{pretty.url}?{more}"))


def test_an_overridden_method_is_turned_away(wp, paired) -> None:
    sent = ping(paired)
    headers = sent.headers | {"X-HTTP-Method-Override": "GET"}
    assert is_turned_away(send(sent, headers=headers))


def test_a_route_named_in_the_body_gives_no_access(wp, paired) -> None:
    response = requests.post(
        wp.url, data={"rest_route": "/siteagent/v1/rpc"}, timeout=30, allow_redirects=False
    )
    assert not protocol.is_signed(response.headers)
    assert b"siteagent" not in response.content or is_turned_away(response)


def test_rejected_requests_cannot_fill_the_table_or_the_log(wp, paired) -> None:
    count = (
        "global $wpdb; return array((int) $wpdb->get_var('SELECT COUNT(*) FROM '"
        ". $wpdb->base_prefix . 'siteagent_nonce'), siteagent()->audit_log_reader()->count());"
    )
    before = wp.evaluate(count)
    for _ in range(60):
        assert is_turned_away(send(ping(paired, key=b"x" * 32)))
    after = wp.evaluate(count)
    assert after[0] == before[0]
    assert after[1] - before[1] <= 1


def test_the_site_logs_the_reason_of_a_refusal(wp, paired) -> None:
    reset_log = "siteagent()->audit_log()->drop(); siteagent()->rejected_requests()->delete();"
    wp.evaluate(reset_log)
    send(ping(paired, keyid="nobody.1"))
    (entry,) = wp.evaluate("return siteagent()->audit_log_reader()->recent(1, 0);")
    assert entry["event"] == "unauthenticated_refused"
    assert entry["facts"]["reason"] == "unknown_key: nobody.1"


# ---- the holder of the key ----


def test_a_changed_byte_is_reported_exactly(wp, paired) -> None:
    sent = ping(paired)
    error = refused_as("digest_mismatch", paired, sent, data=b"\xef\xbb\xbf" + sent.body)
    assert error["bytes"] == len(sent.body) + 3


# Time passes while a request travels, so the future offset is well above the limit of 300.
@pytest.mark.parametrize("offset", [-301, 360, -86400, 86400])
def test_a_wrong_clock_is_reported_with_the_sites_time(wp, paired, offset) -> None:
    now = int(time.time())
    error = refused_as("clock_skew", paired, ping(paired, created=now + offset))
    assert abs(error["site_time"] - now) < 10
    assert error["your_created"] == now + offset


def test_the_same_request_again_is_refused(wp, paired) -> None:
    sent = ping(paired)
    assert document_of(paired, sent, send(sent))["ok"] is True
    refused_as("replayed", paired, sent)
    refused_as("replayed", paired, sent)


def test_a_replay_is_refused_after_clearing_and_flushing(wp, paired) -> None:
    sent = ping(paired)
    send(sent)
    wp.evaluate(
        "siteagent()->nonce_store()->delete_expired(time());"
        "wp_cache_flush(); delete_expired_transients();"
    )
    refused_as("replayed", paired, sent)


def test_an_invalid_signature_burns_no_nonce(wp, paired) -> None:
    nonce = protocol.new_nonce()
    assert is_turned_away(send(ping(paired, nonce=nonce, key=b"x" * 32)))
    good = ping(paired, nonce=nonce)
    assert document_of(paired, good, send(good))["ok"] is True


def test_only_one_of_eight_identical_requests_is_answered(wp, paired) -> None:
    for _ in range(5):
        sent, start = ping(paired), threading.Barrier(8)

        def once(_: int, sent: Any = sent, start: threading.Barrier = start) -> bool:
            start.wait()
            return bool(document_of(paired, sent, send(sent))["ok"])

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(once, range(8))) == 1


def test_a_request_needs_the_nonce_table_which_is_created_if_missing(wp, paired) -> None:
    table = "global $wpdb; $t = $wpdb->base_prefix . 'siteagent_nonce';"
    wp.evaluate(table + '$wpdb->query("DROP TABLE $t");')
    sent = ping(paired)
    assert document_of(paired, sent, send(sent))["ok"] is True
    refused_as("replayed", paired, sent)
    wp.evaluate(table + '$wpdb->query("DROP TABLE $t"); $wpdb->query("CREATE TABLE $t (x INT)");')
    try:
        refused_as("nonce_store_unavailable", paired, ping(paired))
    finally:
        wp.evaluate(table + '$wpdb->query("DROP TABLE $t");')


@pytest.mark.parametrize("op", ["", "eval", "update", "PING", "ping ", "login", None, [], 1])
def test_an_operation_that_is_not_on_the_list_is_refused(wp, paired, op) -> None:
    refused_as("unknown_operation", paired, sign(paired, {"v": 1, "op": op, "by": "Ben"}))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"have": ""},
        {"have": []},
        {"have": {}},
        {"have": 7},
        {"have": "g" * 64},
        {"have": None, "more": 1},
    ],
)
def test_an_argument_of_another_kind_is_refused(wp, paired, arguments) -> None:
    document = {"v": 1, "op": "report", "by": "Ben", **arguments}
    refused_as("invalid_arguments", paired, sign(paired, document))


@pytest.mark.parametrize(
    "changed", [{"v": 2}, {"v": "1"}, {"by": None}, {"by": ["Ben"]}, {"by": "x" * 3000}]
)
def test_a_wrong_envelope_is_refused(wp, paired, changed) -> None:
    document = {"v": 1, "op": "ping", "by": "Ben", **changed}
    refused_as("invalid_arguments", paired, sign(paired, document))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'"text"', b"[" * 3000 + b"]" * 3000])
def test_a_body_that_is_no_document_is_refused(wp, paired, body) -> None:
    refused_as("invalid_arguments", paired, sign(paired, body))


def test_pairing_operations_are_closed_to_a_connection(wp, paired) -> None:
    hello = {"pid": "x", "e_d": "A" * 43, "sign_d": "A" * 43, "dash": {}, "url": "x"}
    document = {"v": 1, "op": "pair.hello", "by": "Ben", **hello}
    refused_as("not_permitted", paired, sign(paired, document))


def test_a_wrong_revocation_secret_ends_nothing(wp, paired) -> None:
    document = {"v": 1, "op": "revoke", "by": "x", "kid": paired.channel.keyid, "r": "A" * 43}
    assert is_turned_away(send(sign(paired, document)))
    unsigned = requests.post(paired.channel.endpoint, json=document, timeout=30)
    assert is_turned_away(unsigned)
    assert paired.ask("ping").document["ok"] is True


# ---- other plugins ----


@pytest.fixture
def other_plugin(wp) -> Iterator[Any]:
    """Return a function that installs another must-use plugin for one test."""
    path = "WPMU_PLUGIN_DIR . '/neighbour.php'"

    def install(code: str) -> None:
        wp.evaluate(
            f"file_put_contents({path}, <<<'NEIGHBOUR'\n<?php {code}\nNEIGHBOUR\n);"
            # Otherwise PHP would run the code of an earlier test for up to two more seconds.
            f"opcache_invalidate({path}, true);"
        )

    yield install
    wp.evaluate(f"unlink({path});")


def test_a_plugin_that_closes_the_rest_api_has_no_effect(wp, paired, other_plugin) -> None:
    other_plugin(
        "add_filter('rest_authentication_errors', function () {"
        "return new WP_Error('closed', 'Users only', array('status' => 401)); }, 99);"
        "add_filter('rest_enabled', '__return_false');"
        "remove_action('init', 'rest_api_init');"
    )
    sent = ping(paired)
    assert document_of(paired, sent, send(sent))["ok"] is True
    assert paired.ask("report", have=None).document["ok"] is True


def test_output_of_other_plugins_does_not_change_the_response(wp, paired, other_plugin) -> None:
    other_plugin(
        'echo "\\xEF\\xBB\\xBF\\n<!-- cached -->";'
        "add_action('init', function () { echo 'Deprecated: something'; });"
        "setcookie('neighbour', '1');"
    )
    sent = ping(paired)
    response = send(sent)
    assert document_of(paired, sent, response)["ok"] is True
    assert "Set-Cookie" not in response.headers
    assert paired.ask("report", have=None).document["ok"] is True


def test_the_rest_route_answers_if_the_early_check_fails(wp, paired, other_plugin) -> None:
    # A language plugin may rewrite the address before WordPress routes it.
    other_plugin(
        "$GLOBALS['was'] = $_SERVER['REQUEST_URI']; $_SERVER['REQUEST_URI'] = '/elsewhere';"
        "$_GET['rest_route'] = '/';"
        "add_action('plugins_loaded', function () {"
        "$_SERVER['REQUEST_URI'] = $GLOBALS['was'];"
        "$_GET['rest_route'] = '/siteagent/v1/rpc'; }, 5);"
        "add_filter('rest_authentication_errors', function () {"
        "return new WP_Error('closed', 'Users only', array('status' => 401)); }, 99);"
    )
    sent = ping(paired)
    assert document_of(paired, sent, send(sent))["ok"] is True
    refused_as("replayed", paired, sent)
    assert paired.ask("report", have=None).document["ok"] is True
    assert is_turned_away(send(ping(paired, key=b"x" * 32)))


def test_a_failing_handler_does_not_reveal_its_message(wp, paired, other_plugin) -> None:
    other_plugin(
        "add_filter('pre_site_transient_update_plugins', function () {"
        " throw new Exception('secret words'); });"
    )
    sent = sign(paired, {"v": 1, "op": "report", "by": "Ben", "have": None})
    response = send(sent)
    assert document_of(paired, sent, response)["ok"] is False
    assert b"secret words" not in response.content


# ---- routes ----


def test_every_route_of_the_plugin_requires_authentication(wp) -> None:
    routes = wp.evaluate(
        "$found = array(); foreach (rest_get_server()->get_routes() as $route => $handlers) {"
        "if (false !== strpos($route, 'siteagent')) { foreach ($handlers as $h) {"
        "$c = isset($h['permission_callback']) ? $h['permission_callback'] : null;"
        "$found[$route][] = null !== $c && is_wp_error($c(new WP_REST_Request('POST', $route)));"
        "} } }"
        "return $found;"
    )
    found = {route: callbacks for route, callbacks in routes.items() if route != "/siteagent/v1"}
    assert found == {"/siteagent/v1/rpc": [True]}, "a route answers without authentication"


def test_nothing_of_the_plugin_answers_to_ajax_or_heartbeat(wp) -> None:
    hooks = wp.evaluate(
        "$found = array(); foreach (array_keys($GLOBALS['wp_filter']) as $hook) {"
        "if (preg_match('/^(wp_ajax_|admin_post_|heartbeat_).*siteagent/', $hook)) {"
        "$found[] = $hook; } } return $found;"
    )
    assert [hook for hook in hooks if not hook.startswith("admin_post_siteagent_")] == []
    assert [hook for hook in hooks if "nopriv" in hook] == []


# ---- after disconnecting ----


def test_a_thief_with_the_old_keys_is_refused_after_disconnecting(wp) -> None:
    paired = connect(wp)
    wp.evaluate("siteagent()->pairing()->disconnect('user:1');")
    with pytest.raises(CallError) as refused:
        paired.ask("ping")
    assert refused.value.error_code == "disconnected"
    unknown = replace(paired.channel, keyid="nobody.1")
    with pytest.raises(CallError) as refused:
        replace(paired, channel=unknown).ask("ping")
    assert refused.value.error_code == "unauthorized"
