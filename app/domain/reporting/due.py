"""When a report is due, and which days it covers. Pure functions on dates in one time zone."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.models.client_reports import MONTHLY, WEEKLY

# A report is prepared at this time of the client's day, when the night's syncs are over.
PREPARED_AT = time(7)
# After a long outage, older reports are not made up for.
MOST_AT_ONCE = 6
_LOOKS_BACK = timedelta(days=200)
_LOOKS_AHEAD = timedelta(days=63)
_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DueReport:
    """The days that a report covers, both included, and when it is due."""

    first: date
    last: date
    due_at: datetime


def due_between(
    cadence: str, day: int, zone: ZoneInfo, after: datetime, until: datetime
) -> list[DueReport]:
    """Return the newest reports that became due after `after` and not after `until`, in order."""
    begins = max(after, until - _LOOKS_BACK)
    return list(_due(cadence, day, zone, begins, until))[-MOST_AT_ONCE:]


def next_due(cadence: str, day: int, zone: ZoneInfo, now: datetime) -> DueReport | None:
    """Return the next report; None without a cadence."""
    return next(_due(cadence, day, zone, now, now + _LOOKS_AHEAD), None)


def _due(
    cadence: str, day: int, zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[DueReport]:
    for today in _days(after.astimezone(zone).date(), until.astimezone(zone).date()):
        due_at = datetime.combine(today, PREPARED_AT, zone)
        if _is_due(cadence, day, today) and after < due_at <= until:
            yield DueReport(*_covered(cadence, today), due_at)


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


def _is_due(cadence: str, day: int, today: date) -> bool:
    """Whether a report is due today. Day 31 is the last day of a shorter month."""
    if cadence == WEEKLY:
        return today.weekday() == day
    return cadence == MONTHLY and today.day == min(day, monthrange(today.year, today.month)[1])


def _covered(cadence: str, today: date) -> tuple[date, date]:
    """Return the seven days before today, or the month before this one."""
    if cadence == WEEKLY:
        return today - _WEEK, today - _DAY
    last = today.replace(day=1) - _DAY
    return last.replace(day=1), last
