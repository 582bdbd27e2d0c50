"""The siteagent/1 wire profile: a strict subset of RFC 9421 (HTTP message signatures).

Pure functions: key, clock and nonce are arguments. class-siteagent-http-signature.php is the same
in PHP; tests/php-fixtures/vectors.json checks both. The verifier compares the received text
character by character and computes the MAC over that text, so each message has one accepted form.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

VERSION = 1
REQUEST_TAG = "siteagent-req/1"
RESPONSE_TAG = "siteagent-res/1"
NOTE_TAG = "siteagent-note/1"
CONTENT_TYPE = "application/json"
_TAGS = (REQUEST_TAG, RESPONSE_TAG, NOTE_TAG)

LIFETIME_S = 60
MAX_LIFETIME_S = 120
MAX_SKEW_S = 300
MAX_REQUEST_BYTES = 64 * 1024
MAX_FIELD_BYTES = 4 * 1024
MAX_URL_CHARS = 2000
MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1

# fmt: off
CODES = (
    "malformed", "unknown_key", "bad_signature", "unauthorized", "too_large", "digest_mismatch",
    "expired", "clock_skew", "replayed", "nonce_store_unavailable", "unknown_operation",
    "invalid_arguments", "not_permitted", "pairing_closed", "wrong_site", "identity_changed",
    "audit_log_forked", "disconnected", "output_started", "internal_error",
)
# fmt: on

_REQUEST_COMPONENTS = '("@method" "@target-uri" "content-type" "content-digest")'
_RESPONSE_COMPONENTS = (
    '("@status" "content-type" "content-digest" "@method";req "@target-uri";req'
    ' "content-type";req "content-digest";req)'
)
_DIGEST = re.compile(r"sha-256=:[A-Za-z0-9+/]{43}=:")
_SIGNATURE = re.compile(r"sa=(:[A-Za-z0-9+/]{43}=:)")
# 16 bytes use two bits of the last character; other characters there would
# be a second form of the same nonce.
_NONCE = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")
_KEYID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TARGET = re.compile(r"https?://[!\"$-~]+")  # printable ASCII without space and fragment
_PARAMETERS = (
    r";created=([1-9][0-9]{0,11})"
    rf';keyid="({_KEYID.pattern})"'
    r';alg="hmac-sha256"'
    r";expires=([1-9][0-9]{0,11})"
    rf';nonce="({_NONCE.pattern})"'
)


class ProtocolError(Exception):
    """A message was refused: `code` is one of CODES, `detail` a short reason.

    `request` is set if the MAC is valid. Then the sender holds the key and may get a signed error
    for that request.
    """

    def __init__(self, code: str, detail: str = "", request: VerifiedRequest | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.request = request


@dataclass(frozen=True)
class SentRequest:
    """A signed request, ready for the wire and for verifying its reply."""

    url: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    nonce: str
    keyid: str


@dataclass(frozen=True)
class VerifiedRequest:
    """A request whose sender holds the key `keyid`; `url` is the signed address."""

    keyid: str
    nonce: str
    created: int
    expires: int
    url: str
    digest: str


@dataclass(frozen=True)
class _SignedParameters:
    text: str
    created: int
    keyid: str
    expires: int
    nonce: str
    signature: str


def b64u(raw: bytes) -> str:
    """Base64url without padding (RFC 4648 section 5)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def from_b64u(text: object, size: int | None = None) -> bytes:
    """Decode canonical base64url.

    Raises: ProtocolError("malformed") for any other form or a wrong size.
    """
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ProtocolError("malformed", "not base64url")
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as why:
        raise ProtocolError("malformed", "not base64url") from why
    if b64u(raw) != text or (size is not None and len(raw) != size):
        raise ProtocolError("malformed", "not the expected base64url value")
    return raw


def new_nonce() -> str:
    """Return 16 random bytes as 22 base64url characters."""
    return b64u(secrets.token_bytes(16))


