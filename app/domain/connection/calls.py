"""Call a site and return the result.

`call_site` raises nothing that a site can cause, and completes the call's row in the call log. The
caller stores what follows from the result and the audit entry of the call in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from app.config import Config
from app.domain import audit
from app.domain.actor import SYSTEM, Actor
from app.domain.audit import checkpoints
from app.domain.audit.events import SiteCalled
from app.domain.connection import peer_view
from app.domain.sites.sites import server_login_context
from app.http.errors import CallError, ErrorCode, Trait
from app.http.site_client import DEADLINE_S, Channel, Reply
from app.keys import KeyRing, SealBroken
from app.models.call_log import OK, SiteCall
from app.models.sites import (
    Site,
)
from app.protocol import new_nonce

Call = Callable[..., Reply]
BearerCall = Callable[..., tuple[int, dict[str, Any] | None]]

# An error of Aura itself: a sealed key does not open.
KEYS_UNREADABLE = "keys_unreadable"

# The address exists, but something other than the plugin answered.
FALLBACK_ERRORS = ErrorCode.having(Trait.ELSEWHERE)
# Operations that only read. If they succeed, the call log is enough.
ROUTINE_OPS = frozenset({"report", "log", "ping", "change.check"})
# In addition to the current address. More would keep a worker busy for minutes.
MAX_FALLBACKS = 3


@dataclass(frozen=True)
class CallResult:
    """The result of a call: a verified reply, or the error code and its evidence.

    `document` is the content of the answer. Without a `reply` it is unsigned, and only the proofs
    inside it count.
    """

    op: str
    elapsed_ms: int
    document: dict[str, Any] | None = None
    reply: Reply | None = None
    error: CallError | None = None
    nonces: list[str] = field(default_factory=list)
    claim: peer_view.Claim | None = None

    @property
    def error_code(self) -> str:
        return "" if self.error is None else str(self.error.error_code)

    @property
    def outcome(self) -> str:
        """How the call log and the audit log call this result."""
        return self.error_code or OK

    @property
    def head(self) -> tuple[int, str]:
        """The newest entry of the site's log that the answer names: number and hash."""
        return checkpoints.head_in(self.reply.document) if self.reply else (0, "")

    @property
    def evidence(self) -> dict[str, str | int]:
        return {} if self.error is None else dict(self.error.evidence)


def call_site(
    channel: Channel,
    op: str,
    arguments: dict[str, Any],
    *,
    by: str,
    config: Config,
    call: Call,
    now: Callable[[], datetime],
    patience_s: float = DEADLINE_S,
    noted_at: datetime | None = None,
) -> CallResult:
    """Call the site once and return the result; raise nothing that a site can cause.

    The request contains a checkpoint for a paired site. The call log gets its nonces before it is
    sent, and its result. `noted_at` is when the caller recorded the planned call
    (http/site_client.call).
    """
    began = time.monotonic()
    nonces: list[str] = []

    def nonce() -> str:
        nonces.append(new_nonce())
        SiteCall.note(nonces[-1], channel.site_id, op, now())
        return nonces[-1]

    head = {} if op.startswith("pair.") else checkpoints.outgoing_checkpoint(config, channel.sign_d)
    try:
        reply = call(
            channel,
            op,
            {**arguments, **head},
            by=by,
            allow_nets=config.allow_nets,
            deadline_s=patience_s,
            noted_at=noted_at,
            nonce=nonce,
        )
    except CallError as error:
        elapsed_ms = round((time.monotonic() - began) * 1000)
        result = CallResult(op, elapsed_ms, error=error, nonces=nonces)
    else:
        claim = peer_view.claim_in(reply.document, config)
        result = CallResult(op, reply.elapsed_ms, reply.document, reply, None, nonces, claim)
    if nonces:
        SiteCall.finish(nonces, result.outcome, result.elapsed_ms, result.head[0])
    return result


def record(result: CallResult, site_id: int, *, now: datetime, by: Actor = SYSTEM) -> None:
    """Record a finished call in the audit log, inside the transaction of what follows from it.

    A successful call that only reads is in the call log alone.
    """
    if result.error is None and result.op in ROUTINE_OPS:
        return
    head_n, head_hash = result.head
    event = SiteCalled(
        site_id=site_id,
        op=result.op,
        outcome=result.outcome,
        elapsed_ms=result.elapsed_ms,
        nonces=result.nonces,
        head_n=head_n,
        head_hash=head_hash,
    )
    audit.record(event, by, now=now)


def call_with_fallback(
    site: Site,
    channel: Channel,
    op: str,
    arguments: dict[str, Any],
    *,
    by: str,
    config: Config,
    call: Call,
    now: Callable[[], datetime],
) -> tuple[list[CallResult], Channel]:
    """Call the site at its known address and, if something else answers, at its other ones.

    Return the result of each call, and the channel of the last one.
    """
    outcomes = [call_site(channel, op, arguments, by=by, config=config, call=call, now=now)]
    named = [endpoint for endpoint in site.endpoints if is_same_server(channel.endpoint, endpoint)]
    others = [*_https_or_www_variant(channel.endpoint, outcomes[0]), *named]
    for endpoint in [other for other in others if other != channel.endpoint][:MAX_FALLBACKS]:
        if outcomes[-1].reply is not None or outcomes[0].error_code not in FALLBACK_ERRORS:
            break
        elsewhere = replace(channel, endpoint=endpoint)
        outcome = call_site(elsewhere, op, arguments, by=by, config=config, call=call, now=now)
        outcomes.append(outcome)
        if outcome.reply is not None:
            return outcomes, elsewhere
    return outcomes, channel


