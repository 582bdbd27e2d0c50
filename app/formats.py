"""Format times, sizes and addresses, for pages and for e-mail."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from urllib.parse import urlsplit

_BYTES = ("B", "KB", "MB", "GB", "TB")
# Browsers also claim to be older ones, so the newest name is checked first.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def iso_time(at: datetime) -> str:
    """Return `2026-11-24T10:37:05Z`, for machines."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def time_in(zone: tzinfo, at: datetime) -> str:
    """Return `24 Nov 2026, 11:37:05 CET`, in a time zone."""
    at = at.astimezone(zone)
    return f"{at.day} {at:%b %Y, %H:%M:%S %Z}"


def day(value: date | str) -> str:
    """Return `24 Nov 2026`, also from ISO text."""
    at = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{at.day} {at:%b %Y}"


def day_if_one(text: str) -> str:
    """Return `14 Sep 2026` for the release time of a translation; other texts unchanged."""
    try:
        return day(text)
    except ValueError:
        return text


def file_size(count: int) -> str:
    """Return a size as `1.4 GB`, in decimal units."""
    size = float(count)
    for unit in _BYTES:
        if size < 1000 or unit == _BYTES[-1]:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable: the last unit always returns")


def duration(seconds: int) -> str:
    """Return `40 s`, `14 min`, `3 h 20 min` or `2 days 3 h`."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    text = counted(days, "day")
    return f"{text} {hours} h" if hours else text


def counted(count: int, one: str, more: str = "") -> str:
    """Return `1 site` or `3 sites`; `more` is a plural that is not `one` with an s."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def is_web_address(text: str) -> bool:
    """Whether the text is an http or https address with a host, so a page may link to it."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def browser_name(agent: str) -> str:
    """Return `Firefox on Linux` for a browser's user agent."""
    browser = next((name for token, name in _BROWSERS if token in agent), "")
    system = next((name for token, name in _SYSTEMS if token in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown browser"