def content_digest(body: bytes) -> str:
    """Return the Content-Digest field value (RFC 9530), sha-256 only."""
    return f"sha-256=:{b64encode(hashlib.sha256(body).digest()).decode('ascii')}:"


def sign_request(
    url: str,
    body: bytes,
    *,
    key: bytes,
    keyid: str,
    created: int,
    nonce: str,
    tag: str = REQUEST_TAG,
) -> SentRequest:
    """Sign a POST of `body` to exactly `url`.

    Raises: ProtocolError: too_large, or malformed if an argument is not allowed in the profile (a
    programming error, or an address that is not plain ASCII).
    """
    if len(body) > MAX_REQUEST_BYTES:
        raise ProtocolError("too_large", f"{len(body)} bytes")
    if len(url) > MAX_URL_CHARS or not _TARGET.fullmatch(url):
        raise ProtocolError("malformed", "address")
    digest = content_digest(body)
    parameters = _parameters(_REQUEST_COMPONENTS, created, keyid, nonce, tag)
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Accept-Encoding": "identity",
        "Content-Digest": digest,
        "Signature-Input": f"sa={parameters}",
        "Signature": f"sa={_mac(key, request_base(url, digest, parameters))}",
    }
    return SentRequest(url=url, headers=headers, body=body, nonce=nonce, keyid=keyid)


def verify_request(
    *,
    method: str,
    urls: Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    key_for: Callable[[str], bytes | None],
    now: int,
    tag: str = REQUEST_TAG,
) -> VerifiedRequest:
    """Return the verified request (docs/PROTOCOL.md 1.1, steps 1 to 7).

    `urls` are the receiver's own addresses. The caller checks afterwards that the nonce is new.

    Raises: ProtocolError.
    """
    if len(body) > MAX_REQUEST_BYTES:
        raise ProtocolError("too_large", f"{len(body)} bytes")
    fields = _fields(headers)
    signed = _signed_parameters(fields, _REQUEST_COMPONENTS, tag)
    digest = _plain_content(fields)
    if method != "POST":
        raise ProtocolError("malformed", "method")
    key = key_for(signed.keyid)
    if key is None:
        raise ProtocolError("unknown_key", signed.keyid)
    matched = ""
    for url in urls:
        if _is_mac(signed.signature, key, request_base(url, digest, signed.text)):
            matched = url
    if not matched:
        raise ProtocolError("bad_signature")
    request = VerifiedRequest(
        signed.keyid, signed.nonce, signed.created, signed.expires, matched, digest
    )
    _check_body(digest, body, request)
    if not 0 < signed.expires - signed.created <= MAX_LIFETIME_S:
        raise ProtocolError("expired", f"lifetime {signed.expires - signed.created} s", request)
    if abs(now - signed.created) > MAX_SKEW_S:
        raise ProtocolError("clock_skew", f"{now - signed.created} s apart", request)
    return request


def sign_response(
    request: VerifiedRequest, status: int, body: bytes, *, key: bytes, now: int
) -> dict[str, str]:
    """Return the headers of a reply with `status` and `body`, valid only for this `request`."""
    digest = content_digest(body)
    parameters = _parameters(_RESPONSE_COMPONENTS, now, request.keyid, request.nonce, RESPONSE_TAG)
    base = response_base(status, digest, request.url, request.digest, parameters)
    return {
        "Content-Type": CONTENT_TYPE,
        "Cache-Control": "no-store, no-transform",
        "Content-Digest": digest,
        "Signature-Input": f"sa={parameters}",
        "Signature": f"sa={_mac(key, base)}",
    }


