"""Read siteagent.pot, and make a binary translation for every text in it."""

from __future__ import annotations

import re
import struct
from ast import literal_eval

_HEAD = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"


def messages(template: str) -> dict[str, str]:
    """Return the plural of each text, by its singular; a text without one has itself.

    `template` has each text on one line, as make-pot writes it.
    """
    found = {}
    for singular, plural in re.findall(
        r'^msgid (".+")\n(?:msgid_plural (".+")\n)?', template, re.MULTILINE
    ):
        # PO files quote as Python does.
        text = literal_eval(singular)
        if text:
            found[text] = literal_eval(plural) if plural else text
    return found


def compile_mo(template: str, before: str) -> bytes:
    """Return a MO file in which the translation of each text is the text after `before`."""
    pairs = {"": _HEAD}
    for singular, plural in messages(template).items():
        if plural == singular:
            pairs[singular] = before + singular
        else:
            pairs[f"{singular}\0{plural}"] = f"{before}{singular}\0{before}{plural}"
    # Sorted by the bytes of the original, as the format demands.
    rows = sorted((msgid.encode(), msgstr.encode()) for msgid, msgstr in pairs.items())
    start = 28 + 16 * len(rows)
    originals, translations, data = b"", b"", b""
    for original, translation in rows:
        originals += struct.pack("<2I", len(original), start + len(data))
        data += original + b"\0"
        translations += struct.pack("<2I", len(translation), start + len(data))
        data += translation + b"\0"
    head = (0x950412DE, 0, len(rows), 28, 28 + 8 * len(rows), 0, start)
    return struct.pack("<7I", *head) + originals + translations + data
