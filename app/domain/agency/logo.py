"""The agency's logo: an uploaded picture, decoded and written again as a small PNG.

Only the pixels of the upload are kept. Whatever else the file contains (a script in its comment, a
second format appended to it, the place where a photo was taken) is gone. SVG is refused, because it
is a document with links, styles and scripts.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from datetime import datetime

from PIL import Image, ImageOps, UnidentifiedImageError

from app.domain import audit, permissions
from app.domain.actor import Actor
from app.domain.audit.events import AgencyLogoChanged, AgencyLogoRemoved
from app.domain.errors import Invalid
from app.models.agency import Agency, AgencyLogo

MAX_BYTES = 512 * 1024
MAX_SIDE_PX = 4000
MIN_SIDE_PX = 16
# A logo is shown at most 160 by 48 CSS pixels large; this is for screens with three times as many.
_STORED_PX = (480, 144)
FORMATS = ("PNG", "JPEG", "WEBP")
# Opacity from which a pixel counts as visible, and lightness from which all of them are too light.
_VISIBLE = 64
_TOO_LIGHT = 0.9


@dataclass(frozen=True)
class Logo:
    """A picture to store."""

    png: bytes
    width: int
    height: int

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.png).hexdigest()


def read_logo(data: bytes) -> Logo:
    """Decode an uploaded picture and encode it as PNG.

    Raises: Invalid if it is no PNG, JPEG or WebP, too large or too small, damaged, or almost white.
    """
    if not data:
        raise Invalid("logo", "Choose a file.")
    if len(data) > MAX_BYTES:
        raise Invalid("logo", f"The file is larger than {MAX_BYTES // 1024} kB.")
    picture = _decoded(data)
    if _lightness(picture) > _TOO_LIGHT:
        raise Invalid(
            "logo",
            "The logo is almost white. Aura shows it on white, as it is on paper, so upload the "
            "version for light backgrounds.",
        )
    picture.thumbnail(_STORED_PX, Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return Logo(written.getvalue(), *picture.size)


def set_logo(data: bytes, *, by: Actor, now: datetime) -> Logo:
    """Store an uploaded logo. Raises Forbidden, or Invalid as `read_logo` does."""
    permissions.require(by, "agency")
    logo = read_logo(data)
    with permissions.user_transaction(by, "agency") as (_, present):
        if Agency.read().logo_digest != logo.digest:
            AgencyLogo.replace_with(png=logo.png, uploaded_at=now)
            Agency.write(logo_digest=logo.digest, logo_width=logo.width, logo_height=logo.height)
            event = AgencyLogoChanged(
                digest=logo.digest, width=logo.width, height=logo.height, size=len(logo.png)
            )
            audit.record(event, present, now=now)
    return logo


def remove_logo(*, by: Actor, now: datetime) -> None:
    """Delete the logo, if there is one. Raises: Forbidden."""
    with permissions.user_transaction(by, "agency") as (_, present):
        digest = Agency.read().logo_digest
        if AgencyLogo.remove():
            Agency.write(logo_digest="", logo_width=0, logo_height=0)
            audit.record(AgencyLogoRemoved(digest=digest), present, now=now)


def _decoded(data: bytes) -> Image.Image:
    """Return the pixels of the picture, upright, with transparency. Raises: Invalid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                _check_size(*opened.size)
                return ImageOps.exif_transpose(opened).convert("RGBA")
    except UnidentifiedImageError as why:
        raise Invalid("logo", "Upload a PNG, JPEG or WebP picture. SVG is not accepted.") from why
    # What a damaged picture raises depends on its format and on the place of the damage.
    except (OSError, ValueError, SyntaxError, ArithmeticError, Image.DecompressionBombError) as why:
        raise Invalid("logo", "The picture is damaged. Save it again and upload it.") from why


def _check_size(width: int, height: int) -> None:
    """Check the size that the file claims, before any pixel is decoded. Raises: Invalid."""
    if max(width, height) > MAX_SIDE_PX:
        raise Invalid("logo", f"The picture is larger than {MAX_SIDE_PX} pixels.")
    if min(width, height) < MIN_SIDE_PX:
        raise Invalid("logo", f"The picture is smaller than {MIN_SIDE_PX} pixels.")


def _lightness(picture: Image.Image) -> float:
    """Return the lightness of the visible pixels, from 0 to 1; 1 if none is visible."""
    visible = picture.getchannel("A").point(lambda alpha: 255 if alpha >= _VISIBLE else 0)
    counts = picture.convert("L").histogram(mask=visible)
    total = sum(counts)
    return sum(level * count for level, count in enumerate(counts)) / (255 * total) if total else 1
