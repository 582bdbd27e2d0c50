"""Download a package from WordPress.org, bounded in size and time."""

from __future__ import annotations

import hashlib
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from app.http import egress
from app.http.errors import CallError, ErrorCode, evidence
from app.http.fetch import Answer, Limits, fetch
from app.http.ip_policy import Network
from app.package_tree import MAX_BYTES

HOST = "downloads.wordpress.org"
DEADLINE_S = 120.0
_SHORTEST_S = 0.05
_MAX_REDIRECTS = 3
# What a site may name: one file in the folder with the packages of a kind.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}"
_PATHS = {
    "plugin": re.compile(r"/plugin/[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.zip"),
    "theme": re.compile(r"/theme/[A-Za-z0-9][A-Za-z0-9._-]{0,200}\.zip"),
    "core": re.compile(rf"/release/(?:[A-Za-z][A-Za-z0-9_]{{1,30}}/)?wordpress-{_NAME}\.zip"),
    "translation": re.compile(
        rf"/translation/(?:core|plugin/{_NAME}|theme/{_NAME})/{_NAME}/{_NAME}\.zip"
    ),
}
_HEADERS = {"Accept": "application/zip,application/octet-stream"}
_STATUSES = {404: ErrorCode.not_found, 410: ErrorCode.not_found}


@dataclass(frozen=True)
class Download:
    """A complete file, its SHA-256 and its size."""

    file: Path
    sha256: str
    size: int


def is_package_path(path: str, kind: str) -> bool:
    """Whether a path on WordPress.org is a package of this kind."""
    return kind in _PATHS and _PATHS[kind].fullmatch(path) is not None


def download(
    path: str,
    target: Path,
    *,
    deadline_s: float = DEADLINE_S,
    ca_file: str | None = None,
    allow_nets: tuple[Network, ...] = (),
    resolve: egress.Resolver = socket.getaddrinfo,
) -> Download:
    """Write the package at `path` into the file `target`; only https, and only this host.

    Raises: CallError; `target` may then hold a part of it.
    """
    ends_at = time.monotonic() + deadline_s
    url = f"https://{HOST}{path}"
    for _ in range(_MAX_REDIRECTS + 1):
        left = max(ends_at - time.monotonic(), _SHORTEST_S)
        with fetch(
            url,
            headers=_HEADERS,
            limits=Limits(MAX_BYTES, left),
            allow_nets=allow_nets,
            ca_file=ca_file,
            resolve=resolve,
        ) as answer:
            if not 300 <= answer.status < 400:
                return _save(answer, target)
            url = _next(url, answer.headers.get("Location", ""))
    raise CallError(ErrorCode.redirected, {"detail": "it redirects without end"})


def _next(url: str, location: str) -> str:
    """Return where a redirect leads. Raises: CallError if it leaves https or the host."""
    try:
        target = urljoin(url, location.strip())
        parts = urlsplit(target)
        is_same = (parts.scheme, parts.netloc.lower()) == ("https", HOST)
    except ValueError:
        is_same = False
    if not is_same or not location.strip():
        raise CallError(ErrorCode.redirected, evidence({"location": location[:200]}))
    return target


def _save(answer: Answer, target: Path) -> Download:
    if answer.status != 200:
        code = ErrorCode.server_error if answer.status >= 500 else ErrorCode.blocked
        raise CallError(_STATUSES.get(answer.status, code), {"status": answer.status})
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        for piece in answer.pieces():
            size += len(piece)
            digest.update(piece)
            file.write(piece)
    return Download(target, digest.hexdigest(), size)
