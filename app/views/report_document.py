"""Fill in what a stored site report lacks, so that pages can read all of it."""

from __future__ import annotations

from typing import Any

# A report of an older plugin may lack fields that were declared later. Pages
# read a whole document, in which a missing field is None or empty.
_WHOLE: dict[str, Any] = {
    "wordpress": {
        "version": "",
        "locale": "",
        "multisite": None,
        "environment": "",
        "debug": None,
    },
    "php": {
        "version": "",
        "memory_limit": "",
        "max_execution_time": None,
        "extensions_missing": [],
    },
    "database": {"server": "", "version": ""},
    "server": {"software": ""},
    "updates": {
        "plugins": [],
        "themes": [],
        "translations": [],
        "core": [],
        "as_in_admin": None,
        "checked_at": {"plugins": None, "themes": None, "core": None},
    },
    "health": {
        "tests": [],
        "https": None,
        "cron_overdue": None,
        "disk_free": None,
        "filesystem": "",
        "file_mods": None,
        "auto_updater": None,
        "auto_updates": {
            "core_minor": None,
            "core_major": None,
            "core_dev": None,
            "translations": None,
        },
    },
}


def whole_document(
    document: dict[str, Any], pattern: dict[str, Any] | None = None
) -> dict[str, Any]:
    """`document` with every place a page reads filled in."""
    pattern = _WHOLE if pattern is None else pattern
    filled = dict(document)
    for key, usual in pattern.items():
        if isinstance(usual, dict):
            filled[key] = whole_document(document.get(key) or {}, usual)
        else:
            filled.setdefault(key, usual)
    return filled
