"""Look at the pages of a site as a visitor does, without a cookie, several at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from app import queue
from app.config import Config
from app.domain.connection import calls
from app.domain.diagnostics import responses
from app.domain.page_checks import (
    addresses,
    browser_looks,
    comparison,
    settings,
    structure,
    suggestions,
)
from app.domain.page_checks.browser_looks import Browse
from app.domain.page_checks.comparison import Look, Requirements
from app.http import front_page, site_client
from app.http.front_page import FrontPage
from app.http.response import RawResponse
from app.http.site_client import ProbeResponse
from app.models.base import transaction, utcnow
from app.models.site_pages import PageRound, SitePage
from app.models.sites import Site

LookCall = Callable[..., ProbeResponse]

# Larger pages cannot be judged: a part of them shows nothing about the rest.
MAX_BYTES = 512 * 1024
# Two looks at all pages, and one at their scripts, end within this time.
BUDGET_S = 25.0
# After this time, the job of a look is lost or its worker is dead.
LOST_AFTER = timedelta(minutes=5)
# A look that has not ended by then may be what ends its workers. A person can ask again.
GIVE_UP_AFTER = timedelta(hours=1)
# Answers of a page, and of a person who looks: SitePage.result["answer"].
MET = "met"
UNMET = "unmet"

_PAGE_TIMEOUT_S = 8.0
_AT_ONCE = 4
_MOST_ASSETS = 60
_ASSET_BYTES = 512
_HEADERS = {
    "Accept": "text/html,application/json;q=0.9,*/*;q=0.1",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
}
# What a server in front of WordPress answers while it is overloaded or restarts.
_FOR_A_MOMENT = (502, 503, 504)


@dataclass(frozen=True)
class PageToCheck:
    """One page to look at: its path, and what must be on it."""

    path: str
    required: Requirements


class Visitor:
    """Requests pages of one site until its time is over."""

    def __init__(self, site: Site, config: Config, probe: LookCall, budget_s: float) -> None:
        self._site = site
        self._ends = time.monotonic() + budget_s
        self._options: dict[str, Any] = {
            "allow_nets": config.allow_nets,
            "server_login": calls.visitor_login(site, config),
            "headers": _HEADERS,
            "probe": probe,
        }

    def fetch(self, address: str, max_bytes: int) -> FrontPage | None:
        """Request one address; None if no time is left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            return None
        deadline_s = min(left, _PAGE_TIMEOUT_S)
        return front_page.fetch_page(
            address, max_bytes=max_bytes, deadline_s=deadline_s, **self._options
        )

    def look(self, page: PageToCheck) -> Look:
        address = addresses.address_of(page.path, self._site.url)
        return read_look(self.fetch(address, MAX_BYTES), address, page.required)

    def is_asset_broken(self, address: str) -> bool | None:
        """Whether a script or stylesheet is not there; None if that is unknown."""
        page = self.fetch(address, _ASSET_BYTES)
        if page is None or page.received is None or page.elsewhere:
            return None
        status = page.received.status
        return status in (404, 410) or (status == 200 and _is_page(page.received))


def look_twice(
    site: Site,
    pages: Sequence[PageToCheck],
    *,
    config: Config,
    probe: LookCall = site_client.probe,
    budget_s: float = BUDGET_S,
) -> dict[str, tuple[Look, Look]]:
    """Look at each page twice, and once at their scripts and stylesheets; by path.

    Raises nothing that a site can cause.
    """
    if not pages:
        return {}
    visitor = Visitor(site, config, probe, budget_s)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        first = list(pool.map(visitor.look, pages))
        second = list(pool.map(visitor.look, pages))
        assets = _assets(first)
        broken = {
            asset
            for asset, is_broken in zip(
                assets, pool.map(visitor.is_asset_broken, assets), strict=True
            )
            if is_broken
        }
    return {
        page.path: (_with_assets(one, broken), _with_assets(other, broken))
        for page, one, other in zip(pages, first, second, strict=True)
    }


