"""The vectors of an owner's limits: which versions are patch releases, and when hours are open."""

from __future__ import annotations

from datetime import datetime
from typing import Any

NIGHTS = {"days": [1, 2, 3, 4, 5, 6, 7], "from_hour": 1, "to_hour": 5}
WEEKEND = {"days": [6, 7], "from_hour": 0, "to_hour": 24}
FRIDAY_NIGHT = {"days": [5], "from_hour": 22, "to_hour": 6}
CLOCK_CHANGE = {"days": [7], "from_hour": 2, "to_hour": 3}


def release_types() -> list[dict[str, Any]]:
    """Return pairs of versions, each with `is_patch`: null if that cannot be decided."""
    cases: list[tuple[str, str, bool | None]] = [
        ("9.4.1", "9.4.2", True),
        ("9.4.1", "9.4.10", True),
        ("9.4", "9.4.1", True),
        ("9.4.0", "9.4", False),
        ("9.4.1", "9.5.0", False),
        ("9.4", "9.5", False),
        ("9.4.1", "10.4.2", False),
        ("9.4.2", "9.4.1", False),
        ("9.4.1", "9.4.1", False),
        ("2.3.1.4", "2.3.1.5", True),
        ("2.3.1.4", "2.3.2", True),
        ("2.3.1.4", "2.3.1", False),
        ("2.3.1", "2.3.1.1", True),
        ("2.3.1.4", "2.4.1.5", False),
        ("9", "9.0.1", None),
        ("9", "10", None),
        ("1.2.3.4.5", "1.2.3.4.6", None),
        ("9.4.1", "9.4.2-beta1", None),
        ("9.4.2-RC1", "9.4.2", None),
        ("9.4.1", "9.4.2+build.7", None),
        ("9.4.1", "v9.4.2", None),
        ("9.4.1", "9.4.2 ", None),
        ("9.4.1", "9.4.2\n", None),
        ("9.4.1", "9.4.", None),
        ("9.4.1", "9.4.٢", None),
        ("9.4.1", "9.4.1234567890", None),
        ("", "9.4.2", None),
    ]
    return [dict(zip(("from", "to", "is_patch"), case, strict=True)) for case in cases]


def update_windows() -> list[dict[str, Any]]:
    """Return moments, each with a window, a time zone, and whether an update may start."""
    berlin, kolkata, offset = "Europe/Berlin", "Asia/Kolkata", "+05:30"
    cases: list[tuple[str, dict[str, Any], str, str, bool]] = [
        ("before the first hour", NIGHTS, berlin, "2026-11-30T00:59:59+01:00", False),
        ("in its first second", NIGHTS, berlin, "2026-11-30T01:00:00+01:00", True),
        ("in its last second", NIGHTS, berlin, "2026-11-30T04:59:59+01:00", True),
        ("at its end", NIGHTS, berlin, "2026-11-30T05:00:00+01:00", False),
        ("the hours are the site's", NIGHTS, kolkata, "2026-11-30T00:00:00+00:00", False),
        ("an offset for a zone", NIGHTS, offset, "2026-11-29T20:00:00+00:00", True),
        ("an offset, too late", NIGHTS, offset, "2026-11-29T23:30:00+00:00", False),
        ("the whole day", WEEKEND, berlin, "2026-11-28T00:00:00+01:00", True),
        ("until midnight", WEEKEND, berlin, "2026-11-29T23:59:59+01:00", True),
        ("after midnight", WEEKEND, berlin, "2026-11-30T00:00:00+01:00", False),
        ("before midnight", FRIDAY_NIGHT, berlin, "2026-11-27T23:00:00+01:00", True),
        ("past midnight", FRIDAY_NIGHT, berlin, "2026-11-28T05:59:59+01:00", True),
        ("on the day before", FRIDAY_NIGHT, berlin, "2026-11-27T05:00:00+01:00", False),
        ("clocks put back, first time", CLOCK_CHANGE, berlin, "2026-10-25T02:30:00+02:00", True),
        ("clocks put back, again", CLOCK_CHANGE, berlin, "2026-10-25T02:30:00+01:00", True),
        ("clocks put back, over", CLOCK_CHANGE, berlin, "2026-10-25T03:00:00+01:00", False),
        ("clocks put forward", CLOCK_CHANGE, berlin, "2026-03-29T03:00:00+02:00", False),
        ("clocks put forward, before", CLOCK_CHANGE, berlin, "2026-03-29T01:59:59+01:00", False),
    ]
    return [
        {
            "name": name,
            "window": {**window, "time_zone": zone},
            "at": int(datetime.fromisoformat(at).timestamp()),
            "is_open": is_open,
        }
        for name, window, zone, at, is_open in cases
    ]
