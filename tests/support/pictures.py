"""Pictures to upload as a logo."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

BLUE = (29, 91, 214, 255)


def picture(
    kind: str = "PNG", size: tuple[int, int] = (200, 60), color: Any = BLUE, **options: Any
) -> bytes:
    """Return a picture of one color, encoded as `kind`."""
    written = io.BytesIO()
    mode = "RGB" if kind == "JPEG" else "RGBA"
    Image.new(mode, size, color[: len(mode)]).save(written, kind, **options)
    return written.getvalue()
