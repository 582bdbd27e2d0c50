"""How Aura looks to one person: the theme, and the time zone of times on pages."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import PreferencesChanged
from app.domain.errors import Invalid
from app.models.accounts import THEMES, UTC_ZONE, User

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


def change_preferences(*, theme: str, time_zone: str, by: Actor) -> bool:
    """Save how Aura looks to this person; return False if nothing is new.

    Raises: Invalid for an unknown theme or time zone.
    """
    if theme not in THEMES:
        raise Invalid("theme", "Choose one of the themes.")
    if time_zone not in time_zones():
        raise Invalid("time_zone", "Choose a time zone from the list.")
    with permissions.user_transaction(by, "account") as (_, present):
        if not User.get_by_id(present.id).set_preferences(theme, time_zone):
            return False
        audit.record(PreferencesChanged(theme=theme, time_zone=time_zone), present)
    return True
