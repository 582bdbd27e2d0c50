"""Attacks on a real site by requests without a valid key or permission.

docs/MISUSE.md lists every attack and its test; this file has those of no other file.
"""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from app import protocol
from app.protocol import ProtocolError, b64u, from_b64u
from tests.plugin.support.dashboard import Paired, new_token, pair
from tests.plugin.support.forms import FORMS, TABS, nonce_of, paste, user_with_role
from tests.plugin.support.rotation_plan import Plan
from tests.plugin.support.signed_requests import (
    document_of,
    forget,
    is_turned_away,
    ping,
    refused_as,
    send,
    sign,
)
from tests.plugin.support.wp_admin import Person, words

ROLES = ("anonymous", "subscriber", "contributor", "author", "editor")


@pytest.fixture(scope="module")
def people(wp) -> dict[str, Person]:
    """Return one person of every role below administrator."""
    signed_in = {role: user_with_role(wp, role) for role in ROLES if role != "anonymous"}
    return {"anonymous": Person(wp.url), **signed_in}


# ---- values of a wrong type ----


@pytest.mark.parametrize(
    "query", ["rest_route[]=/siteagent/v1/rpc", "rest_route[x]=", "rest_route="]
)
def test_a_list_for_the_route_is_not_answered(wp, paired, query) -> None:
    answer = send(ping(paired), url=f"{wp.url}/?{query}")
    assert not protocol.is_signed(answer.headers)
    assert b'"ok":true' not in answer.content


@pytest.mark.parametrize("action", ["action[]=siteagent_rpc", "action=", "action[siteagent_rpc]="])
def test_a_list_for_the_ajax_action_is_not_answered(wp, paired, action) -> None:
    answer = send(ping(paired), url=f"{wp.url}/wp-admin/admin-ajax.php?{action}")
    assert answer.status_code in (400, 500) or is_turned_away(answer)
    assert not protocol.is_signed(answer.headers)


@pytest.mark.parametrize(
    "value", ['""', "null", "[]", '["hmac-sha256"]', "()", "0", "true", "-1", '"' + "a" * 65 + '"']
)
@pytest.mark.parametrize("parameter", ["keyid", "alg", "nonce", "tag", "created", "expires"])
def test_a_signature_parameter_of_a_wrong_type_is_refused(wp, paired, parameter, value) -> None:
    sent = ping(paired)
    sent_header = sent.headers["Signature-Input"]
    old = sent_header.split(f"{parameter}=")[1].split(";")[0]
    headers = sent.headers | {
        "Signature-Input": sent_header.replace(f"{parameter}={old}", f"{parameter}={value}")
    }
    assert is_turned_away(send(sent, headers=headers))


@pytest.mark.parametrize("value", [None, [], {}, [None], 0, True, "", "x"])
@pytest.mark.parametrize("argument", ["op_id", "plan", "sig"])
def test_a_rotation_with_an_invalid_argument_is_refused(wp, paired, argument, value) -> None:
    plan = {"op_id": "8a52c9b1-1d0e-4f0e-8a4e-3a1f5a0c9d22", "plan": "e30", "sig": b64u(bytes(64))}
    document = {"v": 1, "op": "keys.rotate", "by": "Ben", **plan, argument: value}
    refused_as("invalid_arguments", paired, sign(paired, document))


@pytest.mark.parametrize("value", [None, [], {}, 7, "", "A" * 42, "A" * 44])
@pytest.mark.parametrize("argument", ["kid", "r"])
def test_a_revocation_with_an_invalid_argument_is_refused(wp, paired, argument, value) -> None:
    document = {"v": 1, "op": "revoke", "by": "x", "kid": paired.channel.keyid, "r": "A" * 43}
    document |= {argument: value}
    assert is_turned_away(requests.post(paired.channel.endpoint, json=document, timeout=30))
    answer = send(sign(paired, document))
    assert answer.status_code in (400, 401)
    assert paired.ask("ping").document["ok"] is True


def test_a_list_for_a_pasted_token_is_refused(wp, paired) -> None:
    ana = Person(wp.url, wp.admin, wp.password)
    nonce = nonce_of(wp, ana, "siteagent_read_token")
    for fields in ({"token[]": "x"}, {"token[a][b]": "x"}, {}):
        answer = ana.send("siteagent_read_token", _wpnonce=nonce, **fields)
        page = ana.session.get(answer.headers["Location"], timeout=60).text
        assert "No token entered." in words(page)