def verify_response(
    request: SentRequest, *, status: int, headers: Mapping[str, str], body: bytes, key: bytes
) -> int:
    """Verify a reply to `request` and return the time of its signer.

    The times of the reply are not checked: the nonce proves freshness, and a site with a wrong
    clock must be able to answer.

    Raises: ProtocolError: malformed, unknown_key (another key id), replayed (another request's
    nonce), bad_signature, digest_mismatch.
    """
    fields = _fields(headers)
    signed = _signed_parameters(fields, _RESPONSE_COMPONENTS, RESPONSE_TAG)
    digest = _plain_content(fields)
    if not hmac.compare_digest(signed.keyid, request.keyid):
        raise ProtocolError("unknown_key", signed.keyid)
    if not hmac.compare_digest(signed.nonce, request.nonce):
        raise ProtocolError("replayed", "the reply answers another request")
    request_digest = request.headers["Content-Digest"]
    base = response_base(status, digest, request.url, request_digest, signed.text)
    if not _is_mac(signed.signature, key, base):
        raise ProtocolError("bad_signature")
    _check_body(digest, body, None)
    return signed.created


def is_signed(headers: Mapping[str, str]) -> bool:
    """Whether both signature fields are present; they are not verified."""
    names = {name.lower() for name in headers}
    return "signature" in names and "signature-input" in names


def request_base(url: str, digest: str, parameters: str) -> str:
    """Return the signature base of a request (RFC 9421 section 2.5), without a final newline."""
    return (
        f'"@method": POST\n"@target-uri": {url}\n"content-type": {CONTENT_TYPE}\n'
        f'"content-digest": {digest}\n"@signature-params": {parameters}'
    )


def response_base(status: int, digest: str, url: str, request_digest: str, parameters: str) -> str:
    """Return the signature base of a reply; `asked` is the request's Content-Digest."""
    return (
        f'"@status": {status:03d}\n"content-type": {CONTENT_TYPE}\n"content-digest": {digest}\n'
        f'"@method";req: POST\n"@target-uri";req: {url}\n"content-type";req: {CONTENT_TYPE}\n'
        f'"content-digest";req: {request_digest}\n"@signature-params": {parameters}'
    )


def canonical(document: object) -> bytes:
    """Return the canonical form of a document: RFC 8785 without floats (PROTOCOL.md section 5).

    Raises ProtocolError("malformed") for floats, integers of 2^53 and beyond, keys that are not
    ASCII text, lone surrogates, other types, or nesting deeper than 32.
    """
    _check_value(document, MAX_DEPTH)
    return json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8")


