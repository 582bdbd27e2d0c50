"""The front pages of a made-up internet: what each site answers, and whether Aura has a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from app.config import Config
from app.domain.uptime import rounds
from app.http.errors import CallError, ErrorCode
from app.http.front_page import FrontPage
from app.http.response import RawResponse
from app.models.uptime import SiteWatch
from tests.support.fakes import Clock

PAGE = b"<!doctype html><html><body>Fresh bread</body></html>"


@dataclass
class FrontPages:
    """Responses in place of the network. A site that is not mentioned is up.

    `answers` maps the address of a site to a FrontPage, or to a function of the time that returns
    one or None. `servers` says where a site is hosted; otherwise each has a server of its own.
    """

    clock: Clock
    answers: dict[str, FrontPage | Callable[[datetime], FrontPage | None]] = field(
        default_factory=dict
    )
    servers: dict[str, str] = field(default_factory=dict)
    has_network: bool = True
    certificate_ends_at: datetime | None = None
    asked: list[str] = field(default_factory=list)

    def fetch(self, url: str, **_options: Any) -> FrontPage:
        self.asked.append(url)
        if not self.has_network:
            return self._at(url, failing(ErrorCode.connect_timeout))
        found = self.answers.get(url)
        if callable(found):
            found = found(self.clock())
        return self._at(url, found or page())

    def _at(self, url: str, found: FrontPage) -> FrontPage:
        server = self.servers.get(url, urlsplit(url).hostname or "")
        ends_at = found.certificate_ends_at or self.certificate_ends_at
        return FrontPage(**{**vars(found), "server": server, "certificate_ends_at": ends_at})


def page(
    status: int = 200, body: bytes = PAGE, ms: int = 420, elsewhere: str = "", **headers: str
) -> FrontPage:
    """Return a page with this response."""
    fields = {"Content-Type": "text/html", **{k.replace("_", "-"): v for k, v in headers.items()}}
    received = RawResponse(status, fields, body, False, len(body), "203.0.113.1", ())
    return FrontPage(received, None, ms, ms // 2, "", elsewhere)


def failing(code: ErrorCode = ErrorCode.connection_refused) -> FrontPage:
    """Return a request without a response."""
    return FrontPage(None, CallError(code, {}), 80, 0, "")


def play(
    pages: FrontPages, config: Config, until: datetime, *, each_round: Callable[[], object] = int
) -> None:
    """Run the schedule and its jobs to this time, every 15 seconds while checks are due."""
    clock = pages.clock
    while True:
        soonest = (
            SiteWatch.select(SiteWatch.next_check_at)
            .where(SiteWatch.every_minutes > 0)
            .order_by(SiteWatch.next_check_at)
            .first()
        )
        if soonest is None or soonest.next_check_at > until:
            clock.now = until
            return
        clock.now = max(clock.now, soonest.next_check_at)
        rounds.run_round(SiteWatch.due(clock(), 1000), config=config, fetch=pages.fetch, now=clock)
        each_round()
