"""A report is due at seven in the client's morning, and covers whole days before."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.reporting.client_report import Period
from app.domain.reporting.due import MOST_AT_ONCE, DueReport, due_between, next_due
from app.domain.time_zones import time_zones

BERLIN = ZoneInfo("Europe/Berlin")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def due(cadence: str, day: int, zone: ZoneInfo, after: str, until: str) -> list[DueReport]:
    return due_between(cadence, day, zone, moment(after), moment(until))


def test_a_monthly_report_covers_the_calendar_month_before() -> None:
    (found,) = due("monthly", 3, BERLIN, "2026-11-30 00:00", "2026-12-10 00:00")
    assert (found.first, found.last) == (date(2026, 11, 1), date(2026, 11, 30))
    assert found.due_at.astimezone(UTC) == moment("2026-12-03 06:00")


def test_a_weekly_report_covers_the_seven_days_before() -> None:
    (found,) = due("weekly", 0, BERLIN, "2026-11-28 00:00", "2026-12-04 00:00")
    assert (found.first, found.last) == (date(2026, 11, 23), date(2026, 11, 29))


@pytest.mark.parametrize(
    ("day", "due_days"),
    [
        (28, ["2027-01-28", "2027-02-28", "2027-03-28"]),
        (29, ["2027-01-29", "2027-02-28", "2027-03-29"]),
        (31, ["2027-01-31", "2027-02-28", "2027-03-31"]),
    ],
)
def test_a_missing_day_of_a_month_is_its_last_day(day: int, due_days: list[str]) -> None:
    found = due("monthly", day, BERLIN, "2026-12-31 20:00", "2027-04-01 00:00")
    assert [one.due_at.date().isoformat() for one in found] == due_days


def test_a_clock_change_keeps_the_local_hour() -> None:
    found = due("weekly", 6, BERLIN, "2026-03-20 00:00", "2026-04-01 00:00")
    assert [one.due_at.astimezone(UTC) for one in found] == [
        moment("2026-03-22 06:00"), moment("2026-03-29 05:00"),
    ]  # fmt: skip
    period = Period.of_days(found[1].first, date(2026, 3, 29), BERLIN)
    assert period.ends - period.begins == timedelta(days=8) - timedelta(hours=1)


def test_the_local_day_decides() -> None:
    span = ("2026-11-30 12:00", "2026-11-30 20:00")
    assert due("monthly", 1, ZoneInfo("Pacific/Auckland"), *span)
    assert not due("monthly", 1, ZoneInfo("America/Los_Angeles"), *span)


def test_the_newest_reports_are_made_after_a_long_outage() -> None:
    found = due("weekly", 0, BERLIN, "2026-01-01 00:00", "2026-11-30 12:00")
    assert len(found) == MOST_AT_ONCE
    assert found[-1].last == date(2026, 11, 29)


@pytest.mark.parametrize(
    ("cadence", "day", "first", "due_day"),
    [
        ("weekly", 6, date(2026, 11, 29), date(2026, 12, 6)),
        ("weekly", 0, date(2026, 11, 30), date(2026, 12, 7)),
        ("monthly", 31, date(2026, 11, 1), date(2026, 12, 31)),
    ],
)
def test_the_next_report_is_in_the_future(
    cadence: str, day: int, first: date, due_day: date
) -> None:
    found = next_due(cadence, day, BERLIN, moment("2026-11-30 12:00"))
    assert found is not None
    assert (found.first, found.due_at.date()) == (first, due_day)


def test_without_a_cadence_nothing_is_due() -> None:
    assert not due("never", 1, BERLIN, "2026-01-01 00:00", "2026-11-30 12:00")
    assert next_due("never", 1, BERLIN, moment("2026-11-30 12:00")) is None


ZONES = st.sampled_from(time_zones()).map(ZoneInfo)
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 15 * 365 * 24 * 60).map(lambda count: BEGIN + timedelta(minutes=count))


@given(ZONES, MOMENTS, st.integers(1, 31), st.integers(0, 90))
def test_every_month_is_covered_once_in_every_zone(
    zone: ZoneInfo, begins: datetime, day: int, cut: int
) -> None:
    """Wherever the span is cut, its parts have what the whole has, with no gap between periods."""
    ends = begins + timedelta(days=100)
    middle = begins + timedelta(days=cut)
    whole = due_between("monthly", day, zone, begins, ends)
    parts = due_between("monthly", day, zone, begins, middle)
    assert parts + due_between("monthly", day, zone, middle, ends) == whole
    for one in whole:
        assert one.first.day == 1
        assert one.last.day == monthrange(one.last.year, one.last.month)[1]
        assert one.last < one.due_at.date()
        assert begins < one.due_at <= ends
    for before, after in pairwise(whole):
        assert after.first == before.last + timedelta(days=1)


@given(ZONES, MOMENTS, st.integers(0, 6))
def test_every_week_is_covered_once_in_every_zone(
    zone: ZoneInfo, begins: datetime, day: int
) -> None:
    found = due_between("weekly", day, zone, begins, begins + timedelta(days=35))
    # The clock may change just when one is due, at the begin or the end of the span.
    assert 4 <= len(found) <= 6
    for before, after in pairwise(found):
        assert after.first == before.last + timedelta(days=1)
    for one in found:
        assert (one.last - one.first).days == 6
        assert one.due_at.date() - one.last == timedelta(days=1)
        assert one.due_at.hour == 7
