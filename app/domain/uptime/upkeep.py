"""Delete what is old, and what is about sites that are no longer connected."""

from __future__ import annotations

from datetime import datetime, timedelta

from app.models.base import transaction
from app.models.uptime import Outage, SiteWatch, UptimeCheck, UptimeSpan

CHECKS_KEPT = timedelta(days=30)
HOURS_KEPT = timedelta(days=366)


def tidy(now: datetime) -> int:
    """Delete checks after a month and hours after a year, and states of sites that left.

    Days and outages stay. Returns how many rows were deleted or set back.
    """
    count = UptimeCheck.forget(now - CHECKS_KEPT)
    count += UptimeSpan.forget_hours(int((now - HOURS_KEPT).timestamp()) // 3600)
    return count + sum(_leave(watch, now) for watch in SiteWatch.no_longer_connected())


def _leave(watch: SiteWatch, now: datetime) -> bool:
    with transaction():
        Outage.end(watch.site_id, now)
        return watch.forget_state()
