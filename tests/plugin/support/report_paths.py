"""List the places of values in a report."""

from __future__ import annotations

from typing import Any


def paths(value: Any, at: str = "") -> set[str]:
    """Every place of a value in a report, lists written as []."""
    if isinstance(value, dict):
        return {
            one for key, item in value.items() for one in paths(item, f"{at}.{key}" if at else key)
        }
    if isinstance(value, list):
        return {one for item in value for one in paths(item, f"{at}[]")}
    return {at}