def test_a_list_for_the_replace_checkbox_replaces_nothing(wp, paired) -> None:
    ana = Person(wp.url, wp.admin, wp.password)
    paste(ana, new_token(wp.url, origin="http://127.0.0.1:10").text())
    nonce = nonce_of(wp, ana, "siteagent_accept")
    for box in ({"replace[]": "1"}, {"replace": "yes"}, {"replace": ""}):
        assert ana.send("siteagent_accept", _wpnonce=nonce, **box).status_code == 303
    assert paired.ask("ping").document["ok"] is True
    ana.send("siteagent_cancel", _wpnonce=nonce_of(wp, ana, "siteagent_cancel"))


# ---- changes in transit ----


def test_a_response_with_a_changed_status_fails_verification(wp, paired) -> None:
    sent = ping(paired)
    answer = send(sent)
    for status in (201, 401, 500):
        with pytest.raises(ProtocolError):
            protocol.verify_response(
                sent,
                status=status,
                headers=answer.headers,
                body=answer.content,
                key=paired.channel.receive_key,
            )


def test_a_request_with_another_digest_is_unauthorized(wp, paired) -> None:
    sent = ping(paired)
    for body in (b"", b"{}", sent.body + b" "):
        digest = protocol.content_digest(body)
        headers = sent.headers | {"Content-Digest": digest}
        assert is_turned_away(send(sent, headers=headers))
        assert is_turned_away(send(sent, headers=headers, data=body))


@pytest.mark.parametrize("skew_s", [-297, 297])
def test_a_clock_within_the_allowed_skew_is_accepted(wp, paired, skew_s) -> None:
    sent = ping(paired, created=int(time.time()) + skew_s)
    document = document_of(paired, sent, send(sent))
    # A request expires after a minute, even where the clocks may differ by more.
    assert document["ok"] is True or document["error"]["code"] == "expired"


def test_a_replay_is_refused_after_its_nonce_was_deleted(wp, paired) -> None:
    """Seven minutes later the nonce has been deleted, and the request has expired."""
    sent = ping(paired)
    assert document_of(paired, sent, send(sent))["ok"] is True
    nonce = from_b64u(sent.nonce, 16).hex()
    stored, body = wp.evaluate(
        f"""
        global $wpdb;
        $later = time() + 420;
        // Each call deletes some of the oldest; other tests have left many.
        for ($times = 0; $times < 100; $times++) {{
            siteagent()->nonce_store()->delete_expired($later);
        }}
        $kept = (int) $wpdb->get_var(
            "SELECT COUNT(*) FROM {{$wpdb->prefix}}siteagent_nonce WHERE nonce = UNHEX('{nonce}')"
        );
        $headers = json_decode({json.dumps(json.dumps(sent.headers))}, true);
        $request = new Siteagent_Request(
            'POST', array_change_key_case($headers), {json.dumps(sent.body.decode())}, true
        );
        $operations = new Siteagent_Operation_Registry(
            siteagent()->pairing(), siteagent()->key_rotation(), siteagent()->audit_log_reader(),
            '__return_null', '__return_null', '__return_null',
            new Siteagent_Last_Report(
                    $wpdb, siteagent()->permissions(), siteagent()->update_limits()
                )
        );
        $gate = new Siteagent_Request_Handler(
            siteagent()->connection_store(), siteagent()->pending_pairing(),
            siteagent()->disconnection(), siteagent()->nonce_store(), $operations,
            siteagent()->audit_log(),
            siteagent()->checkpoint_store(), siteagent()->rejected_requests()
        );
        $answer = $gate->authenticate($request, $later);
        return array($kept, $answer instanceof Siteagent_Response ? $answer->body() : 'admitted');
        """
    )
    assert stored == 0
    assert json.loads(body)["error"]["code"] in ("expired", "clock_skew")


# ---- every entry point, for every role below administrator ----


