"""Attacks on a connection whose site is deactivated, moved, copied or stolen."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from app import keys
from app.http import site_client
from app.http.site_client import CallError
from app.protocol import b64u, from_b64u
from tests.plugin.support.dashboard import NETS, Paired
from tests.plugin.support.rotation_plan import Plan
from tests.plugin.support.signed_requests import (
    connect,
    document_of,
    forget,
    is_turned_away,
    ping,
    refused_as,
    send,
    sign,
)
from tests.plugin.support.wp_admin import Person, words

_ADMIN = "require_once ABSPATH . 'wp-admin/includes/admin.php';"
_DEACTIVATE = _ADMIN + "deactivate_plugins('siteagent/siteagent.php');"
_ACTIVATE = _ADMIN + "activate_plugin('siteagent/siteagent.php');"


@pytest.fixture
def paired(wp) -> Iterator[Paired]:
    forget(wp)
    yield connect(wp)
    wp.evaluate("update_option('home', get_option('siteurl'));")
    forget(wp)


def refused(call: Any, *arguments: Any, **more: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        call(*arguments, **more)
    return caught.value


# ---- deactivated ----


def test_a_deactivated_plugin_does_not_answer_and_keeps_its_keys(wp, paired) -> None:
    stored = wp.evaluate("return get_option('siteagent');")
    wp.evaluate(_DEACTIVATE)
    try:
        for path in ("/wp-json/siteagent/v1/rpc", "/?rest_route=/siteagent/v1/rpc"):
            answer = send(ping(paired, url=wp.url + path))
            # WordPress's own error, so that a visitor cannot see that SiteAgent is installed.
            assert (answer.status_code, answer.json()["code"]) == (404, "rest_no_route")
        assert refused(paired.ask, "ping").error_code == "not_found"
        revocation = {"kid": paired.channel.keyid, "r": b64u(paired.session.revoke)}
        document = {"v": 1, "op": "revoke", "by": "Ana", **revocation}
        status, _ = site_client.call_bearer(paired.channel.endpoint, document, allow_nets=NETS)
        assert status == 404
        assert wp.evaluate("return get_option('siteagent');") == stored
    finally:
        wp.evaluate(_ACTIVATE)
    assert paired.ask("ping").document["ok"] is True


# ---- moved ----


@pytest.mark.parametrize("change", ["https://%s", "http://www.%s", "https://www.%s/", "HTTP://%s"])
def test_a_changed_scheme_or_www_keeps_the_connection(wp, paired, change) -> None:
    home = change % wp.url.removeprefix("http://")
    wp.evaluate(f"update_option('home', '{home}');")
    assert paired.ask("ping").document["ok"] is True
    assert wp.evaluate("return siteagent()->connection_store()->address_change();") is None


@pytest.mark.parametrize("scheme", ["https://", "https://www."])
def test_a_site_that_moved_to_https_needs_no_new_pairing(wp, paired, scheme) -> None:
    """The old address redirects, so requests are signed for the new one."""
    home = scheme + wp.url.removeprefix("http://")
    new = f"{home}/?rest_route=/siteagent/v1/rpc"
    assert is_turned_away(send(ping(paired, url=new), url=paired.channel.endpoint))
    wp.evaluate(f"update_option('home', '{home}');")
    sent = ping(paired, url=new)
    assert document_of(paired, sent, send(sent, url=paired.channel.endpoint))["ok"] is True


@pytest.mark.parametrize("home", ["http://elsewhere.example", "%s/shop", "https://127.0.0.1"])
def test_a_changed_domain_port_or_folder_allows_only_revocation(wp, paired, home) -> None:
    home = home % wp.url if "%" in home else home
    wp.evaluate(f"update_option('home', '{home}');")
    error = refused_as("identity_changed", paired, ping(paired))
    assert (error["paired"], error["now"]) == (wp.url, home)
    report = sign(paired, {"v": 1, "op": "report", "by": "Ben", "have": None})
    refused_as("identity_changed", paired, report)
    revocation = {"kid": paired.channel.keyid, "r": b64u(paired.session.revoke)}
    assert paired.ask("revoke", **revocation).document["a"] == b64u(paired.session.revoke_ack)


def test_a_copy_that_disconnects_sends_no_notice(wp, paired) -> None:
    wp.evaluate("update_option('home', 'http://staging.example');")
    urls = wp.evaluate(
        "$GLOBALS['sent'] = array(); add_filter('pre_http_request', function ($_, $a, $url) {"
        "$GLOBALS['sent'][] = $url; return new WP_Error('x'); }, 10, 3);"
        "siteagent()->pairing()->disconnect('user:1'); return $GLOBALS['sent'];"
    )
    assert urls == []
    assert is_turned_away(send(ping(paired)))


# ---- copied ----


def test_a_database_without_its_salts_cannot_decrypt_the_keys(wp, paired) -> None:
    """This is a stolen dump, or a staging copy with salts of its own."""
    readable = wp.evaluate(
        "global $wpdb; $copy = new Siteagent_Connection_Store(new Siteagent_Option_Store($wpdb, "
        "false),"
        "new Siteagent_Encryption('the salts of another wp-config.php'));"
        "return array($copy->state(), $copy->connection(), "
        f"$copy->channel('{paired.channel.keyid}'), $copy->session_keys('{paired.channel.keyid}'));"
    )
    assert readable == ["unreadable", None, None, None]


@pytest.fixture
def other_salts(wp, paired) -> Iterator[None]:
    """Change the salts in wp-config.php, as security plugins do, and restore them afterwards."""
    config = f"{wp._site.root}/wp-config.php"
    ana = Person(wp.url, wp.admin, wp.password)
    wp._site.run_shell(f"cp -p {config} /tmp/config; sed -i \"s/_KEY', '/_KEY', 'x/\" {config}")
    wait_until(lambda: not is_signed_in(ana))
    yield
    wp._site.run_shell(f"cp -p /tmp/config {config}; touch {config}")
    wait_until(lambda: is_signed_in(ana))


def is_signed_in(person: Person) -> bool:
    """Return whether the session is valid, which also depends on the salts the server has read."""
    return person.page(allow_redirects=False).status_code == 200


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition: the server checks its files for changes every two seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_new_salts_make_the_keys_unreadable_and_wp_admin_shows_it(wp, paired, other_salts) -> None:
    refused = send(ping(paired))
    assert (refused.status_code, refused.json()["code"]) == (401, "keys_unreadable")
    ana = Person(wp.url, wp.admin, wp.password)
    page = words(ana.page().text)
    assert "SiteAgent cannot read its saved keys, so it cannot respond to the dashboard." in page
    assert "which have changed since this site was connected" in page
    # The dashboard can still revoke the connection: the proof needs no key.
    document = {"v": 1, "op": "revoke", "by": "Ana", "kid": paired.channel.keyid}
    document["r"] = b64u(paired.session.revoke)
    answer = requests.post(paired.channel.endpoint, json=document, timeout=30)
    assert answer.status_code == 200
    assert "No dashboard is connected" in words(ana.page().text)


# ---- stolen ----

_READ_SECRETS = """
$keyring = siteagent()->connection_store();
$data    = (new Siteagent_Option_Store($GLOBALS['wpdb'], false))->read();
$secrets = Siteagent_Encryption::for_site()->decrypt($data['connection']['sealed']);
$sign    = Siteagent_Encryption::for_site()->decrypt($data['sign']['sealed']);
return array(
    'secrets' => array_map(array('Siteagent_HTTP_Signature', 'base64url_encode'), $secrets),
    'seed'    => Siteagent_HTTP_Signature::base64url_encode($sign['seed']),
    'hash'    => $data['connection']['revoke_hash'],
    'uuid'    => siteagent()->site_identity()->uuid(),
);
"""
_SITE_STATE = """
$data = (new Siteagent_Option_Store($GLOBALS['wpdb'], false))->read();
unset($data['connection']['last_contact_at']);
$options = wp_load_alloptions(true);
unset($options['cron'], $options['rewrite_rules']);
return array($data, md5(serialize($options)), count_users(), get_option('active_plugins'));
"""


@pytest.fixture
def stolen_copy(wp, paired) -> tuple[Paired, dict[str, Any], list[Any]]:
    """Return production's connection, the secrets of a full copy, and all recorded messages."""
    recorded = [ping(paired), sign(paired, {"v": 1, "op": "report", "by": "Ben", "have": None})]
    plan = Plan.of(wp, paired)
    rotation = {
        "op_id": plan.document["op_id"],
        "plan": b64u(plan.bytes),
        "sig": b64u(keys.sign_plan(plan.seed, plan.bytes)),
        "sig_next": None,
        "checkpoint": plan.checkpoint,
    }
    recorded.append(sign(paired, {"v": 1, "op": "keys.rotate", "by": "Ana", **rotation}))
    for sent in recorded:
        assert send(sent).status_code == 200
    live = plan.next(paired.ask("keys.rotate", **rotation))
    recorded.append(ping(live))
    assert send(recorded[-1]).status_code == 200
    return live, {**wp.evaluate(_READ_SECRETS), "rotation": rotation}, recorded


