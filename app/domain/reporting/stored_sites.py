"""What a client report reads about the sites of a client, in one query."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    days: Sequence[UptimeSpan]
    outages: Sequence[Outage]


def read_sites(client: Client, period: Period, longest: timedelta) -> list[StoredSite]:
    """Return the client's sites by name with all that the report says about each, in one query.

    Sites that were removed since the period began are among them.
    """
    is_covered = Site.forgotten_at.is_null() | (Site.forgotten_at >= period.begins)
    is_of_period = DailyChecks.between(Site.id, period.first_day, period.last_day)
    is_day = UptimeSpan.days_between(period.first_day, period.last_day)
    is_within = Outage.within(period.begins, period.ends)
    query = Site.select(
        Site,
        Client,
        Alert.open_count_of(Site.id).alias("open_alerts"),
        SiteTag.nested(SiteTag.site == Site.id).alias("tags"),
        DailyChecks.added_up(is_of_period, longest).alias("daily_checks"),
        UptimeSpan.nested((UptimeSpan.site == Site.id) & is_day).alias("uptime_days"),
        Outage.nested((Outage.site == Site.id) & is_within).alias("outages"),
    )
    found = SiteData.added_to(query.join(Client).where(Site.client == client, is_covered))
    rows: list[Any] = sorted(found, key=lambda site: (site.name.casefold(), site.id))
    return [
        StoredSite(
            row,
            SiteData.of_row(row),
            row.open_alerts,
            {tag.folded for tag in SiteTag.read_nested(row.tags)},
            sorted(DailyChecks.read_added_up(row.daily_checks), key=_begin_of),
            UptimeSpan.read_nested(row.uptime_days),
            Outage.read_nested(row.outages),
        )
        for row in rows
    ]


def _begin_of(days: CheckedDays) -> datetime:
    return days.first_at or _LONG_AGO
