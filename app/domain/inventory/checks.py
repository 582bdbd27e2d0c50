"""Count how often sites are checked and how often they answer.

A check is a sync that has ended: one call for the site's report, with its repetitions.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from app.domain.connection.calls import CallResult
from app.domain.time_zones import zone_of
from app.models.agency import Agency
from app.models.daily_checks import DailyChecks
from app.models.sites import Site

# Aura checks once per interval. A late check is not a gap, three missing ones are.
ROUNDS_MISSED = 3


def count_check(
    site: Site, result: CallResult | None, now: datetime, *, every_minutes: int
) -> None:
    """Count a check that has ended, inside the caller's transaction.

    `result` is None if no call could be made.
    """
    day = now.astimezone(zone_of(Agency.read().time_zone)).date()
    if result is None:
        DailyChecks.count_not_made(site.id, day)
        return
    longest = ROUNDS_MISSED * timedelta(minutes=every_minutes)
    is_answered = result.reply is not None
    DailyChecks.count_made(site.id, day, now, is_answered=is_answered, longest=longest)
