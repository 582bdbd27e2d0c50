"""How visitors found a site in the period of a client report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain.uptime import figures
from app.domain.uptime.figures import DayCell, DaysUptime
from app.models.uptime import Outage
from app.models.uptime_days import DaySeconds


@dataclass(frozen=True)
class OutageSummary:
    """A time in which visitors did not get the front page; `ended_at` is None if it goes on."""

    began_at: datetime
    ended_at: datetime | None
    counted_s: int
    cause: str


@dataclass(frozen=True)
class UptimeSummary:
    """How visitors found a site on the days of the period, from `first_day` on."""

    first_day: str
    good_s: int
    down_s: int
    states: tuple[str, ...]
    outages: tuple[OutageSummary, ...]

    @property
    def days(self) -> DaysUptime:
        first = date.fromisoformat(self.first_day)
        cells = (
            DayCell(first + timedelta(days=number), state)
            for number, state in enumerate(self.states)
        )
        return DaysUptime(tuple(cells), self.good_s, self.down_s)


def summarize_uptime(
    days: Iterable[DaySeconds], outages: Iterable[Outage], first: date, last: date
) -> UptimeSummary | None:
    """Return how visitors found a site from `first` to `last`; None if it was not checked."""
    found = figures.sum_up_seconds(days, last, (last - first).days + 1)
    if found.hundredths is None:
        return None
    return UptimeSummary(
        first_day=first.isoformat(),
        good_s=found.good_s,
        down_s=found.down_s,
        states=tuple(found.states),
        outages=tuple(
            OutageSummary(one.began_at, one.ended_at, one.counted_s, one.cause)
            for one in sorted(outages, key=lambda outage: outage.began_at)
        ),
    )
