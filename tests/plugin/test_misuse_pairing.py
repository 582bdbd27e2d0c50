"""Tokens in the wrong hands: used again, too late, guessed, or by somebody else than who asked."""

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
    """One that an administrator of this site has just agreed to."""
    forget(wp)
    fresh = new_token(wp.url)
    accept(wp, fresh)
    yield fresh
    forget(wp)


def accept(wp, token: keys.Token) -> None:
    code = "$p = siteagent()->pairing(); $p->accept($p->read_token('%s'), false, 'user:1');"
    wp.evaluate(code % token.text())


class Dashboard:
    """Somebody who holds a token, or claims to."""

    def __init__(self, token: keys.Token, *, secret: bytes = b"", origin: str = "") -> None:
        self.token, self.origin = token, origin or token.origin
        self.keys = keys.pairing_keys(secret or token.secret, token.pid)
        self.endpoint = f"{token.site_url}/?rest_route=/siteagent/v1/rpc"

    def hello(self, **changed: Any) -> site_client.Channel:
        """M1 and M2; returns the keys that follow."""
        exchange = keys.Exchange.new()
        question = {
            "pid": b64u(self.token.pid),
            "e_d": b64u(exchange.public),
            "sign_d": b64u(keys.signing_public(keys.new_signing_key())),
            "dash": {"id": str(uuid.uuid4()), "origin": self.origin},
            "url": self.endpoint,
        }
        channel = site_client.Channel(
            0, self.endpoint, self.token.keyid, self.keys.d2s, self.keys.s2d
        )
        answer = self._call(channel, "pair.hello", {**question, **changed})
        self.th = keys.transcript(answer.request_body, answer.body)
        e_s = from_b64u(answer.document["e_s"], 32)
        session = keys.session_keys(exchange, e_s, self.keys.auth, self.th)
        return replace(
            channel, keyid=keys.key_id(self.th), send_key=session.d2s, receive_key=session.s2d
        )

    def confirm(self, channel: site_client.Channel) -> str:
        """M3 and M4; returns the fingerprint."""
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


def test_a_used_token_opens_nothing_for_whoever_finds_it_later(wp, token) -> None:
    paired = pair(token)
    thief = Dashboard(token)
    assert refused(thief.hello).error_code == "unauthorized"
    assert paired.ask("ping").document["ok"] is True
    assert wp.evaluate("return siteagent()->pending_pairing()->auth_key();") is None


def test_an_expired_token_is_told_as_such_and_pairs_nothing(wp, token) -> None:
    wp.evaluate(
        "$o = get_option('siteagent'); $o['pending']['expires_at'] = time();"
        "update_option('siteagent', $o);"
    )
    late = refused(Dashboard(token).hello)
    assert late.evidence["code"] == "pairing_closed"
    assert late.evidence["reason"] == "expired"
    assert state(wp) == "waiting"


def test_a_cancelled_token_opens_nothing(wp, token) -> None:
    dashboard = Dashboard(token)
    agreed = dashboard.hello()
    wp.evaluate("siteagent()->pairing()->cancel('user:1');")
    assert refused(dashboard.confirm, agreed).error_code == "unauthorized"
    assert refused(dashboard.hello).error_code == "unauthorized"
    assert state(wp) == "unpaired"


_AWAY = """
global $wpdb; $log = $wpdb->prefix . 'siteagent_log';
$wpdb->query("RENAME TABLE $log TO {$log}_away"); $wpdb->query("CREATE TABLE $log (seq INT)");
"""
_BACK = """
global $wpdb; $log = $wpdb->prefix . 'siteagent_log';
$wpdb->query("DROP TABLE $log"); $wpdb->query("RENAME TABLE {$log}_away TO $log");
"""


def test_a_connection_whose_beginning_could_not_be_logged_is_logged_with_the_next_try(
    wp, token
) -> None:
    """A dashboard is sent the log from that entry on, and none about the dashboards before it."""
    dashboard = Dashboard(token)
    agreed = dashboard.hello()
    wp.evaluate(_AWAY)
    try:
        assert refused(dashboard.confirm, agreed).evidence["code"] == "internal_error"
    finally:
        wp.evaluate(_BACK)
    assert state(wp) == "paired"
    dashboard.confirm(agreed)
    logged = "return array_column(siteagent()->audit_log_reader()->recent(2, 0), 'event');"
    assert wp.evaluate(logged)[0] == "connected"
    dashboard.confirm(agreed)
    assert wp.evaluate(logged) != ["connected", "connected"]


# ---- guessing ----


def test_wrong_secrets_get_nowhere_and_use_nothing_up(wp, token) -> None:
    """The name of a token is no secret; a hundred guesses at the rest of it change nothing."""
    guesses = [Dashboard(token, secret=bytes([guess]) * 32) for guess in range(100)]
    assert {refused(guess.hello).error_code for guess in guesses} == {"unauthorized"}
    assert wp.evaluate("return siteagent()->pending_pairing()->get()['hellos'];") == 0
    assert pair(token).ask("ping").document["ok"] is True


def test_ten_hellos_kill_a_token(wp, token) -> None:
    dashboard = Dashboard(token)
    for _ in range(10):
        agreed = dashboard.hello()
    eleventh = refused(dashboard.hello)
    assert (eleventh.evidence["code"], eleventh.evidence["reason"]) == (
        "pairing_closed",
        "tried too often",
    )
    # Whoever came tenth can still finish: that one knew the token.
    assert dashboard.confirm(agreed) == keys.fingerprint(dashboard.th)


# ---- another site, another dashboard ----


def test_a_token_for_one_site_is_not_taken_by_another(wp, token) -> None:
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


def test_a_connected_site_takes_no_token_without_its_administrator(wp) -> None:
    forget(wp)
    paired = connect(wp)
    with pytest.raises(PhpFailed, match="must_replace"):
        accept(wp, new_token(wp.url, origin="http://127.0.0.1:10"))
    assert refused(Dashboard(new_token(wp.url)).hello).error_code == "unauthorized"
    assert paired.ask("ping").document["ok"] is True
    forget(wp)


def test_of_two_dashboards_with_one_token_one_is_connected_and_the_other_sees_it(wp, token) -> None:
    first, second = Dashboard(token), Dashboard(token)
    early = first.hello()
    late = second.hello()
    # The later hello took the place of the earlier one, and only it can be confirmed.
    assert refused(first.confirm, early).error_code == "unauthorized"
    fingerprint = second.confirm(late)
    assert refused(first.hello).error_code == "unauthorized"
    ana = Person(wp.url, wp.admin, wp.password)
    assert fingerprint in words(ana.page().text)
    assert keys.fingerprint(first.th) != fingerprint


def test_an_impostor_who_cannot_prove_the_token_is_a_stranger(wp, token) -> None:
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
    """It holds the token; what was agreed to is the address in it."""
    other = refused(Dashboard(token).hello, dash=dash)
    assert other.evidence["code"] == "invalid_arguments"
    assert other.evidence["argument"] == "dash"
    assert state(wp) == "waiting"


@pytest.mark.parametrize("op", ["ping", "report", "keys.rotate"])
def test_a_token_alone_reads_nothing(wp, token, op) -> None:
    """Neither the token's keys nor an exchange nobody confirmed are a connection's."""
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


def test_pairing_makes_no_user_and_no_session(wp) -> None:
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
