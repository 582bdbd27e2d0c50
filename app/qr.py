"""QR codes as the path of an SVG, so that a page draws them without a picture to load."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import segno

# Light modules that readers need around the code (ISO/IEC 18004).
_QUIET_ZONE = 4


@dataclass(frozen=True)
class QrCode:
    """A square of `size` units, and the path of its dark modules."""

    size: int
    path: str


def make_qr_code(text: str) -> QrCode:
    """Return the QR code of a text. It survives damage of up to 15 %."""
    matrix = segno.make(text, error="m", micro=False).matrix
    runs = []
    for y, row in enumerate(matrix, _QUIET_ZONE):
        x = _QUIET_ZONE
        for is_dark, modules in groupby(row):
            length = len(list(modules))
            if is_dark:
                runs.append(f"M{x} {y}h{length}v1h-{length}z")
            x += length
    return QrCode(len(matrix) + 2 * _QUIET_ZONE, "".join(runs))