def _https_or_www_variant(endpoint: str, outcome: CallResult) -> list[str]:
    """Return the target of a redirect that only switches to https or to another `www.`.

    A site that switches to https is the same site. No other redirect is followed, and never one to
    http, because a redirect proves nothing.
    """
    location = str(outcome.evidence.get("location", ""))
    try:
        old, new = urlsplit(endpoint), urlsplit(location)
        is_same = (_host(old), old.path, old.query) == (_host(new), new.path, new.query)
    except ValueError:
        return []
    is_safe = new.scheme == "https" or (old.scheme, new.scheme) == ("http", "http")
    return [location] if is_same and is_safe and "@" not in new.netloc else []


def is_same_server(known: str, named: str) -> bool:
    """Whether signed requests and the server's password for `known` may go to `named`.

    That takes the same host and port, and never http after https.
    """
    try:
        old, new = urlsplit(known), urlsplit(named)
        is_same = _host(old) == _host(new)
    except ValueError:
        return False
    schemes = ("https",) if old.scheme == "https" else ("http", "https")
    return is_same and new.scheme in schemes and "@" not in new.netloc


def _host(parts: SplitResult) -> tuple[str, int | None]:
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = None if parts.port == default else parts.port
    return (parts.hostname or "").removeprefix("www."), port


def effective_result(outcomes: list[CallResult]) -> CallResult:
    """Return the result that counts: the successful one, or that of the known address."""
    return outcomes[-1] if outcomes[-1].reply is not None else outcomes[0]


def call_unsigned(
    endpoint: str,
    document: dict[str, Any],
    *,
    server_login: str = "",
    config: Config,
    call_bearer: BearerCall,
) -> CallResult:
    """Send a document that is its own proof; raise nothing that a site can cause."""
    began = time.monotonic()
    error: CallError | None = None
    answer: dict[str, Any] | None = None
    try:
        status, answer = call_bearer(
            endpoint, document, server_login=server_login, allow_nets=config.allow_nets
        )
        if answer is None or answer.get("ok") is not True:
            error = _refusal(status, answer or {})
    except CallError as why:
        error = why
    elapsed_ms = round((time.monotonic() - began) * 1000)
    return CallResult(document["op"], elapsed_ms, document=answer, error=error)


def _refusal(status: int, answer: dict[str, Any]) -> CallError:
    """Return the error for an unsigned answer that is no success."""
    if status == 401 and answer.get("siteagent") == 1:
        if answer.get("code") == "disconnected":
            return CallError(
                ErrorCode.disconnected, {"status": status, "g": str(answer.get("g"))[:64]}
            )
        return CallError(ErrorCode.unauthorized, {"status": status})
    if status in (404, 410):
        return CallError(ErrorCode.not_found, {"status": status})
    return CallError(
        ErrorCode.server_error if status >= 500 else ErrorCode.blocked, {"status": status}
    )


def channel_to(site: Site, config: Config) -> Channel:
    """Return the signed channel to a paired site; raise SealBroken if its keys do not open."""
    return Channel(
        site_id=site.id,
        endpoint=site.endpoint,
        keyid=site.key_id,
        send_key=open_key(site, "d2s", config),
        receive_key=open_key(site, "s2d", config),
        server_login=server_login(site, config),
        sign_d=site.sign_d,
    )


def server_login(site: Site, config: Config) -> str:
    """Return `name:password` for the web server in front of the site, or ''.

    Raises: SealBroken.
    """
    if not site.server_login_sealed:
        return ""
    ring = KeyRing(config.sealing_keys)
    return ring.open(site.server_login_sealed, server_login_context(site.id)).decode("utf-8")


def visitor_login(site: Site, config: Config) -> str:
    """Return the same for requests as a visitor, which go on without it if it cannot be opened.

    The answer is then that a password is asked for.
    """
    try:
        return server_login(site, config)
    except SealBroken:
        return ""


def server_login_at(site: Site, endpoint: str, config: Config) -> str:
    """Return the server's password if `endpoint` is at the site's known address, else ''.

    The password was entered for that server alone.
    """
    return server_login(site, config) if is_same_server(site.endpoint, endpoint) else ""


def open_key(site: Site, name: str, config: Config) -> bytes:
    """Return one of the site's keys.

    Raises: SealBroken.
    """
    ring = KeyRing(config.sealing_keys)
    return ring.open(site.keys_sealed[name], key_context(site.id, name, site.generation))


def key_context(site_id: int, name: str, generation: int) -> str:
    """Return the context that binds a sealed key to its row."""
    return f"site:{site_id}:{name}:{generation}"
