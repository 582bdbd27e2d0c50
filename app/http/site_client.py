"""Make signed calls to sites: return a verified reply or raise CallError.

Nothing from a site is parsed before its signature is verified. Redirects are not followed, and no
reply is read beyond its size limit or the time limit of the call.
"""

from __future__ import annotations

import socket
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import urllib3

from app import protocol
from app.http import connection_errors, egress
from app.http.connection_trace import Trace
from app.http.errors import CallError, ErrorCode, Trait, evidence, printable
from app.http.ip_policy import Network
from app.http.response import (
    EXCERPT_BYTES,
    RawResponse,
    classify_unsigned,
    own_texts,
    refuse_redirect,
)
from app.protocol import ProtocolError

__all__ = [
    "CallError",
    "Channel",
    "ErrorCode",
    "ProbeResponse",
    "Reply",
    "call",
    "call_bearer",
    "probe",
]

DEADLINE_S = 20.0
# A call is not started later than this after its audit entry, because its signature would expire.
MAX_START_DELAY_S = float(protocol.LIFETIME_S)
PROBE_TIMEOUT_S = 8.0
_READ_TIMEOUT_S = 10.0
MAX_REPORT_BYTES = 2 * 1024 * 1024
MAX_REPLY_BYTES = 64 * 1024
MAX_BY_CHARS = 120
_LONG_ANSWERS = ("report", "log")
_CHUNK_BYTES = 64 * 1024
_MAX_CLOCK_OFFSET_S = 24 * 3600
# The error codes that a site may send; a digest mismatch is one that it finds itself.
_SIGNED_ERRORS = ErrorCode.having(Trait.SIGNED) | {ErrorCode.digest_mismatch}


def _utcnow() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Channel:
    """The address and the keys for calls to a site; during pairing `site_id` is not connected yet.

    `server_login` is `name:password` for a web server with basic authentication. `sign_d` is the
    dashboard's public key (b64u), with which the site checks checkpoints.
    """

    site_id: int
    endpoint: str
    keyid: str
    send_key: bytes = field(repr=False)
    receive_key: bytes = field(repr=False)
    server_login: str = field(default="", repr=False)
    sign_d: str = ""


@dataclass(frozen=True)
class Reply:
    """A verified answer with `"ok": true`.

    `body` and `request_body` are the exact bytes sent; pairing hashes them. `clock_offset_s` is how
    far the site's clock is ahead, from the time in its signature and the middle of the call.
    `address` is the address of the server.
    """

    status: int
    document: dict[str, Any]
    body: bytes = field(repr=False)
    sent_at: datetime
    received_at: datetime
    elapsed_ms: int
    request_body: bytes = field(repr=False)
    clock_offset_s: int = 0
    address: str = ""

    def site_time(self, now: datetime) -> datetime:
        """Return what the site's clock shows `now`."""
        return now + timedelta(seconds=self.clock_offset_s)


@dataclass(frozen=True)
class ProbeResponse:
    """The unsigned answer to one unsigned request, or its error."""

    url: str
    trace: Trace
    received: RawResponse | None = None
    error: CallError | None = None


@dataclass(frozen=True)
class _Route:
    """Network options of a call: allowed networks, time limits and certificate authorities."""

    allow_nets: tuple[Network, ...]
    deadline_s: float
    ca_file: str | None
    resolve: egress.Resolver
    server_login: str = ""
    trace: Trace | None = None


def call(
    channel: Channel,
    op: str,
    arguments: dict[str, Any],
    *,
    by: str,
    allow_nets: tuple[Network, ...],
    max_bytes: int | None = None,
    deadline_s: float = DEADLINE_S,
    now: Callable[[], datetime] = _utcnow,
    noted_at: datetime | None = None,
    nonce: Callable[[], str] = protocol.new_nonce,
    ca_file: str | None = None,
    resolve: egress.Resolver = socket.getaddrinfo,
) -> Reply:
    """Call one operation of a site and return its verified answer.

    If the site reports a clock difference, the call is repeated once with the site's time. The time
    limit covers both attempts, and each has its own nonce. `noted_at` is the time of the caller's
    audit entry; the request is signed as of then, so a delayed request is never newer than its
    entry.

    Raises: CallError for everything else, also for signed refusals; its `evidence` then holds the
    site's code and facts.
    """
    way = _Route(allow_nets, deadline_s, ca_file, resolve, channel.server_login)
    limit = max_bytes or (MAX_REPORT_BYTES if op in _LONG_ANSWERS else MAX_REPLY_BYTES)
    body = protocol.canonical(
        {**arguments, "v": protocol.VERSION, "op": op, "by": printable(by)[:MAX_BY_CHARS]}
    )
    started = time.monotonic()
    try:
        return _attempt(channel, op, body, limit, way, now, noted_at, nonce(), offset_s=0)
    except CallError as why:
        offset_s = _clock_offset(why, now)
        left = deadline_s - (time.monotonic() - started)
        if offset_s is None or left <= 0:
            raise
    way = replace(way, deadline_s=left)
    return _attempt(channel, op, body, limit, way, now, noted_at, nonce(), offset_s=offset_s)


