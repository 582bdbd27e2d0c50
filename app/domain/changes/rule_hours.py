"""When an auto-update rule applies, and which of its updates belong together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from app.domain.inventory.eligibility import SEPARATE_KINDS
from app.models.auto_update_rules import AutoUpdateRule

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Any constant: it keeps these ids apart from other name-based ones.
_BATCHES = UUID("6f0c2c0e-5a1f-4d0b-9d55-0c3c7b0e9a51")


def opened_at(rule: AutoUpdateRule, now: datetime) -> datetime | None:
    """Return when the hours of the rule began in which `now` is; None outside of its hours.

    If `to_hour` is before `from_hour`, they cross midnight and belong to the day on which they
    began.
    """
    at = now.astimezone(UTC)
    start, stop = rule.from_hour, rule.to_hour
    day = at.replace(hour=start, minute=0, second=0, microsecond=0)
    if start < stop:
        is_open = start <= at.hour < stop
    elif at.hour < stop:
        is_open, day = True, day - timedelta(days=1)
    else:
        is_open = at.hour >= start
    return day if is_open and day.weekday() in rule.weekdays else None


def batch_of(rule: AutoUpdateRule, kind: str, now: datetime) -> str:
    """Return the batch of what the rule proposes in these hours: a night of a rule is one batch.

    WordPress and SiteAgent have batches of their own, as in a review by a person.
    """
    separate = kind if kind in SEPARATE_KINDS else ""
    return str(uuid5(_BATCHES, f"{rule.id} {opened_at(rule, now)} {separate}"))


def in_words(rule: AutoUpdateRule) -> str:
    """Return the hours of a rule, for example `every day from 02:00 to 05:00 UTC`."""
    if len(rule.weekdays) == 7:
        days = "every day"
    else:
        days = ", ".join(WEEKDAYS[day] for day in sorted(rule.weekdays))
    return f"{days} from {rule.from_hour:02}:00 to {rule.to_hour:02}:00 UTC"
