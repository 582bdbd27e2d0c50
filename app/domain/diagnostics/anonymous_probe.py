"""Probe the way to SiteAgent with anonymous requests, without a key.

SiteAgent distinguishes two kinds of anonymous requests before it looks at any key: a message within
its limits (401) and one beyond them (413), docs/PROTOCOL.md 1.1 step 1. That shows whether a header
arrives at all, and whether a body keeps its length.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app import protocol
from app.domain.diagnostics import responses
from app.http.connection_trace import Trace
from app.http.errors import CallError, ErrorCode
from app.http.ip_policy import Network
from app.http.response import PEEK_BYTES
from app.http.site_client import ProbeResponse
from app.keys import KEY_BYTES

LookCall = Callable[..., ProbeResponse]

# Together with the signed call well within a job's time.
TOTAL_TIMEOUT_S = 75.0
PROBE_TIMEOUT_S = 8.0
# More than SiteAgent reads of a header, less than any web server refuses.
_LONG_HEADER = "x" * (protocol.MAX_FIELD_BYTES + 100)
OUR_HEADERS = ("Signature-Input", "Signature", "Content-Digest")

# What became of something that was sent.
ARRIVES = "arrives"
LOST = "lost"
GROWS = "grows"
UNTOLD = "untold"


@dataclass
class AnonymousClient:
    """Looks at addresses of one site, within one time for all of them; counts the requests."""

    look: LookCall
    allow_nets: tuple[Network, ...]
    server_login: str
    now: Callable[[], datetime]
    requests: int = 0
    _ends_at: float = field(default_factory=lambda: time.monotonic() + TOTAL_TIMEOUT_S)

    def get(self, url: str, max_bytes: int = PEEK_BYTES) -> ProbeResponse:
        return self._look(url, {"Accept": "*/*", "Accept-Encoding": "identity"}, b"", max_bytes)

    def knock(
        self, url: str, *, padded_to: int = 0, instead: Mapping[str, str] | None = None
    ) -> ProbeResponse:
        """Post a request that looks like Aura's call, under an unknown key.

        Some headers are replaced by those in `instead`.
        """
        request = protocol.sign_request(
            url,
            _body(padded_to),
            key=secrets.token_bytes(KEY_BYTES),
            keyid=f"{protocol.new_nonce()}.1",
            created=int(self.now().timestamp()),
            nonce=protocol.new_nonce(),
        )
        headers = {**request.headers, **(instead or {})}
        # One byte beyond the limit cannot be signed; a stranger's signature says nothing anyway.
        body = request.body + b" " * max(0, padded_to - len(request.body))
        return self._look(url, headers, body, PEEK_BYTES)

    def _look(
        self, url: str, headers: dict[str, str], body: bytes, max_bytes: int
    ) -> ProbeResponse:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            return ProbeResponse(
                url, Trace(), error=CallError(ErrorCode.too_slow, {"detail": "out of time"})
            )
        self.requests += 1
        return self.look(
            url,
            headers=headers,
            body=body,
            allow_nets=self.allow_nets,
            server_login=self.server_login,
            max_bytes=max_bytes,
            deadline_s=min(PROBE_TIMEOUT_S, left),
        )


def check_headers_arrive(stranger: AnonymousClient, url: str) -> dict[str, str]:
    """For each header of a signed call, whether it reaches SiteAgent at `url`."""
    fates = {}
    for name in OUR_HEADERS:
        look = stranger.knock(url, instead={name: _LONG_HEADER})
        fates[name] = _fate(look, arrived="too_large", lost="unauthorized", if_lost=LOST)
    return fates


def check_body_arrives(stranger: AnonymousClient, url: str) -> str:
    """Whether a body reaches SiteAgent at `url` at the length it was sent with."""
    most = protocol.MAX_REQUEST_BYTES
    full = stranger.knock(url, padded_to=most)
    fate = _fate(full, arrived="unauthorized", lost="too_large", if_lost=GROWS)
    if fate != ARRIVES:
        return fate
    over = stranger.knock(url, padded_to=most + 1)
    return _fate(over, arrived="too_large", lost="unauthorized", if_lost=LOST)


def _fate(look: ProbeResponse, *, arrived: str, lost: str, if_lost: str) -> str:
    code = responses.siteagent_code(look.received) if look.received else ""
    return {arrived: ARRIVES, lost: if_lost}.get(code, UNTOLD)


def _body(size: int) -> bytes:
    """Return an anonymous `ping`, as large as may be signed if `size` is at the limit or beyond."""
    document = {"v": protocol.VERSION, "op": "ping", "by": "Aura"}
    least = len(protocol.canonical({**document, "pad": ""}))
    wanted = min(size, protocol.MAX_REQUEST_BYTES)
    if wanted <= least:
        return protocol.canonical(document)
    return protocol.canonical({**document, "pad": "x" * (wanted - least)})