def read_look(page: FrontPage | None, address: str, required: Requirements) -> Look:
    """Return what one answer shows, or why it shows nothing."""
    if page is None:
        return Look(None, why="no_time")
    if page.received is None:
        return Look(None, why=str(page.error.error_code) if page.error else "broken_off")
    if page.elsewhere:
        return Look(None, why="elsewhere")
    why = _why_unreadable(page.received, required)
    if why:
        return Look(None, why=why)
    try:
        document = structure.Document.parse(page.received, address)
    except structure.TooComplex:
        return Look(None, why="too_complex")
    unmet = comparison.unmet_requirements(document, required)
    return Look(structure.read_structure(document), unmet)


def look_now(
    site_id: int,
    *,
    config: Config,
    probe: LookCall = site_client.probe,
    now: Callable[[], datetime] = utcnow,
    browse: Browse = browser_looks.browse,
) -> str:
    """Look at the pages of a site because a person asked for it, and store what was there.

    The front page is looked at too: its links are the suggestions.
    """
    site, asked = Site.known(site_id), PageRound.of(site_id)
    if site is None or asked is None or not asked.is_open:
        return "nothing to do"
    pages = SitePage.of_site(site_id)
    visitor = Visitor(site, config, probe, BUDGET_S)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        wanted = [PageToCheck(page.path, settings.requirements_of(page)) for page in pages]
        found = list(pool.map(visitor.look, wanted))
    front = visitor.fetch(f"{site.url}/", MAX_BYTES)
    looked = {page.path: (look,) for page, look in zip(pages, found, strict=True)}
    seen = browse(site, browser_looks.wanted_pages(looked), config)
    at = now()
    with transaction():
        for page, look in zip(pages, found, strict=True):
            # What must be there may have been changed meanwhile.
            result = _result(look) | browser_looks.as_result(seen.get(page.path))
            page.update_if(*_as_it_was(page), looked_at=at, result=result)
        asked.end(at, suggestions.paths_in(front, site.url))
    return f"looked at {len(pages)}"


def recover_looks(now: datetime) -> int:
    """Queue looks again whose job was lost or whose worker died; return how many.

    Those that are too old end, and what the last one showed stays.
    """
    lost = PageRound.open_since(now - LOST_AFTER)
    for asked in lost:
        if asked.requested_at < now - GIVE_UP_AFTER:
            asked.end(now, asked.suggestions)
        else:
            queue.enqueue("look_at_pages", asked.site_id)
    return len(lost)


def _as_it_was(page: SitePage) -> Iterable[Any]:
    names = ("path", "phrase", "selector", "form_action", "status", "no_notice", "no_console_error")
    return [SitePage.columns()[name] == getattr(page, name) for name in names]


def _result(look: Look) -> dict[str, Any]:
    if look.structure is None:
        return {"answer": comparison.CANNOT_TELL, "why": look.why, "unmet": [], "status": 0}
    return {
        "answer": UNMET if look.unmet else MET,
        "why": "",
        "unmet": list(look.unmet),
        "status": look.structure.status,
    }


def _why_unreadable(received: RawResponse, required: Requirements) -> str:
    if received.is_encoded:
        return "encoded"
    if received.is_cut:
        return "too_large"
    if responses.is_from_cache(received):
        return "cached"
    if received.status == required.status or structure.is_broken(received):
        return ""
    if received.status in _FOR_A_MOMENT:
        return "unavailable"
    in_front = responses.classify_intermediary(received)
    return str(in_front.finding) if in_front is not None else ""


def _assets(looks: Iterable[Look]) -> list[str]:
    """Return the scripts and stylesheets of all pages, those of most pages first."""
    counts: dict[str, int] = {}
    for look in looks:
        for asset in look.structure.assets if look.structure else ():
            counts[asset] = counts.get(asset, 0) + 1
    return sorted(counts, key=partial(_by_use, counts))[:_MOST_ASSETS]


def _by_use(counts: dict[str, int], asset: str) -> tuple[int, str]:
    return -counts[asset], asset


def _with_assets(look: Look, broken: set[str]) -> Look:
    own = look.structure.assets if look.structure else ()
    return replace(look, broken_assets=tuple(sorted(broken.intersection(own))))


def _is_page(received: RawResponse) -> bool:
    """Whether a page of HTML came instead of a script or stylesheet."""
    return received.is_html and "javascript" not in received.media_type