def test_a_thief_with_a_full_copy_and_every_message_changes_nothing(wp, stolen_copy) -> None:
    """The thief has the database, the salts of wp-config.php and every recorded request."""
    live, loot, recorded = stolen_copy
    before = wp.evaluate(_SITE_STATE)
    # The copy holds the keys that sign requests, so the thief can read.
    stolen = replace(
        live.channel,
        send_key=from_b64u(loot["secrets"]["d2s"]),
        receive_key=from_b64u(loot["secrets"]["s2d"]),
    )
    thief = replace(live, channel=stolen, seed=from_b64u(loot["seed"]))
    assert thief.ask("ping").document["ok"] is True

    # Replay every recorded message: its nonce is known, or its key has been replaced.
    for sent in recorded:
        answer = send(sent)
        assert answer.status_code == 401
        assert b'"ok":true' not in answer.content

    # Sign the recorded request again, and sign new requests with every stolen key.
    assert refused(thief.ask, "keys.rotate", **loot["rotation"]).evidence["argument"] == "kid"
    forged = Plan.of(wp, live)
    for signing_key in (loot["seed"], *loot["secrets"].values()):
        sig = b64u(keys.sign_plan(from_b64u(signing_key), forged.bytes))
        assert refused(replace(forged, paired=thief).send, sig=sig).evidence["argument"] == "sig"
    new_operation = {**loot["rotation"], "op_id": str(uuid.uuid4())}
    assert refused(thief.ask, "keys.rotate", **new_operation).error_code == "refused_by_site"

    # Revoking needs a secret that only the dashboard has: the copy holds its hash.
    for guess in (*loot["secrets"].values(), b64u(bytes.fromhex(loot["hash"])), loot["seed"]):
        revocation = {"kid": live.channel.keyid, "r": guess}
        assert refused(thief.ask, "revoke", **revocation).error_code == "unauthorized"
        unsigned = {"v": 1, "op": "revoke", "by": "thief", **revocation}
        assert is_turned_away(requests.post(live.channel.endpoint, json=unsigned, timeout=30))

    # A new pairing needs a token that an administrator has accepted on the site.
    request = {"pid": "x", "e_d": "A" * 43, "sign_d": "A" * 43, "dash": {}, "url": "x"}
    assert refused(thief.ask, "pair.hello", **request).evidence["code"] == "not_permitted"

    assert wp.evaluate(_SITE_STATE) == before
    assert live.ask("ping").document["ok"] is True


def test_after_new_keys_the_thief_cannot_even_read(wp, stolen_copy) -> None:
    live, loot, _ = stolen_copy
    plan = Plan.of(wp, live)
    fresh = plan.next(plan.send())
    assert fresh.ask("ping").document["ok"] is True
    stolen = replace(
        live.channel,
        send_key=from_b64u(loot["secrets"]["d2s"]),
        receive_key=from_b64u(loot["secrets"]["s2d"]),
    )
    assert refused(replace(live, channel=stolen).ask, "ping").error_code == "unauthorized"
