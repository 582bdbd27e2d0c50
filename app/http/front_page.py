"""Request a page of a site as a visitor does, follow its own redirects, and measure the time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from app.http import egress, site_client
from app.http.errors import CallError
from app.http.ip_policy import Network
from app.http.response import RawResponse
from app.http.site_client import ProbeResponse

DEADLINE_S = 10.0
# Enough for the head of a page. A phrase may be further below.
FEW_BYTES = 64 * 1024
MANY_BYTES = 1024 * 1024
# Half of what browsers follow, within the time limit of the page.
_MOST_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"Accept": "text/html,*/*;q=0.1", "Accept-Encoding": "identity"}

ProbeCall = Callable[..., ProbeResponse]


@dataclass(frozen=True)
class FrontPage:
    """What came back: a response or an error.

    `first_byte_ms` and `ms` are the times until the headers and the end of the last answer came,
    from the first request on. `elsewhere` is the host of a redirect that was not followed. `server`
    is an address of the host, or its name if that is not known. `certificate_ends_at` is None over
    http and if there was no certificate.
    """

    received: RawResponse | None
    error: CallError | None
    ms: int
    first_byte_ms: int
    server: str
    elsewhere: str = ""
    certificate_ends_at: datetime | None = None


def fetch_front_page(url: str, **options: Any) -> FrontPage:
    """Request the front page at `url`; the options are those of `fetch_page`."""
    return fetch_page(f"{url}/", **options)


def fetch_page(
    page_address: str,
    *,
    allow_nets: tuple[Network, ...],
    server_login: str = "",
    max_bytes: int = FEW_BYTES,
    deadline_s: float = DEADLINE_S,
    headers: Mapping[str, str] = _HEADERS,
    ca_file: str | None = None,
    resolve: egress.Resolver = socket.getaddrinfo,
    probe: ProbeCall = site_client.probe,
) -> FrontPage:
    """Request one page, each time on a new connection; raise nothing.

    A redirect is followed to the same host only: with or without `www.`, and from http to https.
    The password of the web server goes to the page's own host alone, and only with TLS if it had
    it.
    """
    began, address = time.monotonic(), page_address
    for _ in range(_MOST_REDIRECTS + 1):
        asked = time.monotonic()
        seen = probe(
            address,
            headers=headers,
            allow_nets=allow_nets,
            server_login=server_login if _is_same_origin(page_address, address) else "",
            max_bytes=max_bytes,
            deadline_s=max(deadline_s - (asked - began), 0.05),
            ca_file=ca_file,
            resolve=resolve,
        )
        target = _redirect_target(address, seen.received)
        leaves = bool(target) and not is_same_site(address, target)
        if not target or leaves:
            break
        address = target
    ended = time.monotonic()
    waited_ms = seen.trace.first_byte_ms
    return FrontPage(
        received=seen.received,
        error=seen.error,
        ms=round((ended - began) * 1000),
        first_byte_ms=round((asked - began) * 1000) + (waited_ms or 0),
        server=next(iter(seen.trace.addresses), "") or (urlsplit(address).hostname or ""),
        elsewhere=(urlsplit(target).hostname or "?") if leaves else "",
        certificate_ends_at=_certificate_end(seen),
    )


def is_same_site(address: str, target: str) -> bool:
    """Whether a redirect stays on the host, and does not leave https."""
    try:
        one, other = urlsplit(address), urlsplit(target)
        ports = (one.port, other.port)
    except ValueError:
        return False
    if _bare(one.hostname) != _bare(other.hostname) or not _bare(other.hostname):
        return False
    if (one.scheme, other.scheme) == ("http", "https"):
        return True
    return one.scheme == other.scheme and ports[0] == ports[1]


def _bare(host: str | None) -> str:
    return (host or "").removeprefix("www.")


def _is_same_origin(url: str, address: str) -> bool:
    one, other = urlsplit(url), urlsplit(address)
    return (one.scheme, one.netloc) == (other.scheme, other.netloc)


def _redirect_target(address: str, received: RawResponse | None) -> str:
    """Return the address that an answer redirects to, empty if it does not."""
    if received is None or received.status not in _REDIRECTS:
        return ""
    location = received.headers.get("Location", "").strip()
    if not location or len(location) > egress.MAX_URL_CHARS:
        return ""
    try:
        return urljoin(address, location)
    except ValueError:
        return ""


def _certificate_end(seen: ProbeResponse) -> datetime | None:
    """Return when the certificate ends: of the connection, or of the one that was refused."""
    if seen.trace.certificate is not None:
        return _moment(seen.trace.certificate.not_after)
    facts: Mapping[str, object] = seen.error.evidence if seen.error else {}
    return _moment(str(facts.get("not_after", "")))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
