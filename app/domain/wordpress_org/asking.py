"""Ask WordPress.org once a day about each plugin and theme that the sites have from there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from app import queue
from app.config import Config
from app.domain import provenance
from app.domain.wordpress_org import comparing, sources
from app.http import wordpress_org
from app.http.errors import CallError
from app.http.wordpress_org import Closed, Listing
from app.models.base import transaction, utcnow
from app.models.wordpress_org import CLOSED, GONE, LISTED, UNKNOWN, DirectoryEntry
from app.retry import backoff, spread

Ask = Callable[..., Listing | Closed | None]

JOB = "ask_wordpress_org"
EVERY = timedelta(days=1)
FIRST_RETRY = timedelta(minutes=10)
# A job begins each minute, so no more than these are asked for in one.
AT_ONCE = 20
# A service that fails so often in a row is left alone until the next job.
MOST_FAILURES = 3
# Longer than one request may take, so an expired lease means a dead worker.
LEASE = timedelta(seconds=60)
# No request begins later, so that a job ends within its limit.
BEGIN_WITHIN = timedelta(seconds=120)
# It is gone when the directory did not have it on so many days in a row.
DAYS_UNTIL_GONE = 3


def request_due(config: Config, now: datetime) -> int:
    """Queue the job if there is anything to ask for; return how many entries it begins with."""
    count = len(DirectoryEntry.due(now, AT_ONCE)) if config.asks_wordpress_org else 0
    if count:
        queue.enqueue(JOB)
    return count


def ask_due(
    config: Config, *, ask: Ask = wordpress_org.ask, now: Callable[[], datetime] = utcnow
) -> str:
    """Ask for what is due, one after the other; return how that ended.

    Safe to run twice at once and again after a crash.
    """
    if not config.asks_wordpress_org:
        return "off"
    began, failures, wanted = now(), 0, sources.in_fleet()
    for entry in DirectoryEntry.due(began, AT_ONCE):
        if failures == MOST_FAILURES or now() - began >= BEGIN_WITHIN:
            break
        if (entry.kind, entry.slug) not in wanted:
            entry.delete_instance()  # a site that has it again adds it again
            continue
        is_answered = _fetch_answer(entry, ask, now)
        failures = 0 if is_answered else failures + 1
    return "failed" if failures else "asked"


def _fetch_answer(entry: DirectoryEntry, ask: Ask, now: Callable[[], datetime]) -> bool:
    """Ask for one entry and record the answer; return False if none came."""
    at = now()
    # Any state may be asked for; the lease keeps a second job from doing so as well.
    if not entry.lease((entry.state,), at, at + LEASE):
        return True
    try:
        answer = ask(entry.kind, entry.slug)
    except CallError as why:
        wait = backoff(entry.attempts - 1, FIRST_RETRY, EVERY)
        with transaction():
            entry.note_failure(why.error_code.value, now(), now() + spread(wait, entry.id))
        return False
    record_answer(entry, answer, now())
    return True


def record_answer(entry: DirectoryEntry, answer: Listing | Closed | None, now: datetime) -> None:
    """Store what the directory said, and what of it is another than before."""
    with transaction():
        entry.refresh()
        facts = _facts(entry, answer, now)
        parts = comparing.differences(entry, facts)
        if parts:
            provenance.record_change(entry.kind, entry.slug, parts, now)
        known = comparing.known_contributors(entry, facts)
        entry.note_answer(now, now + spread(EVERY, entry.id), **facts, known_contributors=known)


def _facts(entry: DirectoryEntry, answer: Listing | Closed | None, now: datetime) -> dict[str, Any]:
    """Return the columns to set. What the directory no longer says stays as it was said last."""
    if answer is None:
        return _missed(entry, now)
    seen: dict[str, Any] = {"misses": 0, "missed_on": None}
    if isinstance(answer, Closed):
        about = {"closed_on": answer.closed_on, "closed_reason": answer.reason}
        return {**seen, "state": CLOSED, **about}
    said: dict[str, Any] = {**vars(answer), "contributors": list(answer.contributors)}
    return {**seen, "state": LISTED, "closed_on": None, "closed_reason": "", **said}


def _missed(entry: DirectoryEntry, now: datetime) -> dict[str, Any]:
    """Return the columns after the directory did not have it: gone only after some days."""
    is_new_day = entry.missed_on != now.date()
    misses = entry.misses + is_new_day
    was_there = entry.state in (LISTED, CLOSED)
    state = GONE if was_there and misses >= DAYS_UNTIL_GONE else entry.state
    return {"misses": misses, "missed_on": now.date(), "state": state or UNKNOWN}
