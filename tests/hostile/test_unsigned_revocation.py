"""The only unsigned call: a revocation, which its secret authorizes."""

from __future__ import annotations

import gzip
import json

import pytest

from app import protocol
from app.http.site_client import CallError, ErrorCode, call_bearer
from tests.support.hostile.calls import HTML, JSON, LOOPBACK, SECRET
from tests.support.hostile.server import HostileServer, http, sends
from tests.support.hostile.site import KEYID, PATH, answers, document


def test_an_unsigned_revocation_returns_the_sites_reply() -> None:
    answer = b'{"v":1,"ok":true,"op":"revoke","a":"proof"}'
    with HostileServer(sends(http(200, JSON, answer))) as server:
        status, reply = call_bearer(
            server.url + PATH,
            {"op": "revoke", "by": "Ana", "kid": KEYID, "r": SECRET},
            allow_nets=LOOPBACK,
        )
    assert (status, reply) == (200, {"v": 1, "ok": True, "op": "revoke", "a": "proof"})
    received = server.received[0]
    assert not protocol.is_signed(received.headers)
    assert received.headers["Content-Type"] == "application/json"
    assert json.loads(received.body)["r"] == SECRET


@pytest.mark.parametrize(
    "raw",
    [
        http(200, HTML, b"<html>"),
        http(200, JSON, b"[1]"),
        http(200, JSON, b"{" + b" " * 100_000),
        http(200, JSON | {"Content-Encoding": "gzip"}, gzip.compress(b"{}")),
    ],
    ids=["a page", "a list", "too much", "encoded"],
)
def test_an_unsigned_revocation_accepts_no_other_reply(raw: bytes) -> None:
    with HostileServer(sends(raw)) as server:
        assert call_bearer(server.url + PATH, {"op": "revoke"}, allow_nets=LOOPBACK) == (200, None)


def test_an_unsigned_revocation_is_not_redirected() -> None:
    with HostileServer(answers(document())) as elsewhere:
        raw = http(307, {"Location": elsewhere.url})
        with HostileServer(sends(raw)) as server, pytest.raises(CallError) as caught:
            call_bearer(server.url + PATH, {"op": "revoke", "r": SECRET}, allow_nets=LOOPBACK)
    assert caught.value.error_code is ErrorCode.redirected
    assert elsewhere.connections == 0
