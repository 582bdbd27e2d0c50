"""Ask a registry about a domain (RFC 7480), or IANA where registries are: bounded, over https."""

from __future__ import annotations

import socket
from typing import Any

from app.http import egress
from app.http.errors import CallError, ErrorCode
from app.http.fetch import Answer, Limits, fetch
from app.http.ip_policy import Network
from app.http.response import json_object

DEADLINE_S = 8.0
MAX_BYTES = 1024 * 1024
_HEADERS = {"Accept": "application/rdap+json, application/json;q=0.9"}
# What an answer other than 200 means. Any other one is a refusal.
_STATUS_CODES = {404: "not_registered", 429: "too_many_requests"}
_UNREADABLE = (ErrorCode.encoded_reply, ErrorCode.reply_too_large)


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
    try:
        with fetch(
            url,
            headers=_HEADERS,
            limits=Limits(MAX_BYTES, deadline_s),
            allow_nets=allow_nets,
            ca_file=ca_file,
            resolve=resolve,
        ) as answer:
            _check(answer)
            body = answer.body()
    except CallError as why:
        code = "unreadable" if why.error_code in _UNREADABLE else "unreachable"
        raise RegistryFailed(code) from why
    try:
        return json_object(body)
    except ValueError as why:
        raise RegistryFailed("unreadable") from why


def _check(answer: Answer) -> None:
    if answer.status == 200:
        return
    code = _STATUS_CODES.get(answer.status, "refused")
    if answer.status >= 500:
        code = "unreachable"
    raise RegistryFailed(code, answer.headers.get("Retry-After", ""))
