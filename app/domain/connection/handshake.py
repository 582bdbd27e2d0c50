"""The four messages of pairing and the keys that result from them.

Nothing is stored here. The result of hello must be stored before it is confirmed, because the site
may be active before its last answer arrives.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from app.config import Config
from app.domain.connection.calls import (
    FALLBACK_ERRORS,
    Call,
    CallResult,
    call_site,
    is_same_server,
    key_context,
    server_login,
)
from app.domain.dashboard_identity import DashboardIdentity
from app.domain.sites.urls import same_home
from app.http.site_client import Channel, ErrorCode, Reply
from app.keys import (
    Exchange,
    KeyRefused,
    KeyRing,
    PairingKeys,
    fingerprint,
    hash_of,
    key_id,
    session_keys,
    transcript,
)
from app.models.sites import Site
from app.protocol import ProtocolError, b64u, canonical, from_b64u

_MAX_ENDPOINTS = 8
_MAX_TEXT_CHARS = 2100


@dataclass(frozen=True, repr=False)
class HandshakeResult:
    """The result of hello: everything that Aura stores after the site's confirmation."""

    th: str
    kid: str
    fingerprint: str
    endpoint: str
    d2s: str
    s2d: str
    revoke: str
    ack_hash: str
    disconnect_hash: str
    sign_s: str
    sign_d: str
    uuid: str
    home: str
    endpoints: list[str]
    plugin: str

    def to_bytes(self) -> bytes:
        return canonical(asdict(self))

    @classmethod
    def from_bytes(cls, raw: bytes) -> HandshakeResult:
        return cls(**json.loads(raw))

    def key(self, name: str) -> bytes:
        return from_b64u(getattr(self, name))


@dataclass(frozen=True)
class HandshakeStep:
    """The calls of a step and its result: an `opened` exchange or an error code."""

    outcomes: tuple[CallResult, ...]
    opened: HandshakeResult | None = None
    error_code: str = ""
    evidence: dict[str, str | int] | None = None


def candidates(url: str) -> tuple[str, ...]:
    """Return SiteAgent's possible addresses at `url`: pretty permalinks, plain, without REST."""
    return (
        f"{url}/wp-json/siteagent/v1/rpc",
        f"{url}/?rest_route=/siteagent/v1/rpc",
        f"{url}/wp-admin/admin-ajax.php?action=siteagent_rpc",
    )


def send_hello(
    site: Site,
    pid: bytes,
    keys: PairingKeys,
    dashboard: DashboardIdentity,
    *,
    by: str,
    config: Config,
    call: Call,
    now: Callable[[], datetime],
) -> HandshakeStep:
    """Send M1 and receive M2, at the first address where the plugin answers."""
    outcomes: list[CallResult] = []
    for endpoint in candidates(site.url):
        exchange = Exchange.new()
        login = server_login(site, config)
        channel = Channel(site.id, endpoint, f"p_{b64u(pid)}", keys.d2s, keys.s2d, login)
        question = {
            "pid": b64u(pid),
            "e_d": b64u(exchange.public),
            "sign_d": b64u(dashboard.sign_public),
            "dash": {"id": dashboard.id, "origin": dashboard.origin},
            "url": endpoint,
        }
        outcome = call_site(
            channel, "pair.hello", question, by=by, config=config, call=call, now=now
        )
        outcomes.append(outcome)
        if outcome.reply is not None:
            known = b64u(dashboard.sign_public)
            return _open(site, endpoint, exchange, keys, outcome.reply, known, tuple(outcomes))
        if outcome.error_code not in FALLBACK_ERRORS:
            break
    return HandshakeStep(
        tuple(outcomes), error_code=outcomes[-1].error_code, evidence=outcomes[-1].evidence
    )


def send_confirm(
    site: Site,
    opened: HandshakeResult,
    *,
    by: str,
    config: Config,
    call: Call,
    now: Callable[[], datetime],
) -> HandshakeStep:
    """Send M3 and receive M4; may be repeated until the site has answered."""
    channel = Channel(
        site.id,
        opened.endpoint,
        opened.kid,
        opened.key("d2s"),
        opened.key("s2d"),
        server_login(site, config),
    )
    outcome = call_site(
        channel, "pair.confirm", {"th": opened.th}, by=by, config=config, call=call, now=now
    )
    if outcome.reply is None:
        return HandshakeStep((outcome,), error_code=outcome.error_code, evidence=outcome.evidence)
    if outcome.reply.document.get("fingerprint") != opened.fingerprint:
        return HandshakeStep(
            (outcome,),
            error_code=ErrorCode.malformed_reply.value,
            evidence={"field": "fingerprint"},
        )
    return HandshakeStep((outcome,), opened=opened)


