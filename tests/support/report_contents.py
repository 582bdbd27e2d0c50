"""The content of two client reports: one with everything, and one with almost nothing.

No value has a letter, so that each letter of a rendered report comes from its templates.
"""

from __future__ import annotations

from typing import Any

_STATES = ["up"] * 8 + ["down"] + ["up"] * 12 + ["", "unknown"] + ["degraded"] + ["up"] * 6
_CHANGES = (
    *("succeeded", "rolled_back", "failed", "unknown", "refused", "running", "approved"),
    "rejected",
)

A_QUIET_MONTH: dict[str, Any] = {
    "client": "4711",
    "agency": "",
    "zone": "Europe/Berlin",
    "uptime_zone": "Europe/Berlin",
    "first_day": "2026-11-01",
    "last_day": "2026-11-30",
    "created_at": "2026-12-01T06:00:10+00:00",
    "sites": 1,
    "uptime": {
        "hundredths": 10_000,
        "down_s": 0,
        "outages": 0,
        "uncertain_days": 0,
        "unwatched_sites": 0,
        "states": ["up"] * 30,
    },
    "updates": 0,
    "done": [],
    "more_done": 0,
    "restored": [],
    "looked_after": [],
    "checks": {"made": 0, "answered": 0},
    "working": [],
    "recommended": [],
    "details": [],
    "usual": [],
    "digest": "00",
    "head": None,
}
A_ROUGH_MONTH: dict[str, Any] = {
    **A_QUIET_MONTH,
    "agency": "815",
    "uptime_zone": "Etc/1",
    "zone": "Europe/Berlin",
    "sites": 3,
    "uptime": {
        "hundredths": 9993,
        "down_s": 187_200,
        "outages": 2,
        "uncertain_days": 2,
        "unwatched_sites": 1,
        "states": _STATES,
    },
    "updates": 1204,
    "done": [
        {"name": "1", "version": "2.0", "count": 3, "sites": 3},
        {"name": "2", "version": "3.1", "count": 1, "sites": 1},
    ],
    "more_done": 4,
    "restored": [{"name": "3", "version": "2.9", "site": "7"}],
    "looked_after": [{"name": "3", "version": "2.9", "site": "7"}],
    "checks": {"made": 2000, "answered": 1998},
    "working": [
        {"code": code, "site": "7", "name": "3", "to": "2.9", "at": "2026-11-09T13:00:00+00:00"}
        for code in ("alert", "incident", "not_known", "connection", "no_report", "stale")
    ],
    "recommended": [
        {"code": code, "site": "7", "name": "3", "php": "8.1", "ends": "2026-12-31", "count": "4"}
        for code in ("php_ended", "php_ends", "waiting", "barred", "held")
    ],
    "details": [
        {
            "name": "7",
            "url": "7.7",
            "is_removed": True,
            "wordpress": "7.1.4",
            "php": "8.1.2",
            "components": 14,
            "uptime": 9993,
            "states": _STATES,
            "outages": [
                {"at": "2026-11-09T13:00:00+00:00", "seconds": 1020, "is_over": True},
                {"at": "2026-11-30T13:00:00+00:00", "seconds": 60, "is_over": False},
            ],
            "more_outages": 2,
            "updates": [
                {"at": "2026-11-24T12:00:00+00:00", "name": "3", "from": "1", "to": "2",
                 "state": state}
                for state in _CHANGES
            ],
            "checks": {"made": 1204, "answered": 699, "not_made": 2},
            "gaps": [
                {"from": "2026-11-03T00:00:00+00:00", "to": "2026-11-04T00:00:00+00:00", "why": "x"}
            ],
        },
        {
            "name": "8",
            "url": "8.8",
            "is_removed": False,
            "wordpress": "",
            "php": "",
            "components": 0,
            "uptime": None,
            "states": [],
            "outages": [],
            "more_outages": 0,
            "updates": [],
            "checks": {"made": 0, "answered": 0, "not_made": 0},
            "gaps": [],
        },
    ],
    "usual": [{"name": "3", "version": "2.9", "count": 40, "sites": 2}],
    "head": {"seq": 4711, "hash": "00"},
}  # fmt: skip
