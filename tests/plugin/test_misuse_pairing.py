"""Attacks on pairing: tokens that are reused, expired, guessed or used by another dashboard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app import keys
from app.http import site_client
from app.http.site_client import CallError, Reply
from app.protocol import b64u, from_b64u
from tests.plugin.support.dashboard import NETS, ORIGIN, Paired, new_token, pair
from tests.plugin.support.signed_requests import connect, forget, is_turned_away, ping, send
from tests.plugin.support.wp_admin import Person, words
from tests.wordpress.site import PhpFailed


@pytest.fixture
def token(wp) -> Iterator[keys.Token]:
    """Return a token that an administrator of the site has just accepted."""
    forget(wp)
    fresh = new_token(wp.url)
    accept(wp, fresh)
    yield fresh
    forget(wp)


def accept(wp, token: keys.Token) -> None:
    code = "$p = siteagent()->pairing(); $p->accept($p->read_token('%s'), false, 'user:1');"
    wp.evaluate(code % token.text())


class Dashboard:
    """A dashboard that holds a token, or claims to."""

    def __init__(self, token: keys.Token, *, secret: bytes = b"", origin: str = "") -> None:
        self.token, self.origin = token, origin or token.origin
        self.keys = keys.pairing_keys(secret or token.secret, token.pid)
        self.endpoint = f"{token.site_url}/?rest_route=/siteagent/v1/rpc"

    def hello(self, **changed: Any) -> site_client.Channel:
        """Exchange M1 and M2; return a channel with the resulting keys."""
        exchange = keys.Exchange.new()
        request = {
            "pid": b64u(self.token.pid),
            "e_d": b64u(exchange.public),
            "sign_d": b64u(keys.signing_public(keys.new_signing_key())),
            "dash": {"id": str(uuid.uuid4()), "origin": self.origin},
            "url": self.endpoint,
        }
        channel = site_client.Channel(
            0, self.endpoint, self.token.keyid, self.keys.d2s, self.keys.s2d
        )
        answer = self._call(channel, "pair.hello", {**request, **changed})
        self.th = keys.transcript(answer.request_body, answer.body)
        e_s = from_b64u(answer.document["e_s"], 32)
        session = keys.session_keys(exchange, e_s, self.keys.auth, self.th)
        return replace(
            channel, keyid=keys.key_id(self.th), send_key=session.d2s, receive_key=session.s2d
        )

    def confirm(self, channel: site_client.Channel) -> str:
        """Exchange M3 and M4; return the fingerprint."""
        answer = self._call(channel, "pair.confirm", {"th": self.th.hex()})
        return str(answer.document["fingerprint"])

    def _call(self, channel: site_client.Channel, op: str, arguments: dict[str, Any]) -> Reply:
        return site_client.call(channel, op, arguments, by="somebody", allow_nets=NETS)


def refused(call: Any, *arguments: Any, **more: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        call(*arguments, **more)
    return caught.value


def state(wp) -> str:
    return wp.evaluate("return siteagent()->connection_store()->state();")


# ---- used, expired, cancelled ----


def test_a_used_token_is_refused(wp, token) -> None:
    paired = pair(token)
    thief = Dashboard(token)
    assert refused(thief.hello).error_code == "unauthorized"
    assert paired.ask("ping").document["ok"] is True
    assert wp.evaluate("return siteagent()->pending_pairing()->auth_key();") is None


def test_an_expired_token_is_refused_as_expired(wp, token) -> None:
    wp.evaluate(
        "$o = get_option('siteagent'); $o['pending']['expires_at'] = time();"
        "update_option('siteagent', $o);"
    )
    error = refused(Dashboard(token).hello)
    assert error.evidence["code"] == "pairing_closed"
    assert error.evidence["reason"] == "expired"
    assert state(wp) == "waiting"


def test_a_cancelled_token_is_refused(wp, token) -> None:
    dashboard = Dashboard(token)
    channel = dashboard.hello()
    wp.evaluate("siteagent()->pairing()->cancel('user:1');")
    assert refused(dashboard.confirm, channel).error_code == "unauthorized"
    assert refused(dashboard.hello).error_code == "unauthorized"
    assert state(wp) == "unpaired"


_BREAK_LOG = """
global $wpdb; $log = $wpdb->prefix . 'siteagent_log';
$wpdb->query("RENAME TABLE $log TO {$log}_away"); $wpdb->query("CREATE TABLE $log (seq INT)");
"""
_REPAIR_LOG = """
global $wpdb; $log = $wpdb->prefix . 'siteagent_log';
$wpdb->query("DROP TABLE $log"); $wpdb->query("RENAME TABLE {$log}_away TO $log");
"""


def test_a_connection_that_could_not_be_logged_is_logged_on_retry(wp, token) -> None:
    """The dashboard may read the log from that entry on, and none about former dashboards."""
    dashboard = Dashboard(token)
    channel = dashboard.hello()
    wp.evaluate(_BREAK_LOG)
    try:
        assert refused(dashboard.confirm, channel).evidence["code"] == "internal_error"
    finally:
        wp.evaluate(_REPAIR_LOG)
    assert state(wp) == "paired"
    dashboard.confirm(channel)
    logged = "return array_column(siteagent()->audit_log_reader()->recent(2, 0), 'event');"
    assert wp.evaluate(logged)[0] == "connected"
    dashboard.confirm(channel)
    assert wp.evaluate(logged) != ["connected", "connected"]


# ---- guessing ----


def test_wrong_secrets_are_refused_and_do_not_use_up_the_token(wp, token) -> None:
    """The token's id is public; a hundred guesses at its secret change nothing."""
    dashboards = [Dashboard(token, secret=bytes([guess]) * 32) for guess in range(100)]
    assert {refused(guess.hello).error_code for guess in dashboards} == {"unauthorized"}
    assert wp.evaluate("return siteagent()->pending_pairing()->get()['hellos'];") == 0
    assert pair(token).ask("ping").document["ok"] is True


