"""Look at pages of a site with a browser, where the operator has installed one.

One browser at a time runs on this machine, for as long as all pages of a site may take together.
What a page says in its console counts after an update only if a second look confirms it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.config import Config
from app.domain.connection import calls
from app.domain.page_checks import addresses, console, structure
from app.domain.page_checks.comparison import Look
from app.domain.page_checks.console import Console
from app.http import browser_process, browser_visit
from app.http.browser_process import BrowserFailed, DevTools
from app.http.browser_proxy import BrowserProxy
from app.http.browser_visit import WIDTHS, Visit
from app.models.sites import Site

# Two looks at all pages, each at two widths, end within this time.
BUDGET_S = 20.0
# Names of widths, as screenshots are kept and shown.
NAMES = tuple(width.name for width in WIDTHS)

# Errors of one page that a look a person asked for shows.
_MOST_SHOWN = 5
_LOCK = "browser.lock"
_POLL_S = 0.2
# A browser that hangs on a page is started again for the others, but not for ever.
_MOST_STARTS = 3
# No page can be looked at in less.
_SHORTEST_S = 1.0
# Nothing that a new start would change.
_NOT_STARTED = ("absent", "no_sandbox")


@dataclass(frozen=True)
class PageToCheck:
    """A page to open, the status that it answered, and the errors that need no second look."""

    path: str
    status: int
    known: Collection[str] | None = None


@dataclass(frozen=True)
class Seen:
    """The console of a page at each width, in the order of WIDTHS, and pictures by width."""

    consoles: tuple[Console, ...]
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)


# Takes a site, the pages and the configuration.
Browse = Callable[[Site, Sequence[PageToCheck], Config], dict[str, Seen]]


def browse(site: Site, pages: Sequence[PageToCheck], config: Config) -> dict[str, Seen]:
    """Open each page at each width; return what was seen by path, nothing without a browser.

    Raises nothing that a site can cause.
    """
    executable = config.chromium
    if executable is None or not pages:
        return {}
    ends_at = time.monotonic() + BUDGET_S
    with turn(config, ends_at) as is_ours:
        if not is_ours:
            return {page.path: _failed("browser_busy") for page in pages}
        return _Round(site, config, executable, ends_at).look(pages)


def wanted_pages(
    found: Mapping[str, Sequence[Look]], known: Mapping[str, Collection[str]] | None = None
) -> list[PageToCheck]:
    """Return the pages to open, from looks without a browser: those that are pages of HTML."""
    pages = []
    for path, (first, *_) in found.items():
        if first.structure is not None and structure.DATA not in first.structure.features:
            errors = known.get(path, ()) if known is not None else None
            pages.append(PageToCheck(path, first.structure.status, errors))
    return pages


def with_consoles(looked: tuple[Look, Look], seen: Seen | None) -> tuple[Look, Look]:
    """Return two looks at a page with what the console said at each width."""
    if seen is None:
        return looked
    one, other = (
        replace(look, console=said) for look, said in zip(looked, seen.consoles, strict=True)
    )
    return one, other


def as_result(seen: Seen | None) -> dict[str, Any]:
    """Return what a browser showed as it is stored with a look; empty if none looked."""
    if seen is None:
        return {}
    errors = list(console.errors_of(seen.consoles))
    return {
        "browser": console.why_unknown(seen.consoles, ()).removeprefix(console.BEFORE),
        "errors": errors[:_MOST_SHOWN],
        "error_count": len(errors),
    }


@contextmanager
def turn(config: Config, ends_at: float) -> Iterator[bool]:
    """Wait until no other process of this Aura runs a browser; False if that takes too long.

    What a browser left behind that was killed with its worker is removed.
    """
    lock = os.open(config.var_dir / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not (is_ours := _has_locked(lock)) and time.monotonic() + _POLL_S < ends_at:
            time.sleep(_POLL_S)
        if is_ours:
            for left in Path(tempfile.gettempdir()).glob(f"{prefix_of(config)}*"):
                shutil.rmtree(left, ignore_errors=True)
        yield is_ours
    finally:
        os.close(lock)


def prefix_of(config: Config) -> str:
    """Return how the profiles of this Aura begin, in a folder that it may share with another."""
    return f"aura-browser-{hashlib.sha256(bytes(config.var_dir)).hexdigest()[:8]}-"


def _has_locked(lock: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


class _Round:
    """Looks at the pages of one site, until the time is over."""

    def __init__(self, site: Site, config: Config, executable: Path, ends_at: float) -> None:
        self._site, self._config = site, config
        self._executable, self._ends_at = executable, ends_at
        self._seen: dict[str, Seen] = {}

    def look(self, pages: Sequence[PageToCheck]) -> dict[str, Seen]:
        for _ in range(_MOST_STARTS):
            rest = [page for page in pages if page.path not in self._seen]
            if not rest or self._left_s < _SHORTEST_S:
                break
            failure = self._run(rest)
            if failure in _NOT_STARTED:
                return {page.path: _failed(failure) for page in pages}
        return {page.path: self._seen.get(page.path, _failed("no_time")) for page in pages}

    @property
    def _left_s(self) -> float:
        return self._ends_at - time.monotonic()

    def _run(self, pages: Sequence[PageToCheck]) -> str:
        """Look at pages with one browser; return why it could not go on, or an empty text."""
        current = pages[0]
        try:
            with (
                BrowserProxy(self._site.url, self._config.allow_nets, self._left_s) as proxy,
                browser_process.running_browser(
                    self._executable,
                    prefix=prefix_of(self._config),
                    seconds=self._left_s,
                ) as devtools,
            ):
                for current in pages:
                    if self._left_s < _SHORTEST_S:
                        break
                    seen = self._look_at(devtools, proxy.address, current)
                    self._seen[current.path] = _failed("too_much") if proxy.is_exceeded else seen
                    if proxy.is_exceeded:
                        break
        except BrowserFailed as failed:
            why = failed.why if self._left_s > 0 else "no_time"
            self._seen[current.path] = _failed(why)
            return why
        return ""

    def _look_at(self, devtools: DevTools, proxy: str, page: PageToCheck) -> Seen:
        address = addresses.address_of(page.path, self._site.url)
        visits = self._visit(devtools, proxy, address)
        consoles = [console.read_console(visits[name], address, page.status) for name in NAMES]
        if page.known is not None and console.new_errors((Console(tuple(page.known)),), consoles):
            again = self._visit(devtools, proxy, address)
            consoles = [
                console.confirmed(first, console.read_console(again[name], address, page.status))
                for first, name in zip(consoles, NAMES, strict=True)
            ]
        pictures = {name: seen.picture for name, seen in visits.items() if seen.picture}
        return Seen(tuple(consoles), pictures)

    def _visit(self, devtools: DevTools, proxy: str, address: str) -> dict[str, Visit]:
        login = calls.visitor_login(self._site, self._config)
        return browser_visit.visit(devtools, address, proxy=proxy, server_login=login)


def _failed(why: str) -> Seen:
    return Seen(tuple(Console(why=why) for _ in WIDTHS))
