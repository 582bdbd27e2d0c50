"""The cost of the protocol relative to its unavoidable hashing."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator

from app import protocol
from bench.measure import Figure, interleaved

_URL = "https://shop.example.test/wp-json/siteagent/v1/rpc"
_KEY, _KEYID = b"k" * 32, "bench.1"
_TIMES = 200
_ROUNDS = 50


def figures() -> Iterator[Figure]:
    """Signing and verifying a message of 2 kB in Python."""
    body = b'{"by":"Ben","op":"ping","padding":"' + b"x" * 2000 + b'","v":1}'
    now = int(time.time())
    sent = _sign(body, now)
    request = protocol.VerifiedRequest(
        _KEYID, sent.nonce, now, now + 60, _URL, sent.headers["Content-Digest"]
    )
    headers = protocol.sign_response(request, 200, body, key=_KEY, now=now)

    def hash_only() -> None:
        for _ in range(_TIMES):
            hashlib.sha256(body).digest()
            hmac.digest(_KEY, body[:600], "sha256")

    def sign() -> None:
        for _ in range(_TIMES):
            _sign(body, now)

    def verify() -> None:
        for _ in range(_TIMES):
            protocol.verify_response(sent, status=200, headers=headers, body=body, key=_KEY)

    floor = "SHA-256 and HMAC alone"
    work = {floor: hash_only, "signing a request": sign, "verifying a reply": verify}
    seconds = {name: each / _TIMES for name, each in interleaved(work, _ROUNDS).items()}
    yield Figure.ratio("wire.sign.python", "signing a request", floor, seconds)
    yield Figure.ratio("wire.verify.python", "verifying a reply", floor, seconds)


def _sign(body: bytes, now: int) -> protocol.SentRequest:
    return protocol.sign_request(
        _URL, body, key=_KEY, keyid=_KEYID, created=now, nonce=protocol.new_nonce()
    )