def test_a_token_is_closed_after_ten_hellos(wp, token) -> None:
    dashboard = Dashboard(token)
    for _ in range(10):
        channel = dashboard.hello()
    error = refused(dashboard.hello)
    assert (error.evidence["code"], error.evidence["reason"]) == (
        "pairing_closed",
        "tried too often",
    )
    # The tenth hello can still be confirmed: it proved that it knows the token.
    assert dashboard.confirm(channel) == keys.fingerprint(dashboard.th)


# ---- another site, another dashboard ----


def test_a_token_for_another_site_is_refused(wp, token) -> None:
    forget(wp)
    ana = Person(wp.url, wp.admin, wp.password)
    for elsewhere in ("https://other.example", f"{wp.url}/blog", wp.url.replace("127", "126")):
        text = new_token(elsewhere).text()
        page = ana.submit(ana.page("&step=token").text, "siteagent_read_token", token=text)
        assert "This token is for another site." in words(page)
    assert state(wp) == "unpaired"


def test_a_hello_for_another_address_is_refused(wp, token) -> None:
    elsewhere = "https://other.example/wp-json/siteagent/v1/rpc"
    assert refused(Dashboard(token).hello, url=elsewhere).error_code == "wrong_site"


def test_a_connected_site_accepts_no_token_without_its_administrator(wp) -> None:
    forget(wp)
    paired = connect(wp)
    with pytest.raises(PhpFailed, match="must_replace"):
        accept(wp, new_token(wp.url, origin="http://127.0.0.1:10"))
    assert refused(Dashboard(new_token(wp.url)).hello).error_code == "unauthorized"
    assert paired.ask("ping").document["ok"] is True
    forget(wp)


def test_of_two_dashboards_with_one_token_only_the_later_connects(wp, token) -> None:
    first, second = Dashboard(token), Dashboard(token)
    first_channel = first.hello()
    second_channel = second.hello()
    # The later hello replaces the earlier one, and only it can be confirmed.
    assert refused(first.confirm, first_channel).error_code == "unauthorized"
    fingerprint = second.confirm(second_channel)
    assert refused(first.hello).error_code == "unauthorized"
    ana = Person(wp.url, wp.admin, wp.password)
    assert fingerprint in words(ana.page().text)
    assert keys.fingerprint(first.th) != fingerprint


def test_an_impostor_without_the_token_secret_is_unauthorized(wp, token) -> None:
    impostor = Dashboard(token, secret=b"x" * 32)
    assert refused(impostor.hello).error_code == "unauthorized"
    anonymous = Paired(
        site_client.Channel(0, impostor.endpoint, token.keyid, b"x" * 32, b"x" * 32),
        keys.session_keys(keys.Exchange.new(), keys.Exchange.new().public, b"x" * 32, b"x" * 32),
        "",
        b"",
    )
    assert is_turned_away(send(ping(anonymous)))


@pytest.mark.parametrize(
    "dash",
    [
        {"id": str(uuid.uuid4()), "origin": "https://evil.example"},
        {"id": str(uuid.uuid4()), "origin": f"{ORIGIN}.evil.example"},
        {"id": str(uuid.uuid4())},
        {"id": "x", "origin": ORIGIN},
        {"id": [], "origin": ORIGIN},
        {},
    ],
)
def test_a_dashboard_the_administrator_did_not_see_is_refused(wp, token, dash) -> None:
    """The dashboard holds the token, but the administrator accepted the address in it."""
    error = refused(Dashboard(token).hello, dash=dash)
    assert error.evidence["code"] == "invalid_arguments"
    assert error.evidence["argument"] == "dash"
    assert state(wp) == "waiting"


@pytest.mark.parametrize("op", ["ping", "report", "keys.rotate"])
def test_a_token_alone_reads_nothing(wp, token, op) -> None:
    """Neither the token's keys nor an unconfirmed exchange have a connection's permissions."""
    arguments: dict[str, Any] = {
        "ping": {},
        "report": {"have": None},
        "keys.rotate": {
            "op_id": str(uuid.uuid4()),
            "plan": "e30",
            "sig": b64u(bytes(64)),
            "sig_next": None,
        },
    }[op]
    dashboard = Dashboard(token)
    unconfirmed = dashboard.hello()
    with_token = replace(
        unconfirmed,
        keyid=token.keyid,
        send_key=dashboard.keys.d2s,
        receive_key=dashboard.keys.s2d,
    )
    for channel in (unconfirmed, with_token):
        error = refused(dashboard._call, channel, op, arguments)
        assert error.evidence["code"] == "not_permitted"


def test_pairing_creates_no_user_and_no_session(wp) -> None:
    forget(wp)
    count = (
        'global $wpdb; return array((int) $wpdb->get_var("SELECT COUNT(*) FROM $wpdb->users"),'
        '(int) $wpdb->get_var("SELECT COUNT(*) FROM $wpdb->usermeta WHERE meta_key IN '
        "('session_tokens', '_application_passwords')\"));"
    )
    before = wp.evaluate(count)
    paired = connect(wp)
    answer = send(ping(paired))
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert wp.evaluate(count) == before
    forget(wp)