def call_bearer(
    endpoint: str,
    document: dict[str, Any],
    *,
    allow_nets: tuple[Network, ...],
    server_login: str = "",
    deadline_s: float = DEADLINE_S,
    ca_file: str | None = None,
    resolve: egress.Resolver = socket.getaddrinfo,
) -> tuple[int, dict[str, Any] | None]:
    """Send an unsigned document whose argument is its own proof: `revoke`.

    Returns the status and, if it was a short plain JSON object, the answer. The answer proves
    nothing unless it contains a proof itself.

    Raises: CallError if no answer came or the site redirects.
    """
    way = _Route(allow_nets, deadline_s, ca_file, resolve, server_login)
    headers = {"Content-Type": protocol.CONTENT_TYPE, "Accept-Encoding": "identity"}
    body = protocol.canonical({"v": protocol.VERSION, **document})
    received = _exchange(endpoint, headers, body, MAX_REPLY_BYTES, way)
    refuse_redirect(received)
    if received.is_cut or received.is_encoded:
        return received.status, None
    try:
        return received.status, protocol.parse_json(received.body)
    except ProtocolError:
        return received.status, None


def probe(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    allow_nets: tuple[Network, ...],
    server_login: str = "",
    max_bytes: int = EXCERPT_BYTES,
    deadline_s: float = PROBE_TIMEOUT_S,
    ca_file: str | None = None,
    resolve: egress.Resolver = socket.getaddrinfo,
) -> ProbeResponse:
    """Return what an anonymous visitor meets at `url`, by GET, or POST with a body; raise nothing.

    The request contains nothing of ours except the web server's password, and nothing in the answer
    can be trusted: it only explains why a call fails.
    """
    trace = Trace()
    way = _Route(allow_nets, deadline_s, ca_file, resolve, server_login, trace)
    try:
        received = _exchange(url, dict(headers or {}), body, max_bytes, way)
    except CallError as why:
        return ProbeResponse(url, trace, error=why)
    return ProbeResponse(url, trace, received=received)


def _attempt(
    channel: Channel,
    op: str,
    body: bytes,
    limit: int,
    way: _Route,
    now: Callable[[], datetime],
    noted_at: datetime | None,
    nonce: str,
    *,
    offset_s: int,
) -> Reply:
    sent_at, started = now(), time.monotonic()
    noted_at = noted_at or sent_at
    # Both directions: the clock may have been set back meanwhile.
    if abs((sent_at - noted_at).total_seconds()) > MAX_START_DELAY_S:
        raise CallError(ErrorCode.held_up, {"seconds": int((sent_at - noted_at).total_seconds())})
    try:
        request = protocol.sign_request(
            channel.endpoint,
            body,
            key=channel.send_key,
            keyid=channel.keyid,
            created=int(noted_at.timestamp()) + offset_s,
            nonce=nonce,
        )
    except ProtocolError as why:
        raise CallError(ErrorCode.address_refused, {"detail": f"not sent: {why}"}) from why
    received = _exchange(channel.endpoint, request.headers, body, limit, way)
    document, site_time = _verified_document(request, received, channel.receive_key, op)
    received_at = now()
    middle = (sent_at.timestamp() + received_at.timestamp()) / 2
    return Reply(
        status=received.status,
        document=document,
        body=received.body,
        sent_at=sent_at,
        received_at=received_at,
        elapsed_ms=round((time.monotonic() - started) * 1000),
        request_body=body,
        clock_offset_s=int(site_time - middle),  # signatures have whole seconds
        address=received.address,
    )


def _clock_offset(why: CallError, now: Callable[[], datetime]) -> int | None:
    """Return how many seconds the site's clock is ahead, from its signed time; None if unusable."""
    site_time = why.evidence.get("site_time")
    if why.error_code is not ErrorCode.clock_skew or not isinstance(site_time, int):
        return None
    offset = site_time - int(now().timestamp())
    return offset if abs(offset) <= _MAX_CLOCK_OFFSET_S else None


