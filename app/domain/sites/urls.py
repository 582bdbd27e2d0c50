"""Normalize and compare the addresses of sites."""

from __future__ import annotations

import ipaddress
import re
from unicodedata import name
from urllib.parse import quote, urlsplit

import idna

from app.domain.errors import Invalid

# The address with the longest endpoint path must fit into the protocol's limit.
MAX_URL_CHARS = 1900

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ADMIN_PAGE = re.compile(r"/(wp-admin(/.*)?|wp-login\.php)$")
_NUMERIC_LABEL = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)


def normalize_url(text: str) -> str:
    """Return the canonical address of a site: no trailing slash, host in ASCII.

    https is assumed without a scheme, and the address of a wp-admin page means its site.

    Raises: Invalid('url', …) with the reason.
    """
    text = text.strip()
    if not text:
        raise Invalid("url", "Enter the site's address, for example https://example.com.")
    # Check before urlsplit, which normalizes host names and is slow for long ones.
    if len(text) > MAX_URL_CHARS:
        raise _url_too_long()
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise Invalid("url", "Remove spaces, backslashes and control characters from the address.")
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as why:
        raise Invalid("url", "This is not a valid address. Check the host and the port.") from why
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise Invalid("url", "The address must start with https:// or http://.")
    if "@" in parts.netloc:
        raise Invalid("url", "Remove the user name and password from the address.")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise Invalid("url", "Remove everything from ? or # on.")
    if port == 0:
        raise Invalid("url", "Port 0 is not valid.")
    suffix = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
    url = f"{scheme}://{_host(parts.hostname or '')}{suffix}{_path(parts.path)}"
    if len(url) > MAX_URL_CHARS:
        raise _url_too_long()
    return url


def _url_too_long() -> Invalid:
    return Invalid("url", f"The address is longer than {MAX_URL_CHARS} characters.")


def _host(host: str) -> str:
    """Return the ASCII host name or IP address in lower case."""
    if ":" in host:
        if "%" in host:
            raise Invalid("url", "Remove the network zone from the address.")
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError as why:
            raise Invalid("url", "The address in brackets is not a valid IPv6 address.") from why
    try:
        name = idna.encode(host.rstrip("."), uts46=True).decode("ascii").lower()
    except idna.IDNAError as why:
        raise Invalid("url", "The host in this address is not a valid name.") from why
    # Check after IDNA, which turns ① and similar characters into digits. 2130706433, 0x7f.1
    # and 127.1 are old forms of 127.0.0.1.
    if not _NUMERIC_LABEL.fullmatch(name.rpartition(".")[2]):
        return name
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError as why:
        raise Invalid("url", "The host is neither a valid name nor an IPv4 address.") from why


def _path(path: str) -> str:
    if any(part in (".", "..") for part in path.split("/")):
        raise Invalid("url", "Remove . and .. from the path.")
    path = _ADMIN_PAGE.sub("", path.rstrip("/"))
    return quote(path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")


def short_address(url: str) -> str:
    """Return an address for narrow columns: `bäckerei.example/blog`.

    `http://` stays, because it is another site or a warning.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return url  # a site may name anything as its address
    short = url.removeprefix("https://")
    readable = ".".join(_readable_label(label) for label in host.split("."))
    return short.replace(host, readable, 1) if host else short


def _readable_label(label: str) -> str:
    """Decode a part of a host name that IDNA encoded, if all its letters are Latin.

    Letters of other alphabets can look like Latin ones and would hide which site it is.
    """
    if not label.startswith("xn--"):
        return label
    try:
        text = idna.decode(label)
    except idna.IDNAError:
        return label
    kinds = ("LATIN", "DIGIT", "HYPHEN")
    return text if all(name(char, "").startswith(kinds) for char in text) else label


def same_home(one: str, other: str) -> bool:
    """Whether two addresses are the same site.

    Same host, port and path, ignoring scheme and `www.`.

    False for an invalid address: `other` may come from a site.
    """
    try:
        return _home_key(one) == _home_key(other)
    except Invalid:
        return False


def _home_key(url: str) -> tuple[str, str]:
    parts = urlsplit(normalize_url(url))
    return parts.netloc.removeprefix("www."), parts.path
