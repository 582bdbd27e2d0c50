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


def check_reason(text: str) -> None:
    """Raise Invalid for a reason or note of more than MAX_REASON_CHARS characters."""
    if len(text) > MAX_REASON_CHARS:
        raise Invalid("reason", f"At most {MAX_REASON_CHARS} characters.")


def one_line(text: str, most: int) -> str:
    """Return text from outside on one line of at most `most` characters, for an e-mail.

    Control characters and those that turn the direction of text become spaces. An address of the
    web loses its scheme, so that no mail program makes a link of it.
    """
    visible = "".join(one if one.isprintable() else " " for one in text)
    line = " ".join(visible.replace("://", " ").split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
