"""Draw the screenshots of the fleet's pages without a browser."""

from __future__ import annotations

import io
from functools import cache

from PIL import Image, ImageDraw

from app.http.browser_visit import WIDTHS, Width

_PAPER, _INK, _SOFT, _ACCENT = "#ffffff", "#2b2b33", "#d9dbe3", "#3b6ea8"
_HEIGHT = 1100


def draw_pictures(*, is_broken: bool) -> dict[str, bytes]:
    """Return a picture of a page by width; on a broken one, a form has lost a field."""
    return {width.name: _draw(width, is_broken) for width in WIDTHS}


@cache
def _draw(width: Width, is_broken: bool) -> bytes:
    picture = Image.new("RGB", (width.width, _HEIGHT), _PAPER)
    pen = ImageDraw.Draw(picture)
    edge = width.width // 12
    right = width.width - edge
    pen.rectangle((0, 0, width.width, 90), fill=_ACCENT)
    pen.text((edge, 30), "Bakery", fill=_PAPER, font_size=32)
    pen.text((edge, 140), "Contact", fill=_INK, font_size=44)
    fields = ("Name", "Message") if is_broken else ("Name", "E-mail", "Message")
    top = 230
    for name in fields:
        pen.text((edge, top), name, fill=_INK, font_size=22)
        pen.rectangle((edge, top + 36, right, top + 96), outline=_SOFT, width=3)
        top += 140
    pen.rectangle((edge, top, edge + 220, top + 64), fill=_ACCENT)
    pen.text((edge + 40, top + 18), "Send message", fill=_PAPER, font_size=22)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=60)
    return file.getvalue()
