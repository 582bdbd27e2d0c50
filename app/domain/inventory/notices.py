"""Notices that sites send: four hints, each proven by its signature.

A lost notice costs seconds, never correctness. A caller who cannot sign gets the same answer,
whatever the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.config import Config
from app.domain import audit
from app.domain.actor import Actor
from app.domain.audit.events import NoticeRefused
from app.domain.connection import calls, pairing, quarantine, revocation
from app.domain.errors import Invalid, NotPaired
from app.domain.inventory import site_sync
from app.domain.sites import urls
from app.keys import SealBroken
from app.models.base import transaction
from app.models.notices import NoticeNonce
from app.models.sites import MAY_CALL, WAITING, Pairing, Site
from app.protocol import (
    MAX_SKEW_S,
    MAX_URL_CHARS,
    NOTE_TAG,
    ProtocolError,
    VerifiedRequest,
    canonical,
    parse_json,
    sign_response,
    verify_request,
)

PATH = "/agent/notice"

# Maximum number of endpoints that a site may name.
_MOST = 8


@dataclass(frozen=True)
class NoticeResponse:
    """The exact response to the site."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


UNAUTHORIZED = NoticeResponse(401, canonical({"aura": 1, "code": "unauthorized"}))
_TOO_LARGE = NoticeResponse(413, UNAUTHORIZED.body)


def receive_notice(
    *,
    method: str,
    headers: Mapping[str, str],
    body: bytes,
    config: Config,
    ip: str,
    now: datetime,
) -> NoticeResponse:
    """Verify a notice, act on it, and answer it. Raises nothing that a caller can cause."""
    try:
        request = verify_request(
            method=method,
            urls=(config.origin + PATH,),
            headers=headers,
            body=body,
            key_for=lambda keyid: _key_for(keyid, config),
            now=int(now.timestamp()),
            tag=NOTE_TAG,
        )
        _refuse_replay(request, now)
        document = parse_json(body)
    except ProtocolError as refused:
        _write_down(refused.code, "", ip, now)
        return _TOO_LARGE if refused.code == "too_large" else UNAUTHORIZED
    if request.keyid.startswith("p_"):
        return _ready(request, document, config, ip, now)
    if document.get("op") == "moved":
        return _moved(request, document, config, ip, now)
    if document.get("op") == "permissions_changed":
        return _permissions_changed(request, config, ip, now)
    return _disconnect(request, document, ip, now)


def _key_for(keyid: str, config: Config) -> bytes | None:
    try:
        if keyid.startswith("p_"):
            token = Pairing.get_or_none(Pairing.pid == keyid.removeprefix("p_"))
            return None if token is None else pairing.note_key(token, config)
        site = Site.get_or_none(Site.kid == keyid, Site.state.in_(MAY_CALL))
        return None if site is None else calls.open_key(site, "s2d", config)
    except SealBroken:
        return None


def _refuse_replay(request: VerifiedRequest, now: datetime) -> None:
    forget_at = datetime.fromtimestamp(request.expires, UTC) + timedelta(seconds=MAX_SKEW_S)
    with transaction():
        if not NoticeNonce.first_use(request.nonce, forget_at, now):
            raise ProtocolError("replayed", "notice", request)


def _ready(
    request: VerifiedRequest, document: dict[str, Any], config: Config, ip: str, now: datetime
) -> NoticeResponse:
    """Handle `pair.ready`: the administrator agreed. The answer contains the token's state."""
    token = Pairing.get_or_none(Pairing.pid == request.keyid.removeprefix("p_"))
    if token is None:
        return UNAUTHORIZED  # deleted since its key was looked up
    if document.get("op") != "pair.ready" or document.get("pid") != token.pid:
        _write_down("invalid_arguments", str(document.get("op")), ip, now)
        return UNAUTHORIZED
    state = pairing.receive_ready(token, now=now)
    if state == WAITING:
        status, reply = 200, {"v": 1, "ok": True, "op": "pair.ready"}
    else:
        # "failed" is a token that the dashboard withdrew; the protocol has no other word for it.
        reason = state if state in ("used", "expired", "cancelled") else "cancelled"
        error = {"code": "pairing_closed", "reason": reason}
        status, reply = 409, {"v": 1, "ok": False, "op": "pair.ready", "error": error}
    body = canonical(reply)
    key = pairing.note_key(token, config)
    signed = sign_response(request, status, body, key=key, now=int(now.timestamp()))
    return NoticeResponse(status, body, signed)


