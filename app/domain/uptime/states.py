"""How a site stands after a check. Pure: three strikes, and what the time before it counts as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.models.uptime import DEGRADED, DOWN, MAINTENANCE, UNKNOWN, UP, SiteWatch

# So many checks in a row, each on a new connection, before a site counts as down or slow.
STRIKES = 3
# How long after a strike the next check is.
RETRY = timedelta(seconds=45)
# A check may be so late before the time without checks is a gap.
_LATE = timedelta(minutes=3)
# Time zones differ by quarters of an hour.
_QUARTER_S = 900


@dataclass(frozen=True)
class UptimeState:
    """A state, and how many checks in a row were not fine, and failed."""

    state: str = ""
    strikes: int = 0
    failures: int = 0
    down_since: datetime | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether the next check decides, and comes soon."""
        if self.state == DOWN or not self.strikes:
            return False
        return self.failures > 0 or self.strikes < STRIKES

    @classmethod
    def of(cls, watch: SiteWatch) -> UptimeState:
        return cls(watch.state, watch.strikes, watch.failures, watch.down_since)


def next_state(before: UptimeState, result: str, since: datetime) -> UptimeState:
    """Return how the site stands after a check with this result.

    `since` is when failing checks began; an outage begins then. An outage ends with the
    first page that is delivered, and neither maintenance nor what Aura cannot tell ends it.
    """
    if result == UP:
        return UptimeState(UP)
    if result in (MAINTENANCE, UNKNOWN):
        return UptimeState(result, down_since=before.down_since)
    strikes = before.strikes + 1
    if result == DEGRADED:
        was_down = before.down_since is not None
        is_sure = strikes >= STRIKES or was_down
        return UptimeState(DEGRADED if is_sure else before.state, max(strikes, STRIKES * was_down))
    failures = before.failures + 1
    if failures >= STRIKES or before.down_since is not None:
        return UptimeState(DOWN, strikes, failures, before.down_since or since)
    return UptimeState(before.state, strikes, failures)


@dataclass(frozen=True)
class Stretch:
    """Seconds from `begins` to `ends` that count as `state`."""

    begins: datetime
    ends: datetime
    state: str

    @property
    def seconds(self) -> int:
        return round((self.ends - self.begins).total_seconds())


def counted_stretch(
    watch: SiteWatch, before: UptimeState, after: UptimeState, at: datetime
) -> Stretch | None:
    """Return the time that can be counted now; None while the verdict is still open.

    Time without checks belongs to no state: Aura may have been off.
    """
    begins = watch.counted_until
    if begins is None or watch.checked_at is None:
        return None
    if before.is_in_doubt and after.is_in_doubt and (before.failures > 0) == (after.failures > 0):
        return None
    ends = min(at, watch.checked_at + timedelta(minutes=watch.every_minutes) + _LATE)
    # What was in doubt was the beginning of what is certain now.
    is_decided = before.is_in_doubt and after.state != UP and not after.is_in_doubt
    state = after.state if is_decided else before.state
    return Stretch(begins, ends, state) if state and ends > begins else None


def split(stretch: Stretch, zone: ZoneInfo) -> Iterator[tuple[int, int, int]]:
    """Yield the parts of a stretch as hours since 1970, ordinal of the day, and seconds."""
    parts: Counter[tuple[int, int]] = Counter()
    at, end = round(stretch.begins.timestamp()), round(stretch.ends.timestamp())
    while at < end:
        until = min(end, (at // _QUARTER_S + 1) * _QUARTER_S)
        day = datetime.fromtimestamp(at, zone).date().toordinal()
        parts[at // 3600, day] += until - at
        at = until
    yield from ((hour, day, seconds) for (hour, day), seconds in parts.items())
