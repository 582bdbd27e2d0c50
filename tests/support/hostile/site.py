"""A SiteAgent with valid keys and otherwise arbitrary behavior."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from app import protocol
from app.http.site_client import Channel
from app.protocol import VerifiedRequest
from tests.support.hostile.server import Behaviour, Line, ReceivedRequest, http

SEND_KEY = b"dashboard to site, 32 bytes long"
RECEIVE_KEY = b"site to dashboard, 32 bytes long"
KEYID = "hostile-site.1"
PATH = "/wp-json/siteagent/v1/rpc"


def channel(base_url: str) -> Channel:
    """Return the dashboard's channel to a site at `base_url`."""
    return Channel(7, base_url + PATH, KEYID, SEND_KEY, RECEIVE_KEY)


def verified(received: ReceivedRequest, base_url: str, now: int | None = None) -> VerifiedRequest:
    """Verify the request as a real site does. Raises: ProtocolError."""
    return protocol.verify_request(
        method=received.method,
        urls=[base_url + received.target],
        headers=received.headers,
        body=received.body,
        key_for={KEYID: SEND_KEY}.get,
        now=int(time.time()) if now is None else now,
    )


@dataclass(frozen=True)
class Answer:
    """A reply that a test changes before it is sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def raw(self, **headers: str) -> bytes:
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return http(self.status, self.headers | more, self.body)


def signed(
    received: ReceivedRequest,
    line: Line,
    body: bytes,
    *,
    status: int = 200,
    key: bytes = RECEIVE_KEY,
    nonce: str | None = None,
) -> Answer:
    """Return a correctly signed reply, unless `key` or `nonce` differ."""
    host, port = line.sock.getsockname()[:2]
    scheme = "https" if hasattr(line.sock, "version") else "http"
    name = received.headers.get("Host", f"{host}:{port}")
    request = verified(received, f"{scheme}://{name}")
    if nonce is not None:
        request = replace(request, nonce=nonce)
    headers = protocol.sign_response(request, status, body, key=key, now=request.created)
    return Answer(status, headers, body)


def document(op: str = "ping", **facts: Any) -> bytes:
    """Return the body of a success."""
    return protocol.canonical({"v": 1, "ok": True, "op": op, **facts})


def refusal(code: str, op: str = "ping", **facts: Any) -> bytes:
    """Return the body of a refusal."""
    error = {"code": code, "message": f"Refused: {code}.", **facts}
    return protocol.canonical({"v": 1, "ok": False, "op": op, "error": error})


def answers(body: bytes, **options: Any) -> Behaviour:
    """Return a behavior that signs and sends `body`."""
    return lambda received, line: line.send(signed(received, line, body, **options).raw())


def answers_changed(change: Callable[[Answer], bytes], body: bytes | None = None) -> Behaviour:
    """Return a behavior that signs a valid reply and then applies `change` to it."""
    honest = document(time=1) if body is None else body
    return lambda received, line: line.send(change(signed(received, line, honest)))
