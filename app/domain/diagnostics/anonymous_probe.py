"""Anonymous requests to SiteAgent, to test the connection without keys.

Before it looks at a key, SiteAgent answers 401 to a message within its limits and 413 to a larger
one (docs/PROTOCOL.md 1.1 step 1). That shows whether a header arrives, and whether a body keeps its
length.
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
from app.http.response import EXCERPT_BYTES
from app.http.site_client import ProbeResponse
from app.keys import KEY_BYTES

LookCall = Callable[..., ProbeResponse]

# With the signed call this stays within the time limit of a job.
TOTAL_TIMEOUT_S = 75.0
PROBE_TIMEOUT_S = 8.0
# More than SiteAgent accepts in a header, and less than any web server refuses.
_LONG_HEADER = "x" * (protocol.MAX_FIELD_BYTES + 100)
OUR_HEADERS = ("Signature-Input", "Signature", "Content-Digest")

# What became of something that was sent.
ARRIVES = "arrives"
LOST = "lost"
GROWS = "grows"
UNTOLD = "untold"


@dataclass
class AnonymousClient:
    """Send requests to a site's addresses within a total time limit, and count them."""

    look: LookCall
    allow_nets: tuple[Network, ...]
    server_login: str
    now: Callable[[], datetime]
    requests: int = 0
    _ends_at: float = field(default_factory=lambda: time.monotonic() + TOTAL_TIMEOUT_S)

    def get(self, url: str, max_bytes: int = EXCERPT_BYTES) -> ProbeResponse:
        return self._look(url, {"Accept": "*/*", "Accept-Encoding": "identity"}, b"", max_bytes)

    def send_call(
        self, url: str, *, padded_to: int = 0, instead: Mapping[str, str] | None = None
    ) -> ProbeResponse:
        """Send a request in the form of Aura's calls, with an unknown key.

        `instead` replaces some headers.
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
        # A body above the limit cannot be signed, and this signature is not verified anyway.
        body = request.body + b" " * max(0, padded_to - len(request.body))
        return self._look(url, headers, body, EXCERPT_BYTES)

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
    """Return for each signature header whether it reaches SiteAgent at `url`."""
    fates = {}
    for name in OUR_HEADERS:
        look = stranger.send_call(url, instead={name: _LONG_HEADER})
        fates[name] = _fate(look, arrived="too_large", lost="unauthorized", if_lost=LOST)
    return fates


def check_body_arrives(stranger: AnonymousClient, url: str) -> str:
    """Return whether a body reaches SiteAgent at `url` with its full length."""
    most = protocol.MAX_REQUEST_BYTES
    full = stranger.send_call(url, padded_to=most)
    fate = _fate(full, arrived="unauthorized", lost="too_large", if_lost=GROWS)
    if fate != ARRIVES:
        return fate
    over = stranger.send_call(url, padded_to=most + 1)
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
