"""Template filters that format times, sizes, addresses and hashes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from flask import Flask, g, has_app_context, has_request_context
from flask_login import current_user

from app.domain.audit import entry_document
from app.domain.audit.subjects import event_subject
from app.domain.inventory.targets import Target, translation_ident
from app.domain.inventory.versions import UNCLEAR
from app.domain.sites.urls import short_address
from app.domain.time_zones import UTC_ZONE, zone_of
from app.formats import (
    browser_name,
    counted,
    day,
    day_if_one,
    duration,
    file_size,
    is_web_address,
    iso_time,
    time_in,
)
from app.models.audit import AuditEntry
from app.views.entry_groups import entry_groups

_STEPS = ((60, 1, "second"), (3600, 60, "minute"), (86400, 3600, "hour"), (2592000, 86400, "day"))
_OUTCOME_SYMBOLS = {
    "succeeded": "circle-check",
    "failed": "octagon-x",
    "rolled_back": "undo",
    "refused": "circle-slash",
    "unknown": "circle-alert",
}
_SUBJECT_SYMBOLS = {
    "accounts": "user",
    "audit": "shield-check",
    "changes": "circle-arrow-up",
    "connection": "unplug",
    "mail": "mail",
    "reports": "file-text",
    "second_factors": "user",
    "sites": "layout-grid",
}


def register(app: Flask) -> None:
    """Add the filters to the templates of `app`."""
    for function in _FILTERS:
        app.add_template_filter(function)


def full_time(at: datetime) -> str:
    """Return `24 Nov 2026, 10:37:05 UTC`, for evidence; client reports have their own zone."""
    return time_in(g.get("document_zone", UTC) if has_app_context() else UTC, at)


def use_document_zone(zone: ZoneInfo) -> None:
    """Show the times of the document that this request renders in its own time zone."""
    g.document_zone = zone


def local_time(at: datetime) -> str:
    """Return `24 Nov 2026, 11:37:05 CET`, in the time zone of the signed-in user."""
    return time_in(user_zone(), at)


def local_date(at: datetime) -> str:
    """Return `24 Nov 2026`, in the time zone of the signed-in user."""
    return day(at.astimezone(user_zone()).date())


def user_zone() -> ZoneInfo:
    is_known = has_request_context() and current_user and current_user.is_authenticated
    return zone_of(current_user.time_zone if is_known else UTC_ZONE)


def short_day(at: date) -> str:
    """Return `24 Nov`."""
    return f"{at.day} {at:%b}"


def weekday_date(at: datetime) -> str:
    """Return `Thursday, November 26`, in the time zone of the signed-in user."""
    at = at.astimezone(user_zone())
    return f"{at:%A, %B} {at.day}"


def initial(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def words(name: str) -> str:
    """Return an identifier as words: `rolled_back` becomes `rolled back`."""
    return name.replace("_", " ")


def words_of(name: str) -> tuple[str, str]:
    """Return the identifier and its words, for an option of a form."""
    return name, initial(words(name))


def ago(at: datetime, now: datetime | None = None) -> str:
    """Return `4 minutes ago` or `in 29 minutes`; a date if it is far away."""
    seconds = round(((now or datetime.now(UTC)) - at).total_seconds())
    if abs(seconds) < 5:
        return "just now"
    if abs(seconds) >= 2592000:
        return local_date(at)
    text = span(abs(seconds))
    return f"{text} ago" if seconds > 0 else f"in {text}"


def ago_short(at: datetime) -> str:
    """Return `ago` for a narrow column: `4 min ago`, `16 sec ago`."""
    return re.sub(r"\b(min|sec)(ute|ond)s?\b", r"\1", ago(at))


def span(seconds: int) -> str:
    """Return a duration in its largest whole unit: `3 hours`."""
    for limit, size, unit in _STEPS:
        if seconds < limit:
            return counted(seconds // size, unit)
    return f"{seconds // 86400} days"


def rest_time(hours: int) -> str:
    """Return a rest period: `48 hours`, `7 days`, or `not at all`."""
    if hours == 0:
        return "not at all"
    if hours % 24 == 0 and hours > 48:
        return f"{hours // 24} days"
    return counted(hours, "hour")


def day_heading(at: date, today: date | None = None) -> str:
    """Return `Today`, `Yesterday` or `Tuesday, 24 Nov 2026`, the heading of a day's entries."""
    age = ((today or local_day(datetime.now(UTC))) - at).days
    return {0: "Today", 1: "Yesterday"}.get(age) or f"{at:%A}, {day(at)}"


def local_day(at: datetime) -> date:
    """Return the day on which this is in the time zone of the signed-in user."""
    return at.astimezone(user_zone()).date()


def clock_time(at: datetime) -> str:
    """Return `09:18` in the time zone of the signed-in user, below the heading of its day."""
    return f"{at.astimezone(user_zone()):%H:%M}"


def entry_symbol(entry: AuditEntry) -> str:
    """Return the icon for an entry: how it ended, or what it is about."""
    if entry.event == "alert_raised":
        return "octagon-x"
    known = _OUTCOME_SYMBOLS.get(entry.outcome)
    return known or _SUBJECT_SYMBOLS.get(event_subject(entry.event), "circle-dot")


def release_size(target: Target) -> str:
    """Return the size of an available update: patch, minor, major or unclear."""
    if target.kind == "translation":
        return UNCLEAR
    return target.release_type_to(target.available or "")


def from_unix(seconds: int) -> datetime:
    """Return the time of a site's Unix seconds; extreme values become the nearest limit."""
    return datetime.fromtimestamp(min(max(seconds, 0), 253402300799), UTC)


def short_hash(text: str) -> str:
    """Return the first twelve characters of a hash."""
    return text[:12]


def stamp(text: str) -> str:
    """Return an ISO time as `full_time` shows it; any other text stays as it is."""
    try:
        return full_time(datetime.fromisoformat(text))
    except ValueError:
        return text


def siteagent_settings(home: str, is_multisite: bool = False, tab: str = "") -> str:
    """Return the address of SiteAgent's settings in the site's wp-admin."""
    page = "network/settings.php" if is_multisite else "options-general.php"
    return f"{home}/wp-admin/{page}?page=siteagent{f'&tab={tab}' if tab else ''}"


_FILTERS = (
    iso_time,
    full_time,
    local_time,
    local_date,
    day,
    short_day,
    weekday_date,
    day_if_one,
    initial,
    words,
    words_of,
    ago,
    ago_short,
    span,
    rest_time,
    duration,
    day_heading,
    clock_time,
    entry_symbol,
    release_size,
    file_size,
    is_web_address,
    from_unix,
    short_hash,
    stamp,
    siteagent_settings,
    short_address,
    entry_document,
    entry_groups,
    translation_ident,
    browser_name,
    counted,
)
