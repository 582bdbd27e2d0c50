"""Download a large file from a server that Aura itself names: streamed, bounded, no redirects."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from app.http import egress
from app.http.errors import CallError
from app.http.fetch import Answer, Limits, fetch
from app.http.ip_policy import Network

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
    try:
        with fetch(
            url, headers=headers, limits=limits, allow_nets=allow_nets, resolve=resolve
        ) as answer:
            if answer.status == 304 and "If-None-Match" in headers:
                return None
            _require_ok(answer.status)
            _write(answer, path)
            return answer.headers.get("ETag", "")[:_MAX_ETAG_CHARS]
    except CallError as why:
        raise DownloadFailed(why.error_code.value, _detail(why.evidence)) from why


def _require_ok(status: int) -> None:
    if status == 200:
        return
    code = _STATUS_CODES.get(status, "refused")
    if 300 <= status < 400:
        code = "redirected"
    elif status >= 500:
        code = "server_error"
    raise DownloadFailed(code, f"HTTP {status}")


def _write(answer: Answer, path: Path) -> None:
    """Write the body to a file that only this user can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in answer.pieces():
            file.write(piece)


def _detail(evidence: Mapping[str, str | int]) -> str:
    facts = (str(evidence[name]) for name in ("host", "address", "detail") if name in evidence)
    return ", ".join(facts)
