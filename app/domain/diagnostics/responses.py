"""Heuristics that guess which product produced an unsigned response."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field

from app import protocol
from app.http.errors import ErrorCode
from app.http.response import EXCERPT_BYTES, RawResponse
from app.protocol import ProtocolError

# Products in front of sites, by a header or by words on their pages.
_PRODUCTS = (
    ("Cloudflare", "cf-ray", r"cloudflare|cf-chl|challenge-platform"),
    ("SiteGround", "sg-captcha", r"sgcaptcha"),
    ("Sucuri", "x-sucuri-id", r"sucuri"),
    ("Imperva Incapsula", "x-iinfo", r"incapsula"),
    ("AWS WAF", "x-amzn-waf-action", r"aws-waf"),
    ("DDoS-Guard", "", r"ddos-guard"),
    ("Imunify360", "", r"imunify360"),
    ("Wordfence", "", r"wordfence"),
    ("ModSecurity", "", r"mod_?security|not acceptable!"),
)
_CHALLENGE_HEADERS = ("cf-mitigated", "sg-captcha", "x-amzn-waf-action")
_CHALLENGE_PRODUCTS = re.compile(
    r"cf-chl|challenge-platform|sgcaptcha|aws-waf-token", re.IGNORECASE
)
# Normal pages may contain such words too, so they count only in error responses.
_REFUSING = frozenset({202, 401, 403, 405, 406, 418, 429, 503})
_CHALLENGE_WORDS = re.compile(
    r"captcha|are you human|not a robot|checking your browser|just a moment"
    r"|enable javascript and cookies|verify(ing)? (that )?you are",
    re.IGNORECASE,
)
_CACHE_HEADERS = (
    "X-Cache",
    "X-Cache-Status",
    "CF-Cache-Status",
    "X-Proxy-Cache",
    "X-LiteSpeed-Cache",
    "X-Varnish-Cache",
)
_PHP_MESSAGE = re.compile(
    r"(?:warning|notice|deprecated|(?:fatal|parse) error)(?:</b>)?:.{0,300}? in (?:<b>)?"
    r"(?P<file>[^<>\"\n]{1,200}?\.(?:php|inc)\b)[^<>\n]{0,40}?"
    r"(?:</b>)? on line (?:<b>)?(?P<line>\d{1,7})",
    re.IGNORECASE | re.DOTALL,
)
_REFUSAL = re.compile(rb'\{[^{}]{0,200}"siteagent":1\b[^{}]{0,200}\}')
# PHP messages are at the start, and searching a long page would take time.
_LOOKED_AT_BYTES = 4096
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


@dataclass(frozen=True)
class Blocker:
    """What blocks the connection: its check, its finding and its evidence."""

    check: str
    finding: str
    evidence: dict[str, str | int] = field(default_factory=dict)


def classify_probe(received: RawResponse, check: str) -> Blocker | None:
    """Return what kept an anonymous call from SiteAgent at `check`, or None if it answered.

    SiteAgent answers anonymous calls with one known refusal. Any other answer came from another
    program or was changed in transit.
    """
    if siteagent_code(received) == "unauthorized":
        return _changed_refusal(received)
    content = plain(received)
    if _REFUSAL.search(content):
        return _is_altered(received)
    if check == "ajax" and received.status == 400 and content.strip() == b"0":
        return _blocker("ajax", "ajax_unknown", received)
    found = classify_intermediary(received)
    if found is not None:
        return found
    # A signed answer to an anonymous call can only come from a cache.
    if is_from_cache(received) or protocol.is_signed(received.headers):
        return _blocker("cache", "cached_answer", received)
    return _blocker(check, _other_name(received), received)


def classify_intermediary(received: RawResponse) -> Blocker | None:
    """Return what answers instead of WordPress, if the response shows it."""
    status = received.status
    if 300 <= status < 400:
        location = received.headers.get("Location", "")
        return _blocker("redirect", ErrorCode.redirected, received, location=location)
    if status == 401 and "WWW-Authenticate" in received.headers:
        realm = received.headers["WWW-Authenticate"]
        return _blocker("password", "password_asked", received, asks_for=realm)
    if _is_challenge(received):
        return _blocker("challenge", "challenged", received)
    if status == 429:
        wait = received.headers.get("Retry-After", "")
        return _blocker("challenge", "too_many", received, retry_after=wait)
    if status in (200, 404, 410) or status >= 500:
        return None
    return _blocker("challenge", ErrorCode.blocked, received)


def siteagent_code(received: RawResponse) -> str:
    """Return SiteAgent's refusal code for anonymous calls; empty for other answers."""
    if received.is_cut or received.is_encoded:
        return ""
    try:
        document = protocol.parse_json(received.body)
    except ProtocolError:
        return ""
    code = document.get("code")
    expected = {401: "unauthorized", 413: "too_large"}.get(received.status)
    is_ours = document.get("siteagent") == 1 and document.get("siteagent") is not True
    return code if is_ours and isinstance(code, str) and code == expected else ""


