"""The number of available updates over the last 30 days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from app.domain.inventory import release_sightings
from app.models.update_backlog import UpdateBacklog
from app.models.visibility import Visibility

__all__ = ["DAYS", "Backlog", "backlog", "store_today"]

DAYS = 30


@dataclass(frozen=True)
class Backlog:
    """The available updates by day, oldest first; the last one is the present number.

    Days on which Aura did not run are missing.
    """

    days: tuple[tuple[date, int], ...]

    @property
    def is_enough(self) -> bool:
        """Whether there is more than the present to show."""
        return len(self.days) > 1

    @property
    def before(self) -> int:
        return self.days[0][1]

    @property
    def now(self) -> int:
        return self.days[-1][1]

    @property
    def span(self) -> int:
        """Return the number of days between the first and the last."""
        return (self.days[-1][0] - self.days[0][0]).days


def store_today(now: datetime) -> int:
    """Store the number of updates of each connected site once a day; return how many sites.

    Releases that no site has listed for long are forgotten then.
    """
    today = now.date()
    stored = UpdateBacklog.store(today, keep_from=today - timedelta(days=DAYS))
    if stored:
        release_sightings.forget_old(now)
    return stored


def backlog(available: int, now: datetime, visible: Visibility) -> Backlog:
    """Return the last 30 days; `available` is the present number."""
    today = now.date()
    stored = UpdateBacklog.by_day(today - timedelta(days=DAYS), visible)
    return Backlog((*((day, count) for day, count in stored if day < today), (today, available)))