def _moved(
    request: VerifiedRequest, document: dict[str, Any], config: Config, ip: str, now: datetime
) -> NoticeResponse:
    """Handle `moved`: an administrator asks to follow. Aura waits until a person agrees here."""
    site = Site.get_or_none(Site.kid == request.keyid)
    if site is None:
        return UNAUTHORIZED  # its keys changed meanwhile
    try:
        home, endpoints = _move_in(document)
    except (Invalid, ProtocolError):
        _write_down("invalid_arguments", "moved", ip, now)
        return UNAUTHORIZED
    if not urls.same_home(home, site.url):
        with transaction():
            quarantine.flag_move(
                site,
                paired=site.url,
                present=home,
                how=quarantine.BY_NOTICE,
                endpoints=endpoints,
                by=Actor.site(site, ip),
                now=now,
            )
    return _signed_ok(request, "moved", site, config, now)


def _permissions_changed(
    request: VerifiedRequest, config: Config, ip: str, now: datetime
) -> NoticeResponse:
    """Handle `permissions_changed`: the owner granted or withdrew a permission.

    The notice itself carries no permission. Aura requests a report, and believes only that.
    """
    site = Site.get_or_none(Site.kid == request.keyid)
    if site is None:
        return UNAUTHORIZED
    try:
        site_sync.request_by_notice(site, by=Actor.site(site, ip), now=now)
    except NotPaired:
        return UNAUTHORIZED  # revoked since its key was looked up
    return _signed_ok(request, "permissions_changed", site, config, now)


def _signed_ok(
    request: VerifiedRequest, op: str, site: Site, config: Config, now: datetime
) -> NoticeResponse:
    body = canonical({"v": 1, "ok": True, "op": op})
    site.refresh()
    if site.kid != request.keyid or "s2d" not in site.keys_sealed:
        return UNAUTHORIZED  # its keys changed or were deleted meanwhile
    key = calls.open_key(site, "s2d", config)
    return NoticeResponse(
        200, body, sign_response(request, 200, body, key=key, now=int(now.timestamp()))
    )


def _move_in(document: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the address that the site reports; raise Invalid or ProtocolError."""
    home, endpoints = document.get("home"), document.get("endpoints")
    if not isinstance(home, str) or not isinstance(endpoints, list) or len(endpoints) > _MOST:
        raise ProtocolError("malformed", "moved")
    if not all(
        isinstance(endpoint, str) and 0 < len(endpoint) <= MAX_URL_CHARS for endpoint in endpoints
    ):
        raise ProtocolError("malformed", "endpoints")
    return urls.normalize_url(home), endpoints


def _disconnect(
    request: VerifiedRequest, document: dict[str, Any], ip: str, now: datetime
) -> NoticeResponse:
    """Disconnect notice: the site has deleted its keys; its secret is the proof."""
    counted = document.get("op") == "disconnect" and revocation.receive_disconnect(
        request.keyid, document.get("g"), ip=ip, now=now
    )
    if not counted:
        _write_down("invalid_arguments", str(document.get("op")), ip, now)
        return UNAUTHORIZED
    # The site has deleted its keys and cannot check a signature.
    return NoticeResponse(200, canonical({"v": 1, "ok": True, "op": "disconnect"}))


def _write_down(reason: str, op: str, ip: str, now: datetime) -> None:
    event = NoticeRefused(op=op[:40], reason=reason)
    audit.record_refusal(event, Actor.anonymous(ip), now=now)
