"""Figures for pages and reports: uptime in percent, days as cells, response times, outages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

from app.domain.uptime import response_times
from app.models.uptime import (
    DAY,
    DEGRADED,
    DOWN,
    HOUR,
    MAINTENANCE,
    UNKNOWN,
    UP,
    Outage,
    SiteWatch,
    UptimeCheck,
    UptimeSpan,
)
from app.models.uptime_days import DaySeconds

MONTH, QUARTER, YEAR = 30, 90, 365
_HOURS_SHOWN = 7 * 24
_CHECKS_SHOWN = 12
# A day with a shorter slow time is shown as up.
_NOTABLE_S = 300


@dataclass(frozen=True)
class DayCell:
    """One day of a strip; `state` is empty without any check."""

    day: date
    state: str
    down_s: int = 0


@dataclass(frozen=True)
class DaysUptime:
    """How a site was in some days. `cells` are all days, also those without checks."""

    cells: tuple[DayCell, ...] = ()
    good_s: int = 0
    down_s: int = 0
    counts: dict[int, int] = field(default_factory=dict)

    @property
    def hundredths(self) -> int | None:
        """Return the uptime in hundredths of a percent, rounded down; None without checks.

        Rounded down, so that 100 % means no outage. Maintenance and unknown time do not count.
        """
        watched_s = self.good_s + self.down_s
        return None if watched_s == 0 else 10_000 * self.good_s // watched_s

    @property
    def percent(self) -> str:
        """Return `99.98 %`, or an en dash."""
        found = self.hundredths
        if found is None:
            return "–"
        return "100 %" if found == 10_000 else f"{found // 100}.{found % 100:02} %"

    @property
    def states(self) -> list[str]:
        return [cell.state for cell in self.cells]

    def days_in(self, state: str) -> list[date]:
        return [cell.day for cell in self.cells if cell.state == state]

    @property
    def median_ms(self) -> int | None:
        return response_times.percentile(self.counts, 50)

    @property
    def p95_ms(self) -> int | None:
        return response_times.percentile(self.counts, 95)


@dataclass(frozen=True)
class SiteUptime:
    """All about one site. `hours` are the newest hours with answers, and their median in ms."""

    watch: SiteWatch | None
    month: DaysUptime
    quarter: DaysUptime
    year: DaysUptime
    hours: list[tuple[int, int]]
    outages: list[Outage]
    checks: list[UptimeCheck]


def read_site(site_id: int, watch: SiteWatch | None, now: datetime, zone: ZoneInfo) -> SiteUptime:
    """Read the figures of one site: four queries. `zone` is the agency's."""
    today = now.astimezone(zone).date()
    rows = UptimeSpan.of_sites([site_id], DAY, today.toordinal() - YEAR + 1)
    first_hour = int(now.timestamp()) // 3600 - _HOURS_SHOWN
    hours = UptimeSpan.of_sites([site_id], HOUR, first_hour)
    return SiteUptime(
        watch=watch,
        month=sum_up(rows, today, MONTH),
        quarter=sum_up(rows, today, QUARTER),
        year=sum_up(rows, today, YEAR),
        hours=[(row.number, median) for row in hours if (median := _median(row)) is not None],
        outages=Outage.of_site(site_id, now - timedelta(days=YEAR)),
        checks=UptimeCheck.newest(site_id, _CHECKS_SHOWN),
    )


def read_days(site_ids: Collection[int], last: date, count: int = QUARTER) -> dict[int, DaysUptime]:
    """Return the figures of `count` days up to `last` for each of these sites: one query."""
    by_site: dict[int, list[UptimeSpan]] = {site_id: [] for site_id in site_ids}
    for row in UptimeSpan.of_sites(site_ids, DAY, last.toordinal() - count + 1):
        by_site[row.site_id].append(row)
    return {site_id: sum_up(rows, last, count) for site_id, rows in by_site.items()}


def sum_up(rows: Sequence[UptimeSpan], last: date, count: int) -> DaysUptime:
    """Return the figures of the `count` days that end with `last`."""
    end = last.toordinal()
    shown = [row for row in rows if end - count < row.number <= end]
    counts = response_times.add_up(row.counts for row in shown)
    return replace(sum_up_seconds(shown, last, count), counts=counts)


def sum_up_seconds(rows: Iterable[UptimeSpan | DaySeconds], last: date, count: int) -> DaysUptime:
    """Return the same figures without response times."""
    end = last.toordinal()
    known = {row.number: row for row in rows if end - count < row.number <= end}
    return DaysUptime(
        cells=tuple(_cell(number, known.get(number)) for number in range(end - count + 1, end + 1)),
        good_s=sum(row.up_s + row.degraded_s for row in known.values()),
        down_s=sum(row.down_s for row in known.values()),
    )


def _cell(number: int, row: UptimeSpan | DaySeconds | None) -> DayCell:
    state = "" if row is None else _state_of(row)
    return DayCell(date.fromordinal(number), state, row.down_s if row else 0)


def _state_of(row: UptimeSpan | DaySeconds) -> str:
    """Return what a day is shown as: the worst that happened, or what it mostly was."""
    if row.down_s:
        return DOWN
    if row.degraded_s >= _NOTABLE_S:
        return DEGRADED
    kinds = ((row.up_s, UP), (row.maintenance_s, MAINTENANCE), (row.unknown_s, UNKNOWN))
    most_s, state = max(kinds, key=itemgetter(0))
    return state if most_s or row.degraded_s else ""


def _median(row: UptimeSpan) -> int | None:
    return response_times.percentile(response_times.add_up([row.counts]), 50)
