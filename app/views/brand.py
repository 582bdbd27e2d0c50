"""The agency's look on every page: its name, its logo and its accent color."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flask import Blueprint, Response, abort, current_app, g, request, url_for
from flask_login import current_user

from app.domain.agency import settings
from app.domain.agency.settings import AgencySettings
from app.models.agency import AgencyLogo
from app.views.authorization import current_session

bp = Blueprint("brand", __name__)

_YEAR = "public, max-age=31536000, immutable"
_NOT_STORED = "no-store"
# The height of the logo on a page, in CSS pixels; its width follows from its shape.
_LOGO_HEIGHT_PX = 32
_LOGO_WIDTH_PX = 160
_AURA = "Aura"
_RULES = """@layer tokens {{
  :root {{
    --accent: light-dark({light.accent}, {dark.accent});
    --accent-deep: light-dark({light.deep}, {dark.deep});
    --on-accent: light-dark({light.on_accent}, {dark.on_accent});
    --accent-wash: light-dark({light.wash}, {dark.wash});
  }}
}}
"""


@dataclass(frozen=True)
class Brand:
    """What a page shows of the agency.

    `stylesheet` and `logo` are addresses, or empty for Aura's own. Sizes are in CSS pixels.
    """

    name: str = _AURA
    stylesheet: str = ""
    logo: str = ""
    width: int = 0
    height: int = 0


@bp.app_template_global("brand")
def brand() -> Brand:
    """Return the brand for the page of this request."""
    if "brand" not in g:
        g.brand = _brand_of(agency_settings())
    found: Brand = g.brand
    return found


def agency_settings() -> AgencySettings:
    """Return the agency's settings as they were at the start of this request.

    They are read with the session; only a page for visitors asks the database for them alone.
    """
    config = current_app.config["AURA"]
    if not current_user.is_authenticated:
        return settings.read_settings(config)
    return settings.settings_in_force(current_session().session.agency, config)


def use_own_brand() -> None:
    """Show Aura's own brand on the page of this request, because the database may be down."""
    g.brand = Brand()


@bp.get("/brand.css")
def stylesheet() -> Response:
    """Return the accent color as a stylesheet. The policy of every page forbids inline styles."""
    text = stylesheet_of(settings.read_settings(current_app.config["AURA"]))
    return _public(Response(text, mimetype="text/css"), _version_of(text))


@bp.get("/brand/logo.png")
def logo() -> Response:
    """Return the logo, which only Aura has encoded."""
    found = settings.read_settings(current_app.config["AURA"])
    png = AgencyLogo.read_png() if found.logo_digest else None
    if png is None:
        abort(404)
    answer = _public(Response(png, mimetype="image/png"), found.logo_digest[:12])
    # Nothing in a picture may load or run, also where a browser opens it as a page.
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer


def stylesheet_of(found: AgencySettings) -> str:
    """Return the rules of the accent color; an empty text for Aura's own."""
    accents = found.accents
    return "" if accents is None else _RULES.format(light=accents[0], dark=accents[1])


def _brand_of(found: AgencySettings) -> Brand:
    rules = stylesheet_of(found)
    width, height = found.logo_width, found.logo_height
    scale = min(_LOGO_HEIGHT_PX / height, _LOGO_WIDTH_PX / width, 1) if width and height else 0
    version = found.logo_digest[:12]
    return Brand(
        name=found.name or _AURA,
        stylesheet=url_for("brand.stylesheet", v=_version_of(rules)) if rules else "",
        logo=url_for("brand.logo", v=version) if version else "",
        width=round(width * scale),
        height=round(height * scale),
    )


def _public(answer: Response, version: str) -> Response:
    """Let browsers keep the answer if its address names this version."""
    is_current = request.args.get("v") == version
    answer.headers["Cache-Control"] = _YEAR if is_current else _NOT_STORED
    return answer


def _version_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
