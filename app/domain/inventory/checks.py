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

# A site that keeps failing is checked less and less often, but at least this often.
MOST_BETWEEN_ATTEMPTS = timedelta(hours=6)
# Aura checks once per interval. A late check is not a gap, three missing ones are.
_ROUNDS_MISSED = 3


def longest_pause(every: timedelta, *, is_failing: bool) -> timedelta:
    """Return the longest time between two checks that is no gap.

    It contains the waits of a site that fails, which are up to a tenth longer than planned.
    """
    usual = _ROUNDS_MISSED * every
    return max(usual, MOST_BETWEEN_ATTEMPTS * 1.1 + every) if is_failing else usual


def count_check(
    site: Site,
    result: CallResult | None,
    now: datetime,
    *,
    every_minutes: int,
    was_failing: bool,
) -> None:
    """Count a check that has ended, inside the caller's transaction.

    `result` is None if no call could be made. `was_failing` says whether the check before failed.
    """
    day = now.astimezone(zone_of(Agency.read().time_zone)).date()
    if result is None:
        DailyChecks.count_not_made(site.id, day)
        return
    longest = longest_pause(timedelta(minutes=every_minutes), is_failing=was_failing)
    is_answered = result.reply is not None
    DailyChecks.count_made(site.id, day, now, is_answered=is_answered, longest=longest)
