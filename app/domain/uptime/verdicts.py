"""What one look at a front page shows. Pure: it reads no clock and no database."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.domain.diagnostics import responses
from app.domain.page_checks import structure
from app.http.errors import ErrorCode
from app.http.front_page import FrontPage
from app.http.response import RawResponse
from app.models.uptime import DEGRADED, DOWN, ENDS_NOW, ENDS_SOON, MAINTENANCE, UNKNOWN, UP

# A visitor waits this long before a site counts as slow.
SLOW_MS = 5000
# The number of a character has at most seven digits. Of thousands, Python makes no number at all.
_NO_CHARACTER = re.compile(r"&#[0-9]{100,}")
# WordPress itself ends its maintenance mode after ten minutes (wp_is_maintenance_mode()).
LONGEST_MAINTENANCE = timedelta(minutes=30)
CERTIFICATE_SOON = timedelta(days=14)
CERTIFICATE_NOW = timedelta(days=3)

# Causes besides the names of app.http.errors.ErrorCode.
SLOW = "slow"
PHRASE = "phrase_missing"
ELSEWHERE = "elsewhere"
CRITICAL_ERROR = "critical_error"
PAGE_MISSING = "page_missing"
HTTP_ERROR = "http_error"
WORDPRESS = "wordpress"
STUCK = "maintenance_stuck"
UPDATE = "update"
BLOCKED = "blocked"

# wp_maintenance() sends "Retry-After: 600". Caches and proxies send other values.
_WORDPRESS_RETRY_AFTER = "600"
# Failures that would look the same if Aura itself had no network.
_NETWORK = frozenset(
    {ErrorCode.dns, ErrorCode.connection_refused, ErrorCode.connect_timeout, ErrorCode.too_slow}
)
# What does not show how the site is for others.
_OUR_PROBLEM = frozenset({ErrorCode.address_refused, ErrorCode.held_up})


@dataclass(frozen=True)
class Verdict:
    """What a check found: one of RESULTS, why, and how fast.

    `is_network` is true if nothing at all was answered. `server` is where the site is hosted.
    """

    result: str
    cause: str = ""
    status: int = 0
    ms: int = 0
    server: str = ""
    is_network: bool = False
    certificate_ends_at: datetime | None = None

    def excused(self, cause: str) -> Verdict:
        """Return the same as a time of maintenance."""
        return replace(self, result=MAINTENANCE, cause=cause, is_network=False)

    def failed(self, cause: str) -> Verdict:
        """Return the same as a failure."""
        return replace(self, result=DOWN, cause=cause)

    def not_known(self, cause: str) -> Verdict:
        """Return the same as something that Aura cannot tell."""
        return replace(self, result=UNKNOWN, cause=cause)


def judge_page(page: FrontPage, phrase: str) -> Verdict:
    """Return what a visitor of the front page meets.

    A firewall or a password that stops Aura proves nothing about other visitors: unknown.
    """
    seen = Verdict(
        UP,
        ms=page.ms,
        server=page.server,
        certificate_ends_at=page.certificate_ends_at,
        status=page.received.status if page.received else 0,
    )
    if page.received is None:
        code = page.error.error_code if page.error else ErrorCode.broken_off
        if code in _OUR_PROBLEM:
            return seen.not_known(str(code))
        return replace(seen, result=DOWN, cause=str(code), is_network=code in _NETWORK)
    if page.elsewhere:
        return replace(seen, result=DEGRADED, cause=ELSEWHERE)
    return _judge_answer(page.received, phrase, seen)


def _judge_answer(received: RawResponse, phrase: str, seen: Verdict) -> Verdict:
    if structure.is_broken(received):
        return replace(seen, result=DOWN, cause=CRITICAL_ERROR)
    if _is_wordpress_maintenance(received):
        return seen.excused(WORDPRESS)
    if received.status in (404, 410):
        return replace(seen, result=DOWN, cause=PAGE_MISSING)
    if responses.classify_intermediary(received) is not None and received.status >= 400:
        return seen.not_known(BLOCKED)
    if received.status >= 300:
        return replace(seen, result=DOWN, cause=HTTP_ERROR)
    if phrase and _is_missing(received, phrase):
        return replace(seen, result=DEGRADED, cause=PHRASE)
    if seen.ms > SLOW_MS:
        return replace(seen, result=DEGRADED, cause=SLOW)
    return seen


def _is_wordpress_maintenance(received: RawResponse) -> bool:
    retry_after = received.headers.get("Retry-After", "").strip()
    return received.status == 503 and retry_after == _WORDPRESS_RETRY_AFTER


def _is_missing(received: RawResponse, phrase: str) -> bool:
    """Whether a whole page does not contain the phrase, ignoring case and runs of spaces."""
    if received.is_cut or received.is_encoded:
        return False
    text = received.body.decode("utf-8", "replace")
    text = html.unescape(_NO_CHARACTER.sub("", text))
    return _plain(phrase) not in _plain(text)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def certificate_problem(ends_at: datetime | None, now: datetime) -> str:
    """Return ENDS_NOW, ENDS_SOON or ''."""
    if ends_at is None or ends_at - now > CERTIFICATE_SOON:
        return ""
    return ENDS_NOW if ends_at - now <= CERTIFICATE_NOW else ENDS_SOON


def is_own_network(verdicts: list[Verdict]) -> bool:
    """Whether so much failed at once, on so many servers, that Aura itself has no network.

    Sites on one server fail together, so servers are counted. A single server proves nothing.
    """
    answering = {seen.server for seen in verdicts if not seen.is_network}
    silent = {seen.server for seen in verdicts if seen.is_network} - answering
    count = len(answering) + len(silent)
    return len(silent) >= 2 and 2 * len(silent) >= count