def is_from_cache(received: RawResponse) -> bool:
    """Whether the response says that it comes from a cache."""
    age = received.headers.get("Age", "0").strip()
    headers = [received.headers.get(name, "").lower() for name in _CACHE_HEADERS]
    return (age.isdecimal() and int(age[:9]) > 0) or any("hit" in text for text in headers)


def cache_words(received: RawResponse) -> str:
    """Return what caches on the way report about this answer, in their own words."""
    headers = {name: received.headers.get(name, "") for name in ("Age", *_CACHE_HEADERS)}
    return ", ".join(f"{name}: {text}" for name, text in headers.items() if text)


def plain(received: RawResponse, most: int = EXCERPT_BYTES) -> bytes:
    """Return the first bytes, decompressed within the same limit if possible."""
    if not received.is_encoded:
        return received.body[:most]
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(received.body, most)
    except zlib.error:
        return received.body[:most]


def seen(received: RawResponse, **more: object) -> dict[str, str | int]:
    """Return the parts of an answer that are worth showing, whatever it means."""
    facts = {
        "recognised_as": _product(received),
        "printed_by": _php_message(received),
        "cache": cache_words(received),
        **more,
    }
    return received.error(ErrorCode.blocked, **facts).evidence


def _blocker(check: str, finding: str, received: RawResponse, **more: object) -> Blocker:
    return Blocker(check, str(finding), seen(received, **more))


def _changed_refusal(received: RawResponse) -> Blocker | None:
    if is_from_cache(received):
        return _blocker("cache", "cached_answer", received)
    if received.headers.get("Content-Type") != protocol.CONTENT_TYPE:
        return _blocker("headers", "content_type_changed", received)
    return None


def _is_altered(received: RawResponse) -> Blocker:
    """Whether the response contains SiteAgent's answer and other text."""
    if received.is_encoded:
        encoding = received.headers["Content-Encoding"]
        return _blocker("body", ErrorCode.encoded_reply, received, encoding=encoding)
    # SiteAgent sends headers before its body; earlier output makes PHP send other headers.
    if received.status == 200 and received.media_type != protocol.CONTENT_TYPE:
        return _blocker("output", "output_before", received)
    return _blocker("body", "reply_changed", received)


def _other_name(received: RawResponse) -> ErrorCode | str:
    if received.status in (404, 410):
        return ErrorCode.not_found
    if received.status >= 500:
        return ErrorCode.server_error
    if received.is_html:
        return ErrorCode.web_page
    return ErrorCode.encoded_reply if received.is_encoded else ErrorCode.unsigned_reply


def _is_challenge(received: RawResponse) -> bool:
    if any(name in received.headers for name in _CHALLENGE_HEADERS):
        return True
    text = plain(received).decode("utf-8", "replace")
    if _CHALLENGE_PRODUCTS.search(text):
        return received.status != 404
    return received.status in _REFUSING and bool(_CHALLENGE_WORDS.search(text))


def _product(received: RawResponse) -> str:
    """Return the product that a page seems to come from; only for pages not from WordPress."""
    if received.status == 200:
        return ""
    text = plain(received).decode("utf-8", "replace") + received.headers.get("Server", "")
    for name, header, words in _PRODUCTS:
        if (header and header in received.headers) or re.search(words, text, re.IGNORECASE):
            return name
    return ""


def _php_message(received: RawResponse) -> str:
    """Return file and line of a PHP message in the response, as `plugins/shop/shop.php:12`."""
    found = _PHP_MESSAGE.search(plain(received)[:_LOOKED_AT_BYTES].decode("utf-8", "replace"))
    if found is None:
        return ""
    file = found["file"].replace("\\", "/")
    # The folders above wp-content are not shown.
    _, inside, rest = file.rpartition("wp-content/")
    return f"{rest if inside else file.rpartition('/')[2]}:{found['line']}"
