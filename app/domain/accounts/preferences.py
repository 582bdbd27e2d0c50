"""How Aura looks to one person: the theme, and the time zone of times on pages."""

from __future__ import annotations

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import PreferencesChanged
from app.domain.errors import Invalid
from app.domain.time_zones import time_zones
from app.models.accounts import THEMES, User


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
