"""What a client report reads about the sites of a client, some of them at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.reporting.client_report import Period
from app.models.alerts import Alert
from app.models.clients import Client
from app.models.daily_checks import CheckedDays, DailyChecks
from app.models.site_data import SiteData
from app.models.sites import Site
from app.models.tags import SiteTag
from app.models.uptime import Outage, UptimeSpan
from app.models.uptime_days import DaySeconds, days_column, read_days

# So many sites of a client are in memory at a time. Most clients have fewer.
SITES_AT_ONCE = 100
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class StoredSite:
    """A site of the report, its open alerts, its folded tags and its checks, oldest first.

    `days` and `outages` are how visitors found it.
    """

    site: Site
    data: SiteData
    alerts: int
    tags: Collection[str]
    checks: Sequence[CheckedDays]
    days: Sequence[DaySeconds]
    outages: Sequence[Outage]


def stream_sites(client: Client, period: Period, longest: timedelta) -> Iterator[StoredSite]:
    """Yield the client's sites, in no particular order, with all that the report says about each.

    Sites that were removed since the period began are among them. A hundred take one query.
    """
    query, after = _query(client, period, longest), 0
    while True:
        rows: list[Any] = list(query.where(Site.id > after).order_by(Site.id).limit(SITES_AT_ONCE))
        yield from map(_stored, rows)
        if len(rows) < SITES_AT_ONCE:
            return
        after = rows[-1].id


def _query(client: Client, period: Period, longest: timedelta) -> Any:
    is_covered = Site.forgotten_at.is_null() | (Site.forgotten_at >= period.begins)
    days = period.first_day, period.last_day
    is_of_period = DailyChecks.between(Site.id, *days)
    is_within = Outage.within(period.begins, period.ends)
    query = Site.select(
        Site,
        Client,
        Alert.open_count_of(Site.id).alias("open_alerts"),
        SiteTag.nested(SiteTag.site == Site.id).alias("tags"),
        DailyChecks.added_up(is_of_period, longest).alias("daily_checks"),
        days_column(UptimeSpan.site == Site.id, *days).alias("uptime_days"),
        Outage.nested((Outage.site == Site.id) & is_within).alias("outages"),
    )
    return SiteData.added_to(query.join(Client).where(Site.client == client, is_covered))


def _stored(row: Any) -> StoredSite:
    return StoredSite(
        row,
        SiteData.of_row(row),
        row.open_alerts,
        {tag.folded for tag in SiteTag.read_nested(row.tags)},
        sorted(DailyChecks.read_added_up(row.daily_checks), key=_begin_of),
        read_days(row.uptime_days),
        Outage.read_nested(row.outages),
    )


def _begin_of(days: CheckedDays) -> datetime:
    return days.first_at or _LONG_AGO
