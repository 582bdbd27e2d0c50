"""Answer an unsigned look at a site without a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.http.connection_trace import Trace
from app.http.errors import CallError
from app.http.response import RawResponse
from app.http.site_client import ProbeResponse

REFUSAL = (401, b'{"code":"unauthorized","siteagent":1}')


INDEX = (200, b'{"namespaces":["siteagent/v1"]}')


LIMITS = {"arrives": (413, b'{"code":"too_large","siteagent":1}')}


@dataclass
class Eyes:
    """The public responses of a healthy site, or an `error` for all of them."""

    error: CallError | None = None
    urls: list[str] = field(default_factory=list)
    then: Any = None

    def __call__(
        self, url: str, *, headers: dict[str, str], body: bytes, **_: object
    ) -> ProbeResponse:
        self.urls.append(url)
        if self.then is not None:
            self.then()
        if self.error is not None:
            return ProbeResponse(url, Trace(("192.0.2.9",), connect_ms=3), error=self.error)
        status, content = self._answer(url, headers, body)
        kind = {"Content-Type": "application/json"}
        received = RawResponse(status, kind, content, False, 1 << 20, "192.0.2.9", ())
        return ProbeResponse(url, Trace(("192.0.2.9",), connect_ms=3), received=received)

    def _answer(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if not body:
            return INDEX if "namespaces" in url else (200, b"<html>")
        is_beyond = len(body) > 65536 or max(map(len, headers.values())) > 4096
        return LIMITS["arrives"] if is_beyond else REFUSAL
