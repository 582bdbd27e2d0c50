"""How long to wait between attempts."""

from __future__ import annotations

from datetime import timedelta

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