def _exchange(
    url: str, headers: dict[str, str], body: bytes, limit: int, way: _Route
) -> RawResponse:
    """Send a request and read the response.

    Raises: CallError for every failure below the level of a reply.
    """
    # A site sends nothing until an operation is done, so the read timeout is the whole wait.
    limits = egress.Limits(
        total_s=way.deadline_s, between_bytes_s=max(_READ_TIMEOUT_S, way.deadline_s - DEADLINE_S)
    )
    if way.server_login:
        headers = {**headers, "Authorization": _basic(way.server_login)}
    with egress.session(
        way.allow_nets, limits=limits, ca_file=way.ca_file, resolve=way.resolve, trace=way.trace
    ) as session:
        method = "POST" if body else "GET"
        try:
            egress.check_url(url)
            with session.request(method, url, data=body, headers=headers, stream=True) as response:
                # A probe expects a page, and names how much of it.
                if way.trace is None and not _may_be_ours(response):
                    limit = min(limit, EXCERPT_BYTES)
                content = _read(response, limit)
        except egress.EgressError as why:
            raise connection_errors.not_connected(why) from why
        except requests.exceptions.InvalidURL as why:
            raise CallError(ErrorCode.address_refused, evidence({"host": url[:100]})) from why
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as why:
            raise connection_errors.broken_off(why, session.guard.address) from why
        return RawResponse(
            status=response.status_code,
            headers=response.headers,
            body=content[:limit],
            is_cut=len(content) > limit,
            limit=limit,
            address=session.guard.address,
            hidden=(*own_texts(headers, body), *_login_texts(way.server_login)),
        )


def _basic(login: str) -> str:
    """Return the Authorization header value of basic authentication (RFC 7617), in UTF-8."""
    return "Basic " + b64encode(login.encode("utf-8")).decode("ascii")


def _login_texts(login: str) -> tuple[str, ...]:
    return (login, login.partition(":")[2], _basic(login)) if login else ()


def _may_be_ours(response: requests.Response) -> bool:
    if protocol.is_signed(response.headers):
        return True
    return response.status_code == 200 and "json" in response.headers.get("Content-Type", "")


def _read(response: requests.Response, limit: int) -> bytes:
    """Read at most one byte more than `limit`, without decoding."""
    content = bytearray()
    while len(content) <= limit:
        wanted = min(_CHUNK_BYTES, limit + 1 - len(content))
        chunk = response.raw.read(wanted, decode_content=False)
        if not chunk:
            break
        content += chunk
    return bytes(content)


def _verified_document(
    request: protocol.SentRequest, received: RawResponse, key: bytes, op: str
) -> tuple[dict[str, Any], int]:
    """Return the verified answer to `request`, and the site's time.

    Raises: CallError unless it is signed, complete, for this request and successful.
    """
    refuse_redirect(received)
    if not protocol.is_signed(received.headers):
        raise classify_unsigned(received)
    if received.is_encoded:
        raise received.error(
            ErrorCode.encoded_reply, encoding=received.headers.get("Content-Encoding", "")
        )
    if received.is_cut:
        raise received.error(ErrorCode.reply_too_large, limit=received.limit)
    try:
        site_time = protocol.verify_response(
            request,
            status=received.status,
            headers=received.headers,
            body=received.body,
            key=key,
        )
    except ProtocolError as why:
        mismatch = why.code == "digest_mismatch"
        error_code = ErrorCode.digest_mismatch if mismatch else ErrorCode.bad_reply_signature
        raise received.error(error_code, detail=str(why)) from why
    try:
        document = protocol.parse_json(received.body)
    except ProtocolError as why:
        raise received.error(ErrorCode.malformed_reply, detail=why.detail) from why
    # A site that could not read the body does not name the operation it refuses.
    names = (op, "") if document.get("ok") is False else (op,)
    if document.get("v") != protocol.VERSION or document.get("op") not in names:
        raise received.error(
            ErrorCode.malformed_reply, detail="the answer belongs to another operation"
        )
    if document.get("ok") is True and received.status == 200:
        return document, site_time
    raise _refusal(document, received)


def _refusal(document: dict[str, Any], received: RawResponse) -> CallError:
    error = document.get("error")
    if document.get("ok") is not False or not isinstance(error, dict):
        return received.error(
            ErrorCode.malformed_reply, detail="the answer is neither a reply nor a refusal"
        )
    code = error.get("code")
    error_code = ErrorCode.refused_by_site
    if isinstance(code, str) and code in _SIGNED_ERRORS:
        error_code = ErrorCode(code)
    return CallError(error_code, evidence({"status": received.status, **error}, received.hidden))
