"""The time zones that people and the agency choose from."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

UTC_ZONE = "UTC"
_OFFSET = re.compile(r"(?P<sign>[+-])(?P<hours>0\d|1[0-4]):(?P<minutes>[0-5]\d)", re.ASCII)
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


@cache
def zone_of_site(name: str) -> tzinfo | None:
    """Return the time zone that WordPress calls this, such as `Europe/Berlin` or `+05:30`.

    None if this machine does not know it.
    """
    offset = _OFFSET.fullmatch(name)
    if offset:
        sign = -1 if offset["sign"] == "-" else 1
        return timezone(
            sign * timedelta(hours=int(offset["hours"]), minutes=int(offset["minutes"]))
        )
    return ZoneInfo(name) if name in available_timezones() else None
