"""Ask a registry about a domain (RFC 7480), or IANA where registries are: bounded, over https."""

from __future__ import annotations

import json
import socket
from typing import Any

import requests
import urllib3

from app.http import egress
from app.http.ip_policy import Network

DEADLINE_S = 8.0
MAX_BYTES = 1024 * 1024
_HEADERS = {
    "Accept": "application/rdap+json, application/json;q=0.9",
    "Accept-Encoding": "identity",
}
_CHUNK_BYTES = 64 * 1024
# What an answer other than 200 means. Any other one is a refusal.
_STATUS_CODES = {404: "not_registered", 429: "too_many_requests"}


class RegistryFailed(Exception):
    """No usable answer. `retry_after` is what a server that is asked too often said.

    `code` is 'unreachable', 'refused', 'not_registered', 'too_many_requests' or 'unreadable'.
    """

    def __init__(self, code: str, retry_after: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


def fetch_json(
    url: str,
    *,
    allow_nets: tuple[Network, ...] = (),
    deadline_s: float = DEADLINE_S,
    ca_file: str | None = None,
    resolve: egress.Resolver = socket.getaddrinfo,
) -> dict[str, Any]:
    """Return the JSON object at an https address; follow no redirect.

    Raises: RegistryFailed.
    """
    if not url.startswith("https://") or len(url) > egress.MAX_URL_CHARS:
        raise RegistryFailed("refused")
    limits = egress.Limits(total_s=deadline_s, between_bytes_s=deadline_s)
    with egress.session(allow_nets, limits=limits, ca_file=ca_file, resolve=resolve) as session:
        try:
            with session.get(url, headers=_HEADERS, stream=True) as response:
                _check(response)
                return _parsed(_body(response))
        except (
            egress.EgressError,
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
        ) as why:
            raise RegistryFailed("unreachable") from why


def _check(response: requests.Response) -> None:
    status = response.status_code
    if status >= 500:
        raise RegistryFailed("unreachable", response.headers.get("Retry-After", ""))
    if status != 200:
        code = _STATUS_CODES.get(status, "refused")
        raise RegistryFailed(code, response.headers.get("Retry-After", ""))
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise RegistryFailed("unreadable")


def _body(response: requests.Response) -> bytes:
    content = b""
    while chunk := response.raw.read(_CHUNK_BYTES, decode_content=False):
        content += chunk
        if len(content) > MAX_BYTES:
            raise RegistryFailed("unreadable")
    return content


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as why:
        raise RegistryFailed("unreadable") from why
    if not isinstance(document, dict):
        raise RegistryFailed("unreadable")
    return document
