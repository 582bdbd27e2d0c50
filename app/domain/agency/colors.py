"""The agency's accent color: contrast as WCAG 2.2 defines it, and the colors of both themes.

No color is readable as text on white and on nearly black, so each theme has its own. An owner may
choose only the light one; Aura then lightens it for the dark theme.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.domain.errors import Invalid

# WCAG 2.2, success criteria 1.4.3 (text) and 1.4.11 (edges of controls).
TEXT_CONTRAST = 4.5
CONTROL_CONTRAST = 3.0

_HEX = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_BLACK, _WHITE = "#000000", "#ffffff"
_SHADES = 100


@dataclass(frozen=True)
class Theme:
    """The colors of a theme that the accent is used with; a test compares them with tokens.css.

    `away` is the end of the scale that is far from the surfaces. `wash` is how much of the accent
    is in the background of a badge, and `deep` how much of `away` is in a hovered button.
    """

    name: str
    canvas: str
    surface: str
    sunk: str
    away: str
    on_accent: str
    wash: float
    deep: float


LIGHT = Theme("light", "#f7f8fa", "#ffffff", "#eef0f3", _BLACK, "#ffffff", 0.1, 0.2)
DARK = Theme("dark", "#0f1215", "#171b20", "#0b0d10", _WHITE, "#0b1626", 0.14, 0.35)


@dataclass(frozen=True)
class Accent:
    """The accent of one theme, with the colors made from it."""

    accent: str
    deep: str
    on_accent: str
    wash: str


@dataclass(frozen=True)
class Measurement:
    """The contrast of a color on a background, and the least that its use needs."""

    where: str
    ratio: float
    least: float

    @property
    def is_enough(self) -> bool:
        return self.ratio >= self.least


def contrast(color: str, other: str) -> float:
    """Return the contrast ratio of two `#rrggbb` colors, from 1 to 21 (WCAG 2.2, "contrast")."""
    lighter, darker = sorted((_luminance(color), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def accent_for(color: str, theme: Theme) -> Accent:
    """Return the colors that a theme needs of the accent `color`."""
    return Accent(
        accent=color,
        deep=_mixed(color, theme.away, theme.deep),
        on_accent=theme.on_accent,
        wash=_mixed(theme.surface, color, theme.wash),
    )


def measure(color: str, theme: Theme) -> list[Measurement]:
    """Return the contrasts of the accent `color` everywhere that the theme uses it."""
    accent = accent_for(color, theme)
    return [
        Measurement("text on a panel", contrast(color, theme.surface), TEXT_CONTRAST),
        Measurement("text on the page", contrast(color, theme.canvas), TEXT_CONTRAST),
        Measurement("text on a badge", contrast(color, accent.wash), TEXT_CONTRAST),
        Measurement("the text of a button", contrast(accent.on_accent, color), TEXT_CONTRAST),
        Measurement("a focus ring", contrast(color, theme.sunk), CONTROL_CONTRAST),
    ]


def weakest(color: str, theme: Theme) -> Measurement:
    """Return the measurement that misses its minimum by most, or is closest to it."""
    return min(measure(color, theme), key=lambda measurement: measurement.ratio / measurement.least)


def nearest_readable(color: str, theme: Theme) -> str:
    """Return the shade of `color` closest to it that is readable everywhere in the theme."""
    return next(shade for shade in _shades(color, theme) if weakest(shade, theme).is_enough)


def parse_color(text: str, field: str) -> str:
    """Return `#rrggbb` in lower case, or an empty text for an empty one. Raises: Invalid."""
    color = text.strip().lower()
    if color and not _HEX.fullmatch(color):
        raise Invalid(field, "Enter a color as # and six digits, for example #1d5bd6.")
    return color


def require_readable(color: str, theme: Theme, field: str) -> None:
    """Check the contrast of the accent `color` in a theme.

    Raises: Invalid with the measured ratio and the closest color that is readable.
    """
    found = weakest(color, theme)
    if found.is_enough:
        return
    # Round down, so that the text never claims the minimum that was missed.
    ratio = int(found.ratio * 100) / 100
    raise Invalid(
        field,
        f"{color} is hard to read in the {theme.name} theme: as {found.where} its contrast is "
        f"{ratio:.2f}:1, and {found.least:g}:1 is the minimum. The closest readable shade is "
        f"{nearest_readable(color, theme)}.",
    )


def _luminance(color: str) -> float:
    parts = [part / 255 for part in _parts(color)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _mixed(color: str, other: str, share: float) -> str:
    """Return `color` with a share of `other` in it, from 0 to 1."""
    pairs = zip(_parts(color), _parts(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _shades(color: str, theme: Theme) -> Iterator[str]:
    """Yield the color and its shades, step by step to the end of the scale."""
    for step in range(_SHADES + 1):
        yield _mixed(color, theme.away, step / _SHADES)