@pytest.mark.parametrize("role", ROLES)
def test_a_visitor_or_colleague_gets_nothing_from_the_route(wp, paired, people, role) -> None:
    person = people[role]
    nonce = "" if role == "anonymous" else nonce_of(wp, person, "wp_rest")
    for address in (
        f"{wp.url}/wp-json/siteagent/v1/rpc",
        f"{wp.url}/?rest_route=/siteagent/v1/rpc",
        f"{wp.url}/wp-admin/admin-ajax.php?action=siteagent_rpc",
    ):
        for op in ("ping", "report", "keys.rotate", "revoke"):
            answer = person.session.post(
                address,
                json={"v": 1, "op": op, "by": role, "have": None},
                headers={"X-WP-Nonce": nonce},
                timeout=30,
            )
            assert is_turned_away(answer)


@pytest.mark.parametrize("role", ROLES)
def test_a_visitor_or_colleague_gets_nothing_from_ajax(wp, paired, people, role) -> None:
    for name in FORMS:
        answer = people[role].session.post(
            f"{wp.url}/wp-admin/admin-ajax.php", data={"action": name, "token": "x"}, timeout=30
        )
        assert (answer.status_code, answer.text) == (400, "0")
    assert paired.ask("ping").document["ok"] is True


@pytest.mark.parametrize("role", ROLES)
def test_a_heartbeat_carries_nothing_of_the_plugin(wp, paired, people, role) -> None:
    person = people[role]
    nonce = "" if role == "anonymous" else nonce_of(wp, person, "heartbeat-nonce")
    beat = {
        "action": "heartbeat",
        "_nonce": nonce,
        "screen_id": "settings_page_siteagent",
        "data[siteagent]": "report",
        "data[siteagent_rpc]": '{"op":"report"}',
    }
    answer = person.session.post(f"{wp.url}/wp-admin/admin-ajax.php", data=beat, timeout=30)
    assert answer.status_code == 200
    assert "siteagent" not in answer.text
    assert paired.channel.keyid not in answer.text


@pytest.mark.parametrize("role", [*ROLES, "administrator"])
def test_the_rest_api_does_not_reveal_the_connection(wp, paired, people, role) -> None:
    person = people.get(role) or user_with_role(wp, role)
    headers = {}
    if role != "anonymous":
        headers["X-WP-Nonce"] = nonce_of(wp, person, "wp_rest")
    for path in ("", "siteagent/v1", "siteagent/v1/rpc", "wp/v2/settings", "wp/v2/users/me"):
        answer = person.session.get(f"{wp.url}/wp-json/{path}", headers=headers, timeout=30)
        assert paired.channel.keyid not in answer.text
        assert "sealed" not in answer.text
    index = person.session.get(f"{wp.url}/wp-json/", headers=headers, timeout=30).json()
    assert "/siteagent/v1/rpc" not in index["routes"]


def test_every_form_is_covered_by_the_attacks(wp) -> None:
    hooks = wp.evaluate(
        "define('WP_ADMIN', true); require dirname(SITEAGENT_FILE) . '/hooks.php'; return"
        " array_values(preg_grep('/^admin_post_siteagent/', array_keys($GLOBALS['wp_filter'])));"
    )
    assert {hook.removeprefix("admin_post_") for hook in hooks} == set(FORMS)
    public_hooks = wp.evaluate(
        "return array_values(preg_grep('/siteagent/', preg_grep("
        "'/nopriv|heartbeat|wp_ajax/', array_keys($GLOBALS['wp_filter']))));"
    )
    assert public_hooks == []


# ---- secrets ----


@pytest.fixture
def used_connection(wp) -> Iterator[tuple[Paired, dict[str, bytes]]]:
    """Return a connection after key rotation and refused requests, and all its secrets by name."""
    forget(wp)
    token = new_token(wp.url)
    accept = "$p = siteagent()->pairing(); $p->accept($p->read_token('%s'), true, 'user:1');"
    wp.evaluate(accept % token.text())
    first = pair(token)
    plan = Plan.of(wp, first)
    fresh = plan.next(plan.send())
    fresh.ask("ping")
    fresh.ask("report", have=None)
    for invalid in (ping(fresh, keyid="nobody.1"), ping(fresh, created=1)):
        send(invalid)
    send(sign(fresh, b"{"))
    requests.post(fresh.channel.endpoint, json={"op": "revoke", "r": "A" * 43}, timeout=30)
    secrets = {"the token": token.secret}
    for name, paired in (("first", first), ("second", fresh)):
        session = paired.session
        secrets |= {
            f"{name} {kind}": getattr(session, kind)
            for kind in ("d2s", "s2d", "revoke", "revoke_ack", "disconnect")
        }
    yield fresh, secrets
    forget(wp)


