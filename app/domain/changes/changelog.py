"""Read the changelog of a new version from a site: untrusted text. Pure functions.

It is stored as plain text. If it is missing, the reason is stored.
"""

from __future__ import annotations

import unicodedata
from typing import Any

MAX_CHARS = 4096
MAX_LINES = 200
# Known sources. Others are not named.
SOURCES = ("api.wordpress.org",)
# The versions in between; the beginning, if versions are not separated; or the upgrade notice.
PARTS = ("versions", "beginning", "notice")
# Reasons for a missing changelog.
WHYS = ("elsewhere", "unreachable", "too_large", "unreadable", "none", "not_named")
UNNAMED = "unnamed"


def read(sent: object) -> dict[str, Any] | None:
    """Return the parts of a changelog with the right types; None if the site sends none."""
    if not isinstance(sent, dict):
        return None
    text = sent.get("text")
    if not isinstance(text, str):
        why = sent.get("why")
        return {"text": "", "why": why if why in WHYS else UNNAMED}
    shown, is_short = plain(text)
    part, source = sent.get("part"), sent.get("source")
    if not shown or part not in PARTS or source not in SOURCES:
        return {"text": "", "why": UNNAMED}
    is_cut = sent.get("cut") is True or is_short
    return {"text": shown, "part": part, "source": source, "is_cut": is_cut, "why": ""}


def plain(text: str) -> tuple[str, bool]:
    """Return lines of visible characters, and whether the end had to be cut.

    Control and formatting characters, which could move or reverse the text around them, are
    removed.
    """
    kept = text[:MAX_CHARS].replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    seen = "".join(char for char in kept if char == "\n" or _is_seen(char))
    lines = [line.rstrip() for line in seen.split("\n") if line.strip()]
    is_short = len(text) > MAX_CHARS or len(lines) > MAX_LINES
    return "\n".join(lines[:MAX_LINES]), is_short


def _is_seen(char: str) -> bool:
    # Cc, Cf, Cs, Co, Cn, and the two separators that break lines.
    return unicodedata.category(char)[0] != "C" and char not in "\u2028\u2029"
