"""Parse and compare tags, short labels for sites. Pure functions.

Tags decide which auto-update rules apply, so tags that look alike must be equal: invisible
characters are refused, and width and case are folded.
"""

from __future__ import annotations

import string
import unicodedata

from app.domain.errors import Invalid

MAX_CHARS = 30
MAX_TAGS = 20
SEPARATOR = ","

# Enough for twenty tags in any spelling. Longer texts are not normalized, because that takes
# quadratic time for many combining characters.
_MAX_TEXT_CHARS = 4000
_MAX_SPELLED_CHARS = 4 * MAX_CHARS
_PUNCTUATION = frozenset(string.punctuation) - {SEPARATOR, '"'}
# Letters, combining characters and digits of any script. No emoji and typographic quotes,
# with which a tag could imitate Aura's own texts.
_KINDS = ("L", "M", "N")
# Letters and combining characters by category, but invisible on the screen.
_UNSEEN = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)


def read(text: str) -> dict[str, str]:
    """Parse a comma-separated text; return the tags by their comparison key.

    Each tag appears once, as first written.

    Raises: Invalid('tags', …) naming the invalid one.
    """
    if len(text) > _MAX_TEXT_CHARS:
        raise Invalid("tags", f"At most {MAX_TAGS} tags.")
    found: dict[str, str] = {}
    for part in text.split(SEPARATOR):
        if len(part.strip()) > _MAX_SPELLED_CHARS:
            raise _too_long(part.strip())
        tag = _one_spelling(part)
        if tag:
            _require_usable(tag)
            found.setdefault(fold(tag), tag)
    if len(found) > MAX_TAGS:
        raise Invalid("tags", f"At most {MAX_TAGS} tags.")
    return dict(sorted(found.items()))


def fold(tag: str) -> str:
    """Return the comparison key of a tag: `VIP`, `vip` and `ｖｉｐ` are equal."""
    return unicodedata.normalize("NFKC", _one_spelling(tag).casefold())


def written(tags: dict[str, str]) -> str:
    """Return the text that `read` parses into these tags."""
    return f"{SEPARATOR} ".join(tags.values())


def difference(tags: dict[str, str], others: dict[str, str]) -> str:
    """Return the tags that `others` lacks or spells differently, as an audit entry names them."""
    return f"{SEPARATOR} ".join(text for key, text in tags.items() if others.get(key) != text)


def _one_spelling(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _require_usable(tag: str) -> None:
    if len(tag) > MAX_CHARS:
        raise _too_long(tag)
    if not all(_is_usable(char) for char in tag):
        raise Invalid(
            "tags",
            f"“{tag}” is not a valid tag. Use letters, digits, spaces and simple punctuation.",
        )


def _too_long(tag: str) -> Invalid:
    return Invalid("tags", f"“{tag[:MAX_CHARS]}…” is longer than {MAX_CHARS} characters.")


def _is_usable(char: str) -> bool:
    if char == " " or char in _PUNCTUATION:
        return True
    return unicodedata.category(char)[0] in _KINDS and ord(char) not in _UNSEEN
