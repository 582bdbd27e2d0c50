"""How the owner of a site limits updates: a pause, hours in which they may start, a minimum age.

The owner sets them in wp-admin, and the site enforces them. Aura keeps them with the site, so that
it proposes and sends nothing that would be refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.inventory.report_schema import ReportInvalid
from app.models.fleet import FleetSite
from app.models.sites import Site

_MOST_HOURS = 10 * 365 * 24
_LATEST_MOMENT = 253402300799  # the last second of the year 9999


@dataclass(frozen=True)
class Pause:
    """A pause of all updates. `at` is None for one in wp-config.php."""

    at: datetime | None
    reason: str


def read_limits(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return the limits in checked site data as `Site.update_limits` holds them; None without any.

    `hours` are those of a maintenance window, see `change_times.Window`.

    Raises: ReportInvalid for days or hours that do not exist.
    """
    limits = (document.get("agent") or {}).get("limits") or {}
    kept: dict[str, Any] = {}
    if limits.get("paused"):
        kept["pause"] = {"at": _pause_time(limits), "reason": limits.get("reason", "")}
    window = limits.get("window") or {}
    if window.get("days"):
        kept["hours"] = _hours(window)
    if min_age := min_age_hours_in(document):
        kept["min_age_hours"] = min_age
    return kept or None


def min_age_hours_in(document: dict[str, Any]) -> int:
    """Return how long a site must have known a release before it installs it, in hours; 0 if not.

    Raises: ReportInvalid for less than 0 or more than ten years.
    """
    hours: int = ((document.get("agent") or {}).get("limits") or {}).get("min_age_hours", 0)
    if not 0 <= hours <= _MOST_HOURS:
        raise ReportInvalid("agent.limits.min_age_hours", "is not a valid age")
    return hours


def min_age_hours_of(site: Site) -> int:
    """Return the same from the last data of a site."""
    hours: int = (site.update_limits or {}).get("min_age_hours", 0)
    return hours


def pause_in(document: dict[str, Any]) -> Pause | None:
    """Return the pause in checked site data; None while updates may run."""
    return _pause((read_limits(document) or {}).get("pause"))


def pause_of(site: Site | FleetSite) -> Pause | None:
    """Return the pause in the last data of a site; None while updates may run."""
    return _pause((site.update_limits or {}).get("pause"))


def _pause(stored: dict[str, Any] | None) -> Pause | None:
    if stored is None:
        return None
    at = stored["at"]
    return Pause(None if at is None else datetime.fromtimestamp(at, UTC), stored["reason"])


def _pause_time(limits: dict[str, Any]) -> int | None:
    at = limits.get("paused_at")
    if at is None or 0 <= at <= _LATEST_MOMENT:
        return at
    raise ReportInvalid("agent.limits.paused_at", "is not a valid time")


def _hours(window: dict[str, Any]) -> dict[str, Any]:
    days = set(window["days"])
    begins, ends = window.get("from_hour"), window.get("to_hour")
    if not days <= set(range(1, 8)):
        raise ReportInvalid("agent.limits.window.days", "are no days of the week")
    if begins is None or ends is None or not (0 <= begins <= 23 and 1 <= ends <= 24):
        raise ReportInvalid("agent.limits.window", "has no valid hours")
    if begins == ends:
        raise ReportInvalid("agent.limits.window", "begins when it ends")
    return {
        "weekdays": sorted(day - 1 for day in days),
        "from_hour": begins,
        "to_hour": ends,
        "time_zone": window.get("time_zone", ""),
    }
