"""Ask WordPress.org what its directory says of a plugin or theme, bounded in size and time.

The answers are those of the plugins' and themes' information API, version 1.2. Nothing in one is
trusted: what is kept is limited in type, number and length. Sources: the plugin directory's
api/routes/class-plugin.php and the theme directory's class-themes-api.php of WordPress.org.
"""

from __future__ import annotations

import html
import re
import socket
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.http import egress
from app.http.errors import CallError, ErrorCode, evidence, printable
from app.http.fetch import Limits, fetch
from app.http.ip_policy import Network
from app.http.response import json_object

HOST = "api.wordpress.org"
KINDS = ("plugin", "theme")
DEADLINE_S = 20.0
# The long texts are not asked for. A server that sends them nevertheless is read up to here.
MAX_BYTES = 2 * 1024 * 1024
MAX_SLUG_CHARS = 200
MAX_VERSION_CHARS = 64
MAX_NAME_CHARS = 200
MAX_CONTRIBUTORS = 100
MAX_REASON_CHARS = 200
_HEADERS = {"Accept": "application/json"}
# What the answer need not have; the API calls these "fields".
_LEFT_OUT = (
    *("sections", "description", "short_description", "screenshots", "screenshot_url", "ratings"),
    *("versions", "banners", "icons", "tags", "reviews", "blocks", "block_assets", "parent"),
    *("language_packs", "donate_link", "photon_screenshots"),
)
_WANTED = ("contributors", "extended_author", "last_updated", "requires", "requires_php", "tested")
# Beyond ASCII, old slugs are percent-encoded letters of any script.
_SLUG = re.compile(r"[\w%][\w%.-]*")
_TAG = re.compile(r"<[^>]{0,1000}>")
_PROFILES = "profiles.wordpress.org"
_TIMES = ("%Y-%m-%d %I:%M%p GMT", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")


@dataclass(frozen=True)
class Listing:
    """A plugin or theme that is in the directory.

    `author` is the name in its own header, without markup. `owner` is the account that it belongs
    to, by the name in the address of its profile. `contributors` are accounts in alphabetical
    order. A text is empty if the directory does not know it, `last_updated` is None.
    """

    name: str
    version: str
    last_updated: datetime | None
    author: str
    owner: str
    contributors: tuple[str, ...]
    requires: str
    tested: str
    requires_php: str


@dataclass(frozen=True)
class Closed:
    """A plugin that the directory has closed: since when, and the reason in its own words."""

    closed_on: date | None
    reason: str


def is_slug(text: str) -> bool:
    """Whether a text can be the slug of a plugin or theme."""
    return len(text) <= MAX_SLUG_CHARS and _SLUG.fullmatch(text) is not None


def ask(
    kind: str,
    slug: str,
    *,
    deadline_s: float = DEADLINE_S,
    ca_file: str | None = None,
    allow_nets: tuple[Network, ...] = (),
    resolve: egress.Resolver = socket.getaddrinfo,
) -> Listing | Closed | None:
    """Return what the directory says of a plugin or theme; None if it has none of that slug.

    Only the slug is sent. Raises: CallError; ValueError for a kind or slug that cannot be.
    """
    if kind not in KINDS or not is_slug(slug):
        raise ValueError(f"{kind} {slug[:80]!r} cannot be in the directory")
    with fetch(
        _url(kind, slug),
        headers=_HEADERS,
        limits=Limits(MAX_BYTES, deadline_s),
        allow_nets=allow_nets,
        ca_file=ca_file,
        resolve=resolve,
    ) as answer:
        _require_answer(answer.status)
        body = answer.body()
    return read_answer(body, slug, is_found=answer.status == 200)


def read_answer(body: bytes, slug: str, *, is_found: bool) -> Listing | Closed | None:
    """Return what a body says of this plugin or theme. Raises: CallError if it says nothing."""
    try:
        document = json_object(body)
    except ValueError as why:
        raise _malformed("it is not a JSON object") from why
    if not is_found:
        # The theme directory answers with an error alone; both use the status 404.
        error = document.get("error")
        if not isinstance(error, str) or not error:
            raise _malformed("it says 404 without the error of the API")
        return _closed(document, slug) if error == "closed" else None
    _require_same_slug(document, slug)
    version = _text(document, "version", MAX_VERSION_CHARS)
    if not version:
        raise _malformed("it names no version")
    author, owner = _author_and_owner(document)
    return Listing(
        name=_plain(_text(document, "name", MAX_NAME_CHARS)) or slug,
        version=version,
        last_updated=_time(document),
        author=author,
        owner=owner,
        contributors=_contributors(document),
        requires=_text(document, "requires", MAX_VERSION_CHARS),
        tested=_text(document, "tested", MAX_VERSION_CHARS),
        requires_php=_text(document, "requires_php", MAX_VERSION_CHARS),
    )


def _url(kind: str, slug: str) -> str:
    fields = {**dict.fromkeys(_WANTED, "1"), **dict.fromkeys(_LEFT_OUT, "0")}
    query = {
        "action": f"{kind}_information",
        "request[slug]": slug,
        **{f"request[fields][{name}]": value for name, value in fields.items()},
    }
    return f"https://{HOST}/{kind}s/info/1.2/?{urlencode(query, quote_via=quote)}"


def _require_answer(status: int) -> None:
    """Raise CallError for a status that is none of the API's, which are 200 and 404."""
    if status not in (200, 404):
        code = ErrorCode.server_error if status >= 500 else ErrorCode.blocked
        if 300 <= status < 400:
            code = ErrorCode.redirected
        raise CallError(code, {"status": status})


def _require_same_slug(document: dict[str, Any], slug: str) -> None:
    found = document.get("slug")
    if not isinstance(found, str) or found.casefold() != slug.casefold():
        raise _malformed("it is about another slug")


def _closed(document: dict[str, Any], slug: str) -> Closed:
    _require_same_slug(document, slug)
    reason = _text(document, "reason_text", MAX_REASON_CHARS)
    try:
        closed_on = date.fromisoformat(_text(document, "closed_date", 10))
    except ValueError:
        closed_on = None
    return Closed(closed_on, reason or _text(document, "reason", MAX_REASON_CHARS))


def _author_and_owner(document: dict[str, Any]) -> tuple[str, str]:
    """Return the name of the author and the account that owns it.

    Of a theme, `author` is an object with both, or the account alone.
    """
    author = document.get("author")
    if isinstance(author, dict):
        owner = _account(author.get("user_nicename") or author.get("profile"))
        name = _text(author, "display_name", MAX_NAME_CHARS) or owner
        return _plain(_text(author, "author", MAX_NAME_CHARS)) or name, owner
    name = _plain(_text(document, "author", 10 * MAX_NAME_CHARS))[:MAX_NAME_CHARS]
    return name, _account(document.get("author_profile"))


def _account(value: object) -> str:
    """Return an account from its name or the address of its profile; empty for False or None."""
    if value is None or value is False:
        return ""
    if not isinstance(value, str) or len(value) > 500:
        raise _malformed("the owner is no account")
    try:
        parts = urlsplit(value.strip())
        is_profile = (parts.hostname or "").casefold() == _PROFILES
    except ValueError as why:
        raise _malformed("the owner is no account") from why
    name = parts.path.strip("/") if is_profile else value.strip()
    return printable(name).casefold()[:MAX_NAME_CHARS]


def _contributors(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the accounts in order. PHP writes an empty object as a list."""
    found = document.get("contributors") or {}
    if not isinstance(found, dict | list) or len(found) > MAX_CONTRIBUTORS:
        raise _malformed("the contributors are no list of accounts")
    names = {_account(name) for name in found}
    return tuple(sorted(names - {""}))


def _text(document: dict[str, Any], name: str, most: int) -> str:
    """Return a text in one line; empty for what is absent, null or false, as the API writes it."""
    value = document.get(name)
    if value is None or value is False:
        return ""
    if not isinstance(value, str):
        raise _malformed(f"{name} is no text")
    if len(value) > 50 * most:
        raise _malformed(f"{name} is too long")
    return printable(value)[:most]


def _plain(text: str) -> str:
    """Return a text without markup, as a browser would show it."""
    return printable(html.unescape(_TAG.sub("", text)))


def _time(document: dict[str, Any]) -> datetime | None:
    """Return when the newest release was published, in UTC. A theme has both fields."""
    for name in ("last_updated_time", "last_updated"):
        text = _text(document, name, 40)
        for form in _TIMES:
            try:
                return datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
    return None


def _malformed(detail: str) -> CallError:
    return CallError(ErrorCode.malformed_reply, evidence({"detail": detail}))
