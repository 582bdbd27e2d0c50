"""Fill in what a stored site report lacks, so that pages can read all of it."""

from __future__ import annotations

from functools import cache
from typing import Any

from app.domain.inventory import report_schema

# The parts of a report of which pages read every field.
_PARTS = frozenset({"wordpress", "php", "database", "server", "updates", "health"})


def whole_document(
    document: dict[str, Any], pattern: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return `document` with every field of these parts; what an older plugin lacks is empty."""
    pattern = _empty_parts() if pattern is None else pattern
    filled = dict(document)
    for key, usual in pattern.items():
        if isinstance(usual, dict):
            filled[key] = whole_document(document.get(key) or {}, usual)
        else:
            filled.setdefault(key, usual)
    return filled


@cache
def _empty_parts() -> dict[str, Any]:
    """Return each field of these parts with an empty value, None for numbers and flags."""
    found: dict[str, Any] = {}
    for field in report_schema.fields():
        path, is_list, _ = field.path.partition("[]")
        *parents, name = path.split(".")
        if parents and parents[0] in _PARTS:
            part = found
            for parent in parents:
                part = part.setdefault(parent, {})
            part[name] = [] if is_list else "" if field.type == "string" else None
    return found
