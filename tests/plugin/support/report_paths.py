"""List the paths of the values in a report."""

from __future__ import annotations

from typing import Any


def paths(value: Any, at: str = "") -> set[str]:
    """Return the paths of all values in a report, with lists written as []."""
    if isinstance(value, dict):
        return {p for key, item in value.items() for p in paths(item, f"{at}.{key}" if at else key)}
    if isinstance(value, list):
        return {p for item in value for p in paths(item, f"{at}[]")}
    return {at}
