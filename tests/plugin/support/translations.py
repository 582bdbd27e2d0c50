"""Publish a translation on the WordPress.org of a test site."""

from __future__ import annotations

import json

from tests.plugin.support.changing import (
    php_text,
    publish,
)
from tests.wordpress.repository import EMPTY_MO

GERMAN = "plugin:contact-desk:de_DE"


FIRST, SECOND = "2026-09-14 08:30:00", "2026-10-20 09:00:00"


CATALOGUE = "/srv/wordpress.org/catalogue.json"


def translate(wp, updated: str, *, inside: str = "", mo: bytes = EMPTY_MO) -> None:
    """Publish a German translation of this revision; `inside` is the revision in its file."""
    listed = {
        "type": "plugin",
        "slug": "contact-desk",
        "language": "de_DE",
        "version": "2.3.1",
        "updated": updated,
    }
    wp.evaluate(
        f"$all = json_decode(file_get_contents('{CATALOGUE}'), true);"
        f"$all['translations'] = json_decode({php_text(json.dumps([listed]))}, true);"
        f"file_put_contents('{CATALOGUE}', json_encode($all));"
    )
    stamp = inside or updated
    po = f'msgid ""\nmsgstr ""\n"PO-Revision-Date: {stamp}+0000\\n"\n'
    files = {"contact-desk-de_DE.po": po, "contact-desk-de_DE.mo": mo}
    publish(wp, "translation/plugin/contact-desk/2.3.1/de_DE.zip", files)
