"""Waits between attempts double, up to a limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from app.retry import backoff, spread, wait_asked_for

FIRST, MOST = timedelta(seconds=10), timedelta(minutes=10)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(-1, 10), (0, 10), (1, 20), (5, 320), (6, 600), (10_000, 600)]
)
def test_a_wait_doubles_up_to_its_limit(attempts: int, seconds: int) -> None:
    assert backoff(attempts, FIRST, MOST) == timedelta(seconds=seconds)


def test_waits_of_different_keys_end_at_different_times() -> None:
    waits = sorted(spread(MOST, key) for key in range(1, 101))
    assert MOST <= waits[0] < waits[-1] <= MOST * 1.1
    assert max(later - earlier for earlier, later in pairwise(waits)) < MOST / 100


def test_a_wait_is_the_same_for_one_key() -> None:
    assert spread(FIRST, 7) == spread(FIRST, 7)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("30", 30),
        (" 30 ", 30),
        ("-5", 0),
        ("1.5", 0),
        ("٣", 0),
        ("9" * 5000, 600),
        ("Tue, 24 Nov 2026 10:01:30 GMT", 90),
        ("Tue, 24 Nov 2026 10:01:30", 90),
        ("Tue, 24 Nov 2026 11:01:30 +0100", 90),
        ("Mon, 23 Nov 2026 10:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 600),
        ("Tue, 24 Nov 2026 10:01:30 +9999", 0),
        ("in a while", 0),
        ("Tue, 24 Nov 99999999999999999999 10:01:30 GMT", 0),
        ("Tue, 24 Nov 2026 10:01:30 +99999999999999", 0),
    ],
)
def test_the_wait_that_a_server_asks_for_is_bounded(header: str, seconds: int) -> None:
    now = datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert wait_asked_for(header, now, MOST) == timedelta(seconds=seconds)
