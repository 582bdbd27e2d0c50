"""Quiet hours and digest hours follow the person's time zone, also when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from app.domain.notifications.preferences import Preferences
from tests.support.fakes import at

BERLIN, AUCKLAND = ZoneInfo("Europe/Berlin"), ZoneInfo("Pacific/Auckland")


@pytest.mark.parametrize(
    ("quiet", "moment", "expected"),
    [
        ((22, 7), "2026-11-24 20:59", False),
        ((22, 7), "2026-11-24 21:00", True),
        ((22, 7), "2026-11-25 05:59", True),
        ((22, 7), "2026-11-25 06:00", False),
        ((12, 14), "2026-11-25 11:00", True),
        ((12, 14), "2026-11-25 13:00", False),
        # In summer, Berlin is two hours ahead.
        ((22, 7), "2026-07-24 20:00", True),
        ((22, 7), "2026-07-25 05:00", False),
        # The nights when 2:00 is skipped and when it occurs twice.
        ((2, 3), "2026-03-29 00:59", False),
        ((2, 3), "2026-03-29 01:00", False),
        ((2, 3), "2026-10-25 00:30", True),
        ((2, 3), "2026-10-25 01:30", True),
        ((2, 3), "2026-10-25 02:00", False),
        ((None, None), "2026-11-25 00:00", False),
    ],
)
def test_quiet_hours_are_local_and_may_go_past_midnight(
    quiet: tuple[int | None, int | None], moment: str, expected: bool
) -> None:
    chosen = Preferences(quiet_from=quiet[0], quiet_to=quiet[1])
    assert chosen.is_quiet(at(moment), BERLIN) is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-24 06:59", "2026-11-23 07:00"),
        ("2026-11-24 07:00", "2026-11-24 07:00"),
        ("2026-11-24 23:30", "2026-11-24 07:00"),
        # Daylight saving began the day before: 8:00 is an hour earlier in UTC.
        ("2026-03-28 12:00", "2026-03-28 07:00"),
        ("2026-03-29 06:00", "2026-03-29 06:00"),
        ("2026-10-25 06:59", "2026-10-24 06:00"),
        ("2026-10-25 07:00", "2026-10-25 07:00"),
    ],
)
def test_a_daily_digest_is_due_at_its_hour(moment: str, expected: str) -> None:
    chosen = Preferences(digest="daily", digest_hour=8)
    assert chosen.last_digest_time(at(moment), BERLIN) == at(expected)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-22 19:00", "2026-11-22 19:00"),  # Monday 8:00 in Auckland
        ("2026-11-22 18:59", "2026-11-15 19:00"),
        ("2026-11-25 12:00", "2026-11-22 19:00"),
    ],
)
def test_a_weekly_digest_is_due_on_its_local_day(moment: str, expected: str) -> None:
    chosen = Preferences(digest="weekly", digest_hour=8, digest_weekday=0)
    assert chosen.last_digest_time(at(moment), AUCKLAND) == at(expected)


@pytest.mark.parametrize("hour", [0, 1, 2, 3, 23])
@pytest.mark.parametrize("zone", [BERLIN, ZoneInfo("America/Santiago"), ZoneInfo("Asia/Beirut")])
def test_each_local_day_of_a_year_has_exactly_one_digest(hour: int, zone: ZoneInfo) -> None:
    chosen = Preferences(digest="daily", digest_hour=hour)
    moment, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    times = []
    while moment < until:
        times.append(chosen.last_digest_time(moment, zone))
        moment += timedelta(minutes=30)
    different = sorted(set(times))
    assert len({one.astimezone(zone).date() for one in different}) == len(different) >= 365
    assert times == sorted(times)
    gaps = {later - earlier for earlier, later in pairwise(different)}
    assert gaps <= {timedelta(hours=23), timedelta(hours=24), timedelta(hours=25)}
