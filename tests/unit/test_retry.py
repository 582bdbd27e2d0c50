"""Waits between attempts double, up to a limit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.retry import backoff

FIRST, MOST = timedelta(seconds=10), timedelta(minutes=10)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(-1, 10), (0, 10), (1, 20), (5, 320), (6, 600), (10_000, 600)]
)
def test_a_wait_doubles_up_to_its_limit(attempts: int, seconds: int) -> None:
    assert backoff(attempts, FIRST, MOST) == timedelta(seconds=seconds)
