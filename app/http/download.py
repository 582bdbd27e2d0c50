"""Download a large file from a server that Aura itself names: streamed, bounded, no redirects."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3

from app.http import connection_errors, egress
from app.http.connection_errors import not_connected
from app.http.ip_policy import Network

_CHUNK_BYTES = 64 * 1024
_MAX_ETAG_CHARS = 200
# What an answer other than 200 means, if it means anything in particular.
_STATUS_CODES = {
    401: "key_refused",
    403: "key_refused",
    404: "not_found",
    410: "not_found",
    429: "too_many_requests",
}


class DownloadFailed(Exception):
    """No complete file came. `code` is the reason, `detail` the fact behind it, without secrets."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class Limits:
    """How many bytes may come, within how many seconds."""

    max_bytes: int
    total_s: float
    between_bytes_s: float = 30.0


def download(
    url: str,
    path: Path,
    *,
    headers: Mapping[str, str],
    limits: Limits,
    allow_nets: tuple[Network, ...] = (),
    resolve: egress.Resolver = socket.getaddrinfo,
) -> str | None:
    """Write what is at `url` to `path`; return its ETag, which may be empty.

    Return None if the server answers that nothing has changed (RFC 9110, 304). The headers, which
    may hold a key, go to that host alone.

    Raises: DownloadFailed.
    """
    bounds = egress.Limits(total_s=limits.total_s, between_bytes_s=limits.between_bytes_s)
    with egress.session(allow_nets, limits=bounds, resolve=resolve) as session:
        try:
            sent = {"Accept-Encoding": "identity", **headers}
            with session.request("GET", url, headers=sent, stream=True) as response:
                if response.status_code == 304 and "If-None-Match" in sent:
                    return None
                _check(response)
                _write(response, path, limits.max_bytes)
                return str(response.headers.get("ETag", ""))[:_MAX_ETAG_CHARS]
        except egress.EgressError as why:
            error = not_connected(why)
            raise DownloadFailed(error.error_code.value, _detail(error.evidence)) from why
        except (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError) as why:
            error = connection_errors.broken_off(why, session.guard.address)
            raise DownloadFailed(error.error_code.value, _detail(error.evidence)) from why


def _check(response: requests.Response) -> None:
    status = response.status_code
    if 300 <= status < 400:
        raise DownloadFailed("redirected", f"HTTP {status}")
    if status >= 500:
        raise DownloadFailed("server_error", f"HTTP {status}")
    if status != 200:
        raise DownloadFailed(_STATUS_CODES.get(status, "refused"), f"HTTP {status}")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding != "identity":
        raise DownloadFailed("encoded_reply", "the answer is compressed")


def _write(response: requests.Response, path: Path, max_bytes: int) -> None:
    """Write the body to a file that only this user can read; raise DownloadFailed if it is cut."""
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            if size > max_bytes:
                raise DownloadFailed("too_large", f"more than {max_bytes} bytes")
            file.write(chunk)
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and len(length) < 20 and int(length) != size:
        raise DownloadFailed("broken_off", f"{size} of {length} bytes came")


def _detail(evidence: Mapping[str, str | int]) -> str:
    facts = (str(evidence[name]) for name in ("host", "address", "detail") if name in evidence)
    return ", ".join(facts)