def found_in(text: str, secrets: dict[str, bytes]) -> set[str]:
    """Return the names of the secrets that a text contains, in any usual encoding."""
    return {
        name
        for name, raw in secrets.items()
        if any(
            spelling in text
            for spelling in (b64u(raw), raw.hex(), base64.b64encode(raw).decode().rstrip("="))
        )
    }


def test_a_secret_that_leaks_is_found() -> None:
    raw = bytes(range(200, 232))
    for spelling in (b64u(raw), raw.hex(), base64.b64encode(raw).decode()):
        assert found_in(f"x{spelling}y", {"key": raw}) == {"key"}
    assert found_in("nothing", {"key": raw}) == set()


def test_no_secret_appears_on_a_page_in_a_log_or_in_the_database(wp, used_connection) -> None:
    _, secrets = used_connection
    ana = Person(wp.url, wp.admin, wp.password)
    places = {query: ana.page(query).text for query in TABS}
    for page in ("plugins.php", "site-health.php?tab=debug", "options.php", "index.php"):
        places[page] = ana.session.get(f"{wp.url}/wp-admin/{page}", timeout=60).text
    places["front page"] = requests.get(wp.url, timeout=30).text
    places["rest index"] = requests.get(f"{wp.url}/wp-json/", timeout=30).text
    places["debug log"] = wp._site.debug_log()
    readable = "mariadb-dump test_site | tr -cd '[:print:]'"
    places["database"] = wp._site.run_shell(readable)
    places["its bytes"] = wp._site.run_shell("mariadb-dump --hex-blob test_site").lower()
    assert len(places["database"]) > 20_000
    assert "siteagent" in places["database"]
    leaks = {place: found_in(html.unescape(text), secrets) for place, text in places.items()}
    assert {place: names for place, names in leaks.items() if names} == {}


def test_no_secret_appears_in_the_site_health_export(wp, used_connection) -> None:
    paired, secrets = used_connection
    exported = wp.evaluate(
        "require_once ABSPATH . 'wp-admin/includes/admin.php';"
        "require_once ABSPATH . 'wp-admin/includes/class-wp-debug-data.php';"
        "wp_set_current_user(1);"
        "return WP_Debug_Data::format(WP_Debug_Data::debug_data(), 'debug');"
    )
    assert "SiteAgent" in exported
    assert found_in(exported, secrets) == set()
    assert paired.channel.keyid not in exported


def test_no_secret_is_loaded_with_the_options_or_kept_in_a_transient(wp, used_connection) -> None:
    _, secrets = used_connection
    loaded, transients = wp.evaluate(
        "global $wpdb; return array(json_encode(wp_load_alloptions(true)), implode(' ', "
        '$wpdb->get_col("SELECT option_value FROM $wpdb->options WHERE option_name LIKE '
        "'%transient%'\")));"
    )
    assert "siteagent" in loaded  # as an active plugin
    assert '"siteagent":' not in loaded
    assert found_in(loaded + transients, secrets) == set()


def test_no_refusal_contains_a_secret(wp, used_connection) -> None:
    paired, secrets = used_connection
    documents: list[Any] = [
        {"v": 1, "op": "eval", "by": "Ben"},
        {"v": 1, "op": "report", "by": "Ben", "have": 7},
        {"v": 1, "op": "revoke", "by": "Ben", "kid": paired.channel.keyid, "r": "A" * 43},
        {"v": 1, "op": "keys.rotate", "by": "Ben", "op_id": "x", "plan": "x", "sig": "x"},
    ]
    answers = [send(sign(paired, document)) for document in documents]
    answers += [send(ping(paired, created=1)), send(ping(paired, key=b"x" * 32))]
    for answer in answers:
        assert answer.status_code >= 400
        text = answer.text + json.dumps(dict(answer.headers))
        assert found_in(text, secrets) == set()
        assert "/var/www" not in text
