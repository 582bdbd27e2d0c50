"""Get what a server that is no site has at an address: guarded, bounded, in pieces.

The answers of sites are read by `site_client`, which also says what a site's own words mean.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import requests
import urllib3

from app.http import connection_errors, egress
from app.http.errors import CallError, ErrorCode
from app.http.ip_policy import Network

_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """How many bytes a body may have, and the time limits of the whole and of its parts."""

    max_bytes: int
    total_s: float
    between_bytes_s: float = 10.0


@dataclass(frozen=True)
class Answer:
    """The status and the headers that came; a redirect is an answer like any other."""

    status: int
    headers: Mapping[str, str]
    _response: requests.Response
    _limits: Limits
    _address: str

    def pieces(self) -> Iterator[bytes]:
        """Yield the body.

        Raises: CallError if it is compressed, too large, or not complete in time.
        """
        if self.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            raise CallError(ErrorCode.encoded_reply, {"status": self.status})
        size = 0
        while piece := self._next_piece():
            size += len(piece)
            if size > self._limits.max_bytes:
                raise CallError(ErrorCode.reply_too_large, {"limit": self._limits.max_bytes})
            yield piece

    def body(self) -> bytes:
        """Return the whole body. Raises: CallError as `pieces` does."""
        return b"".join(self.pieces())

    def _next_piece(self) -> bytes:
        try:
            return bytes(self._response.raw.read(_CHUNK_BYTES, decode_content=False))
        except (urllib3.exceptions.HTTPError, OSError) as why:
            raise connection_errors.broken_off(why, self._address) from why


@contextmanager
def fetch(
    url: str,
    *,
    headers: Mapping[str, str],
    limits: Limits,
    allow_nets: tuple[Network, ...] = (),
    ca_file: str | None = None,
    resolve: egress.Resolver = socket.getaddrinfo,
) -> Iterator[Answer]:
    """Request `url`, and keep the connection while the body is read.

    The headers, which may hold a key, go to that host alone: no redirect is followed.

    Raises: CallError.
    """
    bounds = egress.Limits(total_s=limits.total_s, between_bytes_s=limits.between_bytes_s)
    with egress.session(allow_nets, limits=bounds, ca_file=ca_file, resolve=resolve) as session:
        sent = {"Accept-Encoding": "identity", **headers}
        try:
            response = session.get(url, headers=sent, stream=True)
        except egress.EgressError as why:
            raise connection_errors.not_connected(why) from why
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as why:
            raise connection_errors.broken_off(why, session.guard.address) from why
        with response:
            address = session.guard.address
            yield Answer(response.status_code, response.headers, response, limits, address)
