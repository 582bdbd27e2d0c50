"""Waits between attempts double, up to a limit."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from app.retry import backoff, spread

FIRST, MOST = timedelta(seconds=10), timedelta(minutes=10)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(-1, 10), (0, 10), (1, 20), (5, 320), (6, 600), (10_000, 600)]
)
def test_a_wait_doubles_up_to_its_limit(attempts: int, seconds: int) -> None:
    assert backoff(attempts, FIRST, MOST) == timedelta(seconds=seconds)


def test_waits_that_begin_together_end_at_different_times() -> None:
    waits = sorted(spread(MOST, key) for key in range(1, 101))
    assert MOST <= waits[0] < waits[-1] <= MOST * 1.1
    assert max(later - earlier for earlier, later in pairwise(waits)) < MOST / 100


def test_a_wait_of_the_same_key_is_the_same() -> None:
    assert spread(FIRST, 7) == spread(FIRST, 7)
