"""Limits for text that people type as a reason or a note."""

from __future__ import annotations

from app.domain.errors import Invalid

MAX_REASON_CHARS = 500


def check_reason(text: str) -> None:
    """Raise Invalid for a reason or note of more than MAX_REASON_CHARS characters."""
    if len(text) > MAX_REASON_CHARS:
        raise Invalid("reason", f"At most {MAX_REASON_CHARS} characters.")
