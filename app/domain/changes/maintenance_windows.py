"""Maintenance windows: set and remove one. When they are open is in change_times.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import MaintenanceWindowRemoved, MaintenanceWindowSet
from app.domain.changes.change_times import Window
from app.domain.changes.rule_hours import WEEKDAYS
from app.domain.errors import Invalid, StaleState
from app.domain.time_zones import time_zones
from app.models.clients import Client
from app.models.sites import Site


def set_window(
    owner: Client | Site, terms: Window, *, by: Actor, confirmed_at: datetime, now: datetime
) -> None:
    """Set the window of a client's sites, or of one site, instead of the former one.

    Raises Forbidden, ReauthenticationRequired, or Invalid with a message for each field.
    """
    permissions.require(by, "lift")
    permissions.require_recent_authentication(confirmed_at, now)
    Invalid.raise_for(_problems(terms))
    with permissions.user_transaction(by, "lift", owner) as (_, present):
        owner.refresh()
        before = Window.of(owner)
        window = replace(terms, weekdays=tuple(sorted(set(terms.weekdays))))
        owner.set_window(asdict(window))
        event = MaintenanceWindowSet(
            **_about(owner),
            covers=owner.name,
            window=in_words(window),
            before=in_words(before) if before else "",
        )
        audit.record(event, present, now=now)


def remove_window(
    owner: Client | Site, *, by: Actor, confirmed_at: datetime, now: datetime
) -> None:
    """Remove the window that was set for this client or site itself.

    Raises Forbidden, ReauthenticationRequired, or StaleState if there is none.
    """
    permissions.require(by, "lift")
    permissions.require_recent_authentication(confirmed_at, now)
    with permissions.user_transaction(by, "lift", owner) as (_, present):
        owner.refresh()
        before = Window.of(owner)
        if before is None:
            raise StaleState(f"{owner.name} has no maintenance window of its own.")
        owner.set_window(None)
        event = MaintenanceWindowRemoved(
            **_about(owner), covers=owner.name, before=in_words(before)
        )
        audit.record(event, present, now=now)


def hand_over(client: Client, sites: Sequence[Site]) -> None:
    """Keep the window of a client that is merged into another one, for each of its sites."""
    for site in sites:
        if site.maintenance_window is None:
            site.set_window(client.maintenance_window)


def in_words(window: Window) -> str:
    """Return a window as `Mon–Thu 02:00–05:00 (Europe/Berlin)`."""
    zone = window.time_zone.replace("_", " ")
    return (
        f"{_days_in_words(window.weekdays)} {window.from_hour:02}:00–{window.to_hour:02}:00 "
        f"({f'UTC{zone}' if zone.startswith(('+', '-')) else zone})"
    )


def _about(owner: Client | Site) -> dict[str, int]:
    return {"client_id" if isinstance(owner, Client) else "site_id": owner.id}


def _days_in_words(weekdays: Sequence[int]) -> str:
    """Return `every day`, `Mon–Thu` for days in a row, or all of them."""
    if len(weekdays) == len(WEEKDAYS):
        return "every day"
    first, last = weekdays[0], weekdays[-1]
    if len(weekdays) > 2 and last - first == len(weekdays) - 1:
        return f"{WEEKDAYS[first]}–{WEEKDAYS[last]}"
    return ", ".join(WEEKDAYS[day] for day in weekdays)


def _problems(terms: Window) -> dict[str, str]:
    problems: dict[str, str] = {}
    if not terms.weekdays or not set(terms.weekdays) <= set(range(7)):
        problems["weekdays"] = "Choose at least one day."
    if not (0 <= terms.from_hour <= 23 and 1 <= terms.to_hour <= 24):
        problems["from_hour"] = "Choose the first and the last hour."
    elif terms.from_hour == terms.to_hour:
        problems["from_hour"] = "Choose two different hours."
    if terms.time_zone not in time_zones():
        problems["time_zone"] = "Choose a time zone from the list."
    return problems