def connection_columns(
    site: Site, opened: HandshakeResult, generation: int, config: Config, now: datetime
) -> dict[str, object]:
    """Return the columns of a new connection; those of an older one are cleared."""
    ring = KeyRing(config.sealing_keys)
    return {
        "generation": generation,
        "keys_sealed": {
            name: ring.seal(opened.key(name), key_context(site.id, name, generation))
            for name in ("d2s", "s2d", "revoke")
        },
        "uuid": opened.uuid,
        "home": opened.home,
        "endpoint": opened.endpoint,
        "endpoints": opened.endpoints,
        "plugin_version": opened.plugin,
        "kid": opened.kid,
        "fingerprint": opened.fingerprint,
        "paired_at": now,
        "ack_hash": opened.ack_hash,
        "disconnect_hash": opened.disconnect_hash,
        "sign_s": opened.sign_s,
        "sign_d": opened.sign_d,
        "last_contact_at": now,
        "last_success_at": None,
        "error_code": "",
        "error_evidence": {},
        "error_at": None,
        "consecutive_failures": 0,
        "next_sync_at": None,
        "server_address": "",
        "clock_offset_s": None,
        "log_n": 0,
        "log_hash": "",
        "quarantine": "",
        "quarantine_at": None,
        "quarantine_evidence": {},
        "revoked_at": None,
        "revoke_reason": "",
        "revoke_evidence": {},
        "revoke_next_at": None,
        "recheck_at": None,
    }


def _open(
    site: Site,
    endpoint: str,
    exchange: Exchange,
    keys: PairingKeys,
    reply: Reply,
    sign_d: str,
    outcomes: tuple[CallResult, ...],
) -> HandshakeStep:
    """Return the keys from a verified answer, or the problem with it."""
    try:
        about = _about(reply.document, endpoint)
        e_s = from_b64u(reply.document.get("e_s"), 32)
        sign_s = b64u(from_b64u(reply.document.get("sign_s"), 32))
        th = transcript(reply.request_body, reply.body)
        session = session_keys(exchange, e_s, keys.auth, th)
    except (ProtocolError, KeyRefused) as why:
        return HandshakeStep(
            outcomes, error_code=ErrorCode.malformed_reply.value, evidence={"why": str(why)[:500]}
        )
    if not same_home(about["home"], site.url):
        shown = {"site_says": about["home"][:500], "called": site.url[:500]}
        return HandshakeStep(outcomes, error_code=ErrorCode.wrong_site.value, evidence=shown)
    opened = HandshakeResult(
        th=th.hex(),
        kid=key_id(th),
        fingerprint=fingerprint(th),
        endpoint=endpoint,
        d2s=b64u(session.d2s),
        s2d=b64u(session.s2d),
        revoke=b64u(session.revoke),
        ack_hash=hash_of(session.revoke_ack),
        disconnect_hash=hash_of(session.disconnect),
        sign_s=sign_s,
        sign_d=sign_d,
        **about,
    )
    return HandshakeStep(outcomes, opened=opened)


def _about(document: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """Check and return what the site reports about itself; raise ProtocolError('malformed').

    Of the endpoints it names, only those at the server that answered at `endpoint` are kept,
    because signed requests and the server's password go to them.
    """
    sent = document.get("site")
    if not isinstance(sent, dict):
        raise ProtocolError("malformed", "site")
    endpoints = sent.get("endpoints")
    if not isinstance(endpoints, list) or not 0 < len(endpoints) <= _MAX_ENDPOINTS:
        raise ProtocolError("malformed", "site.endpoints")
    named = [_text(text, "endpoints", _MAX_TEXT_CHARS) for text in endpoints]
    return {
        "uuid": _text(sent.get("uuid"), "uuid", 64),
        "home": _text(sent.get("home"), "home", 2000),
        "plugin": _text(sent.get("plugin"), "plugin", 32),
        "endpoints": [url for url in named if is_same_server(endpoint, url)],
    }


def _text(value: object, name: str, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        raise ProtocolError("malformed", f"site.{name}")
    return value
