"""How long to wait between attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Doubling more often than this exceeds every limit that is used, and overflows a timedelta.
_MAX_DOUBLINGS = 16


def backoff(attempts: int, first: timedelta, most: timedelta) -> timedelta:
    """Return the wait after `attempts` waits: `first`, doubled each time, at most `most`."""
    factor: int = 2 ** min(max(attempts, 0), _MAX_DOUBLINGS)
    return min(first * factor, most)


def spread(wait: timedelta, key: int) -> timedelta:
    """Return a wait up to a tenth longer; how much depends on `key` alone.

    So those that began to wait at the same moment do not end at the same moment.
    """
    # Knuth's multiplicative hash: neighboring keys end far apart.
    share = key * 2654435761 % 2**32 / 2**32
    return wait + wait * share / 10


def wait_asked_for(retry_after: str, now: datetime, most: timedelta) -> timedelta:
    """Return how long a server asks to wait, at most `most`; nothing if it does not ask.

    The header `Retry-After` has seconds or a date (RFC 9110, section 10.2.3).
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        # A number with more digits than that is longer than any wait.
        return min(timedelta(seconds=int(text[:9])), most)
    try:
        until = parsedate_to_datetime(text)
    # A number that fits in no date is an OverflowError.
    except (ValueError, OverflowError):
        return timedelta()
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta()), most)