def parse_json(raw: bytes, *, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Parse one JSON object strictly.

    Raises ProtocolError("malformed") for anything that two parsers might read differently:
    duplicate or non-ASCII keys, floats, NaN, integers of 2^53 and beyond, lone surrogates, a byte
    order mark, more than `depth` levels, or no object at the top.
    """
    try:
        document = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_int=_small_integer,
            parse_float=_no_number,
            parse_constant=_no_number,
        )
    except (ValueError, RecursionError) as why:
        raise ProtocolError("malformed", f"not JSON: {why}"[:200]) from why
    if not isinstance(document, dict):
        raise ProtocolError("malformed", "not a JSON object")
    _check_value(document, depth)
    return document


def chain_genesis(log_uuid: str) -> bytes:
    """Return hash_0 of the log `log_uuid` (docs/PROTOCOL.md section 5)."""
    return hashlib.sha256(b"siteagent/audit-genesis/1\n" + log_uuid.encode("ascii")).digest()


# Prefix of every entry's hash. The leading zero byte is RFC 9162's leaf prefix, so that entry
# hashes are the leaves of a Merkle tree.
CHAIN_ENTRY = b"\x00siteagent/audit/1\n"
# The same for the log that a site keeps.
SITE_LOG_ENTRY = b"\x00siteagent/log/1\n"
# Prefix of the hash of a row of the call log, for the same reason.
CALL_ROW = b"\x00siteagent/call/1\n"


def chain_hash(position: int, previous: bytes, body: bytes) -> bytes:
    """Return hash_n of the entry `body` at `position` (from 1); `previous` is hash_n-1."""
    prefix = CHAIN_ENTRY + position.to_bytes(8, "big")
    return hashlib.sha256(prefix + previous + body).digest()


def site_log_hash(position: int, previous: bytes, body_digest: bytes) -> bytes:
    """Return hash_n of the entry at `position` of a site's log.

    It covers the SHA-256 of the body, so that the chain can be verified without the body.
    """
    prefix = SITE_LOG_ENTRY + position.to_bytes(8, "big")
    return hashlib.sha256(prefix + previous + body_digest).digest()


def _parameters(components: str, created: int, keyid: str, nonce: str, tag: str) -> str:
    text = (
        f'{components};created={created};keyid="{keyid}";alg="hmac-sha256"'
        f';expires={created + LIFETIME_S};nonce="{nonce}";tag="{tag}"'
    )
    if tag not in _TAGS or not re.fullmatch(
        re.escape(components) + _PARAMETERS + re.escape(f';tag="{tag}"'), text
    ):
        raise ProtocolError("malformed", "signature parameters")
    return text


def _mac(key: bytes, base: str) -> str:
    raw = hmac.new(key, base.encode(), hashlib.sha256).digest()
    return f":{b64encode(raw).decode('ascii')}:"


def _is_mac(claimed: str, key: bytes, base: str) -> bool:
    # Compare the encoded texts: a lenient base64 decoder would accept several forms.
    return hmac.compare_digest(claimed, _mac(key, base))


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in ("content-type", "content-digest", "signature-input", "signature"):
            continue
        if len(value) > MAX_FIELD_BYTES:
            raise ProtocolError("too_large", lower)
        if lower in fields:
            raise ProtocolError("malformed", f"{lower} twice")
        fields[lower] = value
    return fields


def _signed_parameters(fields: Mapping[str, str], components: str, tag: str) -> _SignedParameters:
    shape = re.compile(
        "sa=(" + re.escape(components) + _PARAMETERS + re.escape(f';tag="{tag}"') + ")"
    )
    found = shape.fullmatch(fields.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(fields.get("signature", ""))
    if found is None or signature is None:
        raise ProtocolError("malformed", "signature fields")
    text, created, keyid, expires, nonce = found.groups()
    return _SignedParameters(text, int(created), keyid, int(expires), nonce, signature[1])


def _plain_content(fields: Mapping[str, str]) -> str:
    if fields.get("content-type") != CONTENT_TYPE:
        raise ProtocolError("malformed", "content type")
    digest = fields.get("content-digest", "")
    if not _DIGEST.fullmatch(digest):
        raise ProtocolError("malformed", "content digest")
    return digest


def _check_body(digest: str, body: bytes, request: VerifiedRequest | None) -> None:
    if not hmac.compare_digest(digest, content_digest(body)):
        raise ProtocolError("digest_mismatch", f"{len(body)} bytes arrived", request)


def _check_value(value: object, levels: int) -> None:
    """Check a value without recursion, because its sender chooses the depth."""
    waiting: list[tuple[object, int]] = [(value, levels)]
    while waiting:
        item, left = waiting.pop()
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, bool) or item is None:
            continue
        elif isinstance(item, int):
            if abs(item) > MAX_INTEGER:
                raise ProtocolError("malformed", "integer too large")
        elif not isinstance(item, dict | list | tuple):
            raise ProtocolError("malformed", f"{type(item).__name__} in JSON")
        elif left == 0:
            raise ProtocolError("malformed", "nested too deep")
        elif isinstance(item, dict):
            if not all(isinstance(key, str) and key.isascii() for key in item):
                raise ProtocolError("malformed", "key is not ASCII text")
            waiting.extend((child, left - 1) for child in item.values())
        else:
            waiting.extend((child, left - 1) for child in item)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as why:
        raise ProtocolError("malformed", "lone surrogate") from why


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ProtocolError("malformed", "duplicate key")
    return found


def _small_integer(text: str) -> int:
    if text == "-0" or len(text) > len(str(-MAX_INTEGER)):
        raise ProtocolError("malformed", "integer")
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ProtocolError("malformed", f"number {text[:20]}")
