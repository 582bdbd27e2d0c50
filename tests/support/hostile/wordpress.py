"""A small simulated WordPress with SiteAgent, and obstacles in front of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from app import protocol
from app.protocol import ProtocolError
from tests.support.hostile.server import Line, ReceivedRequest, http
from tests.support.hostile.site import RECEIVE_KEY, Answer, document, refusal, verified

HTML = {"Content-Type": "text/html; charset=UTF-8", "Server": "nginx"}
PAGE = b"<!DOCTYPE html><html><head><title>Harbour Bakery</title></head><body>Bread</body></html>"
UNAUTHORIZED = b'{"code":"unauthorized","siteagent":1}'
TOO_LARGE = b'{"code":"too_large","siteagent":1}'
ROUTES = (
    "/wp-json/siteagent/v1/rpc",
    "/?rest_route=/siteagent/v1/rpc",
    "/wp-admin/admin-ajax.php?action=siteagent_rpc",
)


@dataclass(frozen=True)
class WordPress:
    """A behavior for HostileServer. Obstacles change the return value of `answer`."""

    has_siteagent: bool = True
    knows_key: bool = True
    has_pretty: bool = True
    is_rest_open: bool = True
    clock_ahead_s: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    def __call__(self, received: ReceivedRequest, line: Line) -> None:
        line.send(self.answer(received, line).raw())

    def answer(self, received: ReceivedRequest, line: Line) -> Answer:
        path = received.target.partition("?")[0]
        if not self.has_pretty and path.startswith("/wp-json"):
            return Answer(404, HTML, PAGE)
        if received.method == "GET":
            return self._page(received)
        if received.target not in ROUTES:
            return Answer(404, HTML, PAGE)
        if not self.has_siteagent:
            return self._without_siteagent(received)
        return self._gate(received, line)

    def _page(self, received: ReceivedRequest) -> Answer:
        if "wp-json" not in received.target and "rest_route" not in received.target:
            return Answer(200, HTML, PAGE)
        if not self.is_rest_open:
            return _json(401, {"code": "rest_not_logged_in", "message": "No.", "data": {}})
        ours = ["siteagent/v1"] if self.has_siteagent else []
        return _json(200, {"namespaces": ["oembed/1.0", *ours, "wp/v2"]})

    def _without_siteagent(self, received: ReceivedRequest) -> Answer:
        if "admin-ajax" in received.target:
            return Answer(400, HTML, b"0")
        return _json(404, {"code": "rest_no_route", "message": "No route.", "data": {}})

    def _gate(self, received: ReceivedRequest, line: Line) -> Answer:
        """Verify as class-siteagent-request-handler.php: size, form, key, MAC, digest, clock."""
        if len(received.body) > protocol.MAX_REQUEST_BYTES:
            return _stranger(413, TOO_LARGE)
        scheme = "https" if hasattr(line.sock, "version") else "http"
        now = int(time.time()) + self.clock_ahead_s
        try:
            if not self.knows_key:
                received = replace(received, headers=_of_a_stranger(received.headers))
            request = verified(received, f"{scheme}://{received.headers['Host']}", now)
        except ProtocolError as why:
            if why.code == "too_large":
                return _stranger(413, TOO_LARGE)
            if why.request is None:
                return _stranger(401, UNAUTHORIZED)
            return self._refuse(why, received, now)
        body = document(op=self._op(received), time=now, plugin="0.1.0", **self.more)
        headers = protocol.sign_response(request, 200, body, key=RECEIVE_KEY, now=now)
        return Answer(200, headers, body)

    def _op(self, received: ReceivedRequest) -> str:
        return str(json.loads(received.body).get("op", "ping"))

    def _refuse(self, why: ProtocolError, received: ReceivedRequest, now: int) -> Answer:
        assert why.request is not None
        facts = {
            "clock_skew": {"site_time": now, "your_created": why.request.created},
            "digest_mismatch": {"bytes": len(received.body)},
        }
        body = refusal(why.code, op="", **facts.get(why.code, {}))
        headers = protocol.sign_response(why.request, 401, body, key=RECEIVE_KEY, now=now)
        return Answer(401, headers, body)


def _json(status: int, document: dict[str, Any]) -> Answer:
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    return Answer(status, headers, json.dumps(document).encode())


def _stranger(status: int, body: bytes) -> Answer:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store, no-transform"}
    return Answer(status, headers, body)


def _of_a_stranger(headers: dict[str, str]) -> dict[str, str]:
    return {
        name: value.replace('keyid="', 'keyid="x') if name == "Signature-Input" else value
        for name, value in headers.items()
    }


@dataclass(frozen=True)
class Behind:
    """A correct WordPress behind an obstacle.

    `inwards` changes the request, `outwards` changes the response, and `instead` may replace it.
    """

    inwards: Callable[[ReceivedRequest], ReceivedRequest] = lambda received: received
    outwards: Callable[[ReceivedRequest, Answer], bytes] = lambda _received, answer: answer.raw()
    instead: Callable[[ReceivedRequest], bytes | None] = lambda _received: None
    site: WordPress = WordPress()

    def __call__(self, received: ReceivedRequest, line: Line) -> None:
        answer = self.instead(received)
        if answer is None:
            answer = self.outwards(received, self.site.answer(self.inwards(received), line))
        line.send(answer)


def everything(status: int, headers: dict[str, str], body: bytes = b"") -> Behind:
    """Return an obstacle that answers every request itself."""
    return Behind(instead=lambda _received: http(status, headers, body))


def calls_only(status: int, headers: dict[str, str], body: bytes = b"") -> Behind:
    """Return an obstacle that passes GET requests and answers POST itself."""
    return Behind(instead=lambda a: http(status, headers, body) if a.method == "POST" else None)
