"""Make characters visible that hide, reverse or break the text around them. Pure.

For names and code from packages, where what a person does not see may be the point.
"""

from __future__ import annotations

import unicodedata

# Line and paragraph separators break lines in some places and not in others.
_SEPARATORS = "\u2028\u2029"


def visible(text: str, at_most: int) -> str:
    r"""Return the beginning of a text, with `\u{202E}` for each character that is not seen."""
    shown = "".join(char if is_visible(char) else _name_of(char) for char in text[:at_most])
    return f"{shown}…" if len(text) > at_most else shown


def is_visible(char: str) -> bool:
    """Whether a character is seen: no control, formatting or unassigned one, and no separator."""
    return unicodedata.category(char)[0] != "C" and char not in _SEPARATORS


def _name_of(char: str) -> str:
    return f"\\u{{{ord(char):04X}}}"
