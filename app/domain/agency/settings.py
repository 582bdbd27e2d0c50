"""What an owner sets about the agency, with defaults from the environment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from app.config import Config
from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.agency import colors
from app.domain.agency.colors import DARK, LIGHT, Accent
from app.domain.audit.events import AgencyChanged
from app.domain.errors import Invalid
from app.domain.time_zones import UTC_ZONE, time_zones, zone_of
from app.models.agency import Agency

MAX_NAME_CHARS = 120


@dataclass(frozen=True)
class AgencySettings:
    """The settings in force. Each is empty where neither an owner nor the environment set it.

    `accent_dark` is also empty if Aura makes it from `accent`.
    """

    name: str = ""
    time_zone: str = UTC_ZONE
    accent: str = ""
    accent_dark: str = ""
    logo_digest: str = ""
    logo_width: int = 0
    logo_height: int = 0

    @property
    def zone(self) -> ZoneInfo:
        return zone_of(self.time_zone)

    @property
    def accents(self) -> tuple[Accent, Accent] | None:
        """Return the accent of the light and of the dark theme; None for Aura's own."""
        if not self.accent:
            return None
        dark = self.accent_dark or colors.nearest_readable(self.accent, DARK)
        return colors.accent_for(self.accent, LIGHT), colors.accent_for(dark, DARK)


def read_settings(config: Config) -> AgencySettings:
    """Return the settings in force."""
    return settings_in_force(Agency.read(), config)


def settings_in_force(row: Agency | None, config: Config) -> AgencySettings:
    """Return the settings that follow from a row; None if there is none yet."""
    row = row or Agency()
    return AgencySettings(
        name=row.name or config.agency,
        time_zone=row.time_zone,
        accent=row.accent,
        accent_dark=row.accent_dark,
        logo_digest=row.logo_digest,
        logo_width=row.logo_width,
        logo_height=row.logo_height,
    )


@dataclass(frozen=True)
class TypedSettings:
    """The texts of the form. An empty one restores the default."""

    name: str = ""
    time_zone: str = UTC_ZONE
    accent: str = ""
    accent_dark: str = ""


def change_settings(typed: TypedSettings, *, by: Actor, now: datetime) -> None:
    """Store the settings. Raises Forbidden, or Invalid with a message for each invalid field."""
    permissions.require(by, "agency")
    valid = _checked(typed)
    with permissions.user_transaction(by, "agency") as (_, present):
        row = Agency.read()
        changed = {
            field: [getattr(row, field), value]
            for field, value in asdict(valid).items()
            if getattr(row, field) != value
        }
        if changed:
            Agency.write(**{field: after for field, (_, after) in changed.items()})
            audit.record(AgencyChanged(changed=changed), present, now=now)


def _checked(typed: TypedSettings) -> TypedSettings:
    """Return the settings without spaces around them. Raises: Invalid."""
    wrong: dict[str, str] = {}
    found: dict[str, str] = {}
    for field, check in _CHECKS.items():
        try:
            found[field] = check(getattr(typed, field).strip())
        except Invalid as refusal:
            wrong |= refusal.messages
    if "accent" not in wrong and found.get("accent_dark") and not found["accent"]:
        wrong["accent"] = "Enter the color of the light theme as well."
    if wrong:
        field, message = next(iter(wrong.items()))
        raise Invalid(field, message, **wrong)
    return TypedSettings(**found)


def _name(text: str) -> str:
    if len(text) > MAX_NAME_CHARS:
        raise Invalid("name", f"Use at most {MAX_NAME_CHARS} characters.")
    if not text.isprintable():
        raise Invalid("name", "The name contains a character that cannot be printed.")
    return text


def _zone(text: str) -> str:
    if text not in time_zones():
        raise Invalid("time_zone", "Choose a time zone from the list.")
    return text


def _accent(text: str) -> str:
    color = colors.parse_color(text, "accent")
    if color:
        colors.require_readable(color, LIGHT, "accent")
    return color


def _accent_dark(text: str) -> str:
    color = colors.parse_color(text, "accent_dark")
    if color:
        colors.require_readable(color, DARK, "accent_dark")
    return color


_CHECKS = {"name": _name, "time_zone": _zone, "accent": _accent, "accent_dark": _accent_dark}
