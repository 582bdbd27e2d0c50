"""Rules for text that people type as a name, a reason or a note."""

from __future__ import annotations

import re

from app.domain.errors import Invalid

MAX_REASON_CHARS = 500

# Control characters, and those that turn the direction of text: with U+202E, "evil" reads "live".
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def has_hidden_characters(text: str) -> bool:
    """Whether a name does not read as it is stored."""
    return _HIDDEN.search(text) is not None


def name_problem(text: str, most: int) -> str:
    """Return what is wrong with a name of at most `most` characters; empty if nothing is."""
    if len(text) > most:
        return f"At most {most} characters."
    if not text.isprintable() or has_hidden_characters(text):
        return "The name contains a character that cannot be printed."
    return ""


def check_reason(text: str, field: str = "reason") -> None:
    """Raise Invalid for a reason or note of more than MAX_REASON_CHARS characters."""
    if len(text) > MAX_REASON_CHARS:
        raise Invalid(field, f"At most {MAX_REASON_CHARS} characters.")


def require_reason(text: str, field: str = "reason") -> None:
    """Raise Invalid without a reason, or for one of more than MAX_REASON_CHARS characters."""
    if not 0 < len(text) <= MAX_REASON_CHARS:
        raise Invalid(field, f"Enter a reason of at most {MAX_REASON_CHARS} characters.")


def one_line(text: str, most: int) -> str:
    """Return text from outside on one line of at most `most` characters, for an e-mail.

    Control characters and those that turn the direction of text become spaces. An address of the
    web loses its scheme, so that no mail program makes a link of it.
    """
    visible = "".join(one if one.isprintable() else " " for one in text)
    line = " ".join(visible.replace("://", " ").split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
