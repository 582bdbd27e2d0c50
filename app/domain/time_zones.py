"""The time zones that people and the agency choose from."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

UTC_ZONE = "UTC"
# Zones are listed by these names. The others are old spellings of them.
_REGIONS = (
    "Africa",
    "America",
    "Antarctica",
    "Asia",
    "Atlantic",
    "Australia",
    "Europe",
    "Indian",
    "Pacific",
)


@cache
def time_zones() -> tuple[str, ...]:
    """Return the names of all time zones that a person can choose, UTC first."""
    cities = (name for name in available_timezones() if name.startswith(_REGIONS) and "/" in name)
    return (UTC_ZONE, *sorted(cities))


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return the time zone with this name; UTC if this machine does not know it."""
    return ZoneInfo(name if name in time_zones() else UTC_ZONE)
