"""Sign and verify with another implementation of RFC 9421."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    MappingKeyResolver,
    algorithms,
)

from app import protocol

URL = "https://shop.example.test/wp-json/siteagent/v1/rpc"


SECOND = "https://shop.example.test/?rest_route=/siteagent/v1/rpc"


KEYID = "peer.1"


D2S, S2D = b"d" * 32, b"s" * 32


BODY = protocol.canonical({"v": 1, "op": "ping", "by": "Ben"})


ANSWER = protocol.canonical({"v": 1, "ok": True, "op": "ping", "time": 5})


REQUEST_PARTS = ("@method", "@target-uri", "content-type", "content-digest")


RESPONSE_PARTS = (
    "@status",
    "content-type",
    "content-digest",
    '"@method";req',
    '"@target-uri";req',
    '"content-type";req',
    '"content-digest";req',
)


@dataclass
class Message:
    """A request in the form that the peer needs."""

    url: str
    headers: dict[str, str]
    method: str = "POST"


@dataclass
class Response:
    """A reply in the form that the peer needs."""

    request: Message
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


def resolver(key: bytes) -> Any:
    return MappingKeyResolver(public_keys={KEYID: key}, private_keys={KEYID: key})


def peer_verifies(message: Any, key: bytes, tag: str, body: bytes, parts: tuple[str, ...]) -> Any:
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.HMAC_SHA256, key_resolver=resolver(key)
    )
    (found,) = verifier.verify(message, expect_tag=tag, body=body, require_components=parts)
    return found


def peer_signs(message: Any, key: bytes, body: bytes, **options: Any) -> None:
    signer = HTTPMessageSigner(
        signature_algorithm=algorithms.HMAC_SHA256, key_resolver=resolver(key)
    )
    now = now_s()
    signer.sign(
        message,
        key_id=KEYID,
        created=datetime.fromtimestamp(now, UTC),
        expires=datetime.fromtimestamp(now + 60, UTC),
        label="sa",
        body=body,
        **options,
    )


def now_s() -> int:
    """Return the real time, because the peer always uses the real clock."""
    return int(datetime.now(UTC).timestamp())
